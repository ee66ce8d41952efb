"""Kill what did not end in its time, or has nobody left who would end it: all sessions in one pass."""

import asyncio
import logging
import time

from .process import kill_marked

log = logging.getLogger("sessions_app.local")

FORCE_AFTER = 2.0


class Reaper:
    """The sessions whose processes are to be killed, and from when on."""

    def __init__(self, platform: str, grace: float) -> None:
        self._platform, self._patience = platform, grace + FORCE_AFTER
        self._due: dict[str, float] = {}
        self._done: dict[str, asyncio.Event] = {}

    def __contains__(self, session: str) -> bool:
        return session in self._due

    def expect(self, session: str) -> None:
        """Give a session that was asked to end its time to do so."""
        self._due.setdefault(session, time.monotonic() + self._patience)

    def ended(self, session: str) -> None:
        """Note that a session ended and left nothing."""
        self._due.pop(session, None)

    async def clean(self, session: str) -> None:
        """Have everything of a session killed, and wait until that is done."""
        self._due[session] = 0
        await self._done.setdefault(session, asyncio.Event()).wait()

    async def reap(self) -> None:
        """Kill what is due."""
        late = {session for session, at in self._due.items() if at <= time.monotonic()}
        if not late:
            return
        killed = await asyncio.to_thread(kill_marked, self._platform, late)
        log.warning("Killed %d processes of %d sessions that did not end", killed, len(late))
        for session in late:
            self._due.pop(session, None)
            if done := self._done.pop(session, None):
                done.set()
