"""Who somebody is and what they may see, judged once for all sockets that ask at the same moment.

A thousand tabs of a team open and are judged again together; each question would cost a thread and a connection to the
database of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

from sessions_app import access
from sessions_app.live.handshake import person_of, with_own_thread
from sessions_app.live.per_loop import PerLoop
from sessions_app.models import Person, Record

# How old a judgement may be, in seconds; and after how many the old ones are thrown away.
FRESH = 1.0
MANY = 1000
# So many changes of rights are remembered as known.
RECENT = 64

T = TypeVar("T")


class Judge:
    """The judgements of one event loop."""

    def __init__(self) -> None:
        self._judgements: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}
        self._changes: deque[str] = deque(maxlen=RECENT)

    async def person(self, session_key: str) -> Person | None:
        """Return who is signed in with this session now."""
        return await self._shared(("person", session_key), lambda: person_of(session_key))

    async def record(self, person: Person, slug: str) -> Record:
        """Return the record if this person may see it; raises ``access.NotThereError``."""
        return await self._shared(("record", person.pk, slug), lambda: access.record_for(person, slug))

    def forget(self, change: str) -> None:
        """Judge everything anew: somebody's rights have changed. Each of their sockets says so of the same change."""
        if change not in self._changes:
            self._changes.append(change)
            self._judgements.clear()

    async def _shared(self, key: Hashable, judge: Callable[[], Coroutine[Any, Any, T]]) -> T:
        now = time.monotonic()
        begun, task = self._judgements.get(key, (float("-inf"), None))
        if task is None or (task.done() and now - begun > FRESH):
            if len(self._judgements) >= MANY:
                self._judgements = {
                    each: kept for each, kept in self._judgements.items() if now - kept[0] <= FRESH
                }
            task = asyncio.create_task(with_own_thread(judge()))
            self._judgements[key] = (now, task)
        # Who asked may be gone before the answer is there; the others still wait for it.
        answer: T = await asyncio.shield(task)
        return answer


# The judge of the running event loop.
judge = PerLoop(Judge)
