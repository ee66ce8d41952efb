"""Requests at work: a few at once for each who asks, and so many in all; the others wait, and each is served in turn.

The portal has one processor to give. Who sends a hundred requests at once waits for their own, and everybody else for
no more than the few of theirs that are at work.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from types import TracebackType

# Who is at work for longer waits for something else, such as the platform or news, and costs nobody anything.
LONGEST = 0.1
# How long a request waits for its turn, in seconds, and how many of one who asks may wait.
PATIENCE = 10.0
MOST_WAITING = 100


class NoTurnError(Exception):
    """There was no turn in time, or too many wait."""


class Lanes:
    """A lane for each who asks."""

    def __init__(self, each: int, in_all: int) -> None:
        self._each, self._in_all = each, in_all
        self._at_work: Counter[str] = Counter()
        self._total = 0
        # Whose turn is next comes first.
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def turn(self, lane: str) -> Turn:
        """Return a turn when there is one; raises ``NoTurnError``."""
        if lane in self._waiting or not self._is_free(lane):
            await self._wait(lane)
        else:
            self._begin(lane)
        return Turn(self, lane)

    def end(self, lane: str) -> None:
        """Let the next one work."""
        self._total -= 1
        self._at_work[lane] -= 1
        if not self._at_work[lane]:
            del self._at_work[lane]
        self._go_on()

    async def _wait(self, lane: str) -> None:
        line = self._waiting.setdefault(lane, deque())
        if len(line) >= MOST_WAITING:
            raise NoTurnError
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(mine)
        try:
            async with asyncio.timeout(PATIENCE):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled():
                self.end(lane)  # It came at the same moment.
            else:
                self._leave(lane, mine)
            if isinstance(error, TimeoutError):
                raise NoTurnError from None
            raise

    def _leave(self, lane: str, mine: asyncio.Future[None]) -> None:
        line = self._waiting.get(lane)
        if line is not None and mine in line:
            line.remove(mine)
            if not line:
                del self._waiting[lane]

    def _is_free(self, lane: str) -> bool:
        return self._at_work[lane] < self._each and self._total < self._in_all

    def _begin(self, lane: str) -> None:
        self._at_work[lane] += 1
        self._total += 1

    def _go_on(self) -> None:
        for lane in tuple(self._waiting):
            if self._total >= self._in_all:
                return
            if self._at_work[lane] >= self._each:
                continue
            line = self._waiting.pop(lane)
            while line and line[0].done():
                line.popleft()  # Who gave up, and did not come to say so yet.
            if line:
                self._begin(lane)
                line.popleft().set_result(None)
            if line:
                self._waiting[lane] = line  # Behind the others.


class Turn:
    """One request at work; over when its answer begins, and at the latest after a while."""

    __slots__ = ("_lane", "_lanes", "_late")

    def __init__(self, lanes: Lanes, lane: str) -> None:
        self._lanes: Lanes | None = lanes
        self._lane = lane
        self._late = asyncio.get_running_loop().call_later(LONGEST, self.end)

    def end(self) -> None:
        """Let the next one work; once."""
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            self._late.cancel()
            lanes.end(self._lane)

    def __enter__(self) -> Turn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
