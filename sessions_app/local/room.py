"""Who has room on the machine, who waits for it, and what those are told."""

import asyncio
from collections.abc import Callable

from . import turns
from .capacity import Queue
from .kinds import Limits
from .session import Session


class Rooms:
    """Gives room to sessions, and takes it back; whoever waits is kept informed."""

    def __init__(
        self, limits: Limits, let_in: Callable[[Session], None], tell: Callable[[Session, str], None]
    ) -> None:
        self._queue, self._let_in, self._tell = Queue(limits), let_in, tell
        self._holding: dict[str, Session] = {}
        self._coming: dict[str, asyncio.Event] = {}
        self._told: dict[str, str] = {}
        self._telling = False

    def hold(self, session: Session) -> None:
        """Note that a session runs already, whether or not there was room for it."""
        self._holding[session.id] = session

    def wait(self, session: Session) -> None:
        """Let a session wait; `admit` looks whether it has to."""
        self._queue.add(session)

    def give_back(self, session: Session) -> None:
        """Take a session's room back, or its place among those that wait, and let others in."""
        if self._holding.pop(session.id, None) is None:
            self._queue.drop(session)
        self._coming.pop(session.id, None)
        self.admit()

    async def get(self, session: Session) -> None:
        """Wait until a session has room."""
        if session.id in self._holding:
            return
        came = self._coming[session.id] = asyncio.Event()
        self.wait(session)
        self.admit()
        await came.wait()

    def admit(self) -> None:
        """Let in whoever there is room for."""
        while session := self._queue.next(self._holding.values()):
            self._holding[session.id] = session
            self._told.pop(session.id, None)
            self._let_in(session)
            if came := self._coming.pop(session.id, None):
                came.set()
        if not self._telling:
            self._telling = True
            # Once for all that happens together.
            asyncio.get_running_loop().call_soon(self._tell_all)

    def _tell_all(self) -> None:
        self._telling = False
        told, self._told = self._told, {}
        waiting = self._queue.waiting()
        for session, text in turns.sentences(waiting, self._holding.values(), self._queue.whole):
            self._told[session.id] = text
            if told.get(session.id) != text:
                self._tell(session, text)


class Room:
    """The room of one session, as its life sees it."""

    def __init__(self, rooms: Rooms, session: Session) -> None:
        self._rooms, self._session = rooms, session

    def give_back(self) -> None:
        """Let others have it."""
        self._rooms.give_back(self._session)

    async def get(self) -> None:
        """Wait until it is ours."""
        await self._rooms.get(self._session)
