"""How many requests of one browser wait for news here: it has six connections to a host, and its pages need some.

All its windows and tabs are counted together, by their cookie. A request that finds no place is answered at once, with
how long to stay away: those that are not held take turns.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST = 3
# So many that are not held may come a second, and none sooner than after this many seconds.
TURNS_PER_SECOND = 4.0
SOONEST = 1.0
MOST_REMEMBERED = 1000


class Holding:
    """The places of each browser."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.held: Counter[str] = Counter()
        self._clock = clock
        # Until when the turns of a browser are given away.
        self._given: dict[str, float] = {}

    @contextmanager
    def place(self, browser: str) -> Iterator[bool]:
        """Hold a place meanwhile; false where there is none."""
        if self.held[browser] >= MOST:
            yield False
            return
        self.held[browser] += 1
        try:
            yield True
        finally:
            self.held[browser] -= 1
            if not self.held[browser]:
                del self.held[browser]

    def turn(self, browser: str) -> float:
        """Return after how many seconds one that found no place may come again."""
        now = self._clock()
        at = max(self._given.get(browser, 0.0), now + SOONEST)
        if len(self._given) >= MOST_REMEMBERED:
            self._given = {each: until for each, until in self._given.items() if until > now}
        self._given[browser] = at + 1 / TURNS_PER_SECOND
        return at - now


holding = Holding()
