"""A handshake is judged by its head alone, so that a server need not make a socket of one that is refused."""

from __future__ import annotations

from sessions_app.live.askers import Asker, Scope, asker_of
from sessions_app.live.browsers import handshakes
from sessions_app.live.origins import is_from_here


def asker_for_a_socket(scope: Scope) -> Asker:
    """Return who asks; a page from elsewhere cannot use up what the browser's own pages have."""
    asker = asker_of(scope)
    return asker if is_from_here(scope) else Asker(asker.address)


def lets_in(asker: Asker) -> bool:
    """Count a handshake; false when there are too many."""
    return handshakes().allow(asker)


def fine(asker: Asker) -> None:
    """Let who flooded a socket open fewer for a while."""
    handshakes().fine(asker)
