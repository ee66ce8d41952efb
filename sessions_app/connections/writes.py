"""Launch, renew and destroy: written down before they are sent, and carried through whatever becomes of the browser.

Each button press is an operation of the journal. Its steps are marked as sent before their requests leave, so that a
portal that is killed midway knows afterwards what may have reached the platform. A launch whose answer was lost is
never sent again: the platform's list is searched for it by name until that settles it.
"""

from sessions_app.connections.carrying import wait
from sessions_app.connections.change import before_destroy, destroy, is_held, renew, undo
from sessions_app.connections.launch import LaunchRequest, ValuesNotKeptError, launch, launch_again
from sessions_app.connections.recover import resume
from sessions_app.connections.steps import steps_of

__all__ = [
    "LaunchRequest",
    "ValuesNotKeptError",
    "before_destroy",
    "destroy",
    "is_held",
    "launch",
    "launch_again",
    "renew",
    "resume",
    "steps_of",
    "undo",
    "wait",
]
