"""The list of a person's sessions, watched: every page that shows it learns at once that it changed.

Nothing of the list travels: a viewer is told a version, and asks for its fragment when that is another one. One read of
the platform serves all tabs, as it does for the pages.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from sessions_app.client import errors
from sessions_app.connections import Reading, Row
from sessions_app.live.shared import Shared
from sessions_app.models import Person

logger = logging.getLogger(__name__)

# A little longer than the shared read stays fresh while something is in transition, in seconds.
PAUSE = 2.0
OWN_ERROR_PAUSE = 30.0


class Lister(Protocol):
    """What is asked, as one person; `connections.Connection` is one."""

    async def rows(self) -> Reading[tuple[Row, ...]]: ...


class ListFeed(Shared):
    """One person's list for all their tabs."""

    what = "list"

    def __init__(self, person: Person, connect: Callable[[Person], Awaitable[Lister]]) -> None:
        super().__init__()
        self.person = person
        self.version = ""
        self.polls = 0
        self._seen: tuple[tuple[Row, ...] | None, str] | None = None
        self._connect = connect

    async def _run(self) -> None:
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = await self._look()

    async def _look(self) -> float:
        try:
            self.polls += 1
            reading = await (await self._connect(self.person)).rows()
        except errors.PlatformError as error:
            self._learn(str(error))
        except Exception:
            logger.exception("The list of %s cannot be watched; it is tried again later.", self.person)
            return OWN_ERROR_PAUSE
        else:
            self._learn(repr((self._face_of(reading), str(reading.error), reading.slow)))
        return PAUSE

    def _face_of(self, reading: Reading[tuple[Row, ...]]) -> str:
        """Return what of the rows can be seen; they stay one object until there is news."""
        if self._seen is None or self._seen[0] is not reading.value:
            self._seen = (reading.value, repr(reading.value and [row.face for row in reading.value]))
        return self._seen[1]

    def _learn(self, seen: str) -> None:
        version = hashlib.blake2b(seen.encode(), digest_size=9).hexdigest()
        if version == self.version:
            return
        self.version = version
        self.wake_all()
