"""Work on threads, a few at once in all and fewer for each person; the others wait a moment, then are refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from sessions_app.live.per_loop import PerLoop
from sessions_app.models import Person

AT_ONCE = 4
AT_ONCE_EACH = 2
PATIENCE = 5.0

T = TypeVar("T")


class BusyError(Exception):
    """There was no turn in time."""


class Turns:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._running: Counter[int] = Counter()

    async def run(self, person: Person, work: Callable[[], T]) -> T:
        """Run ``work`` on a thread when it is this person's turn; raises ``BusyError`` when that takes too long.

        Whoever asked may be gone before it ends: the thread is not, so its turn lasts until it is.
        """
        try:
            async with asyncio.timeout(PATIENCE), self._changed:
                await self._changed.wait_for(lambda: self._free(person))
                self._running[person.pk] += 1
        except TimeoutError:
            raise BusyError from None
        running = asyncio.ensure_future(self._run(person, work))
        return await asyncio.shield(running)

    async def _run(self, person: Person, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        finally:
            self._running[person.pk] -= 1
            self._running += Counter()  # Drops who runs nothing.
            async with self._changed:
                self._changed.notify_all()

    def _free(self, person: Person) -> bool:
        return self._running.total() < AT_ONCE and self._running[person.pk] < AT_ONCE_EACH


# The turns of the running event loop.
turns = PerLoop(Turns)
