"""When to ask again: reads only, twice at most, after a random pause, and within a budget shared by all calls."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field

from .answers import Answer, retry_after
from .errors import PlatformUnreachableError
from .wire import Request

AGAIN_LATER = frozenset({502, 503, 504})
# A platform that wants to be left alone for longer than this is not asked again within the same call.
LONGEST_PAUSE = 60.0


class Budget:
    """Allow about one retry for every ten calls, so that a platform in trouble is not asked twice as much."""

    def __init__(self, share: float = 0.09, most: float = 10.0) -> None:
        self._share, self._most, self._saved = share, most, 1.0
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Count a call."""
        with self._lock:
            self._saved = min(self._most, self._saved + self._share)

    def spend(self) -> bool:
        """Take a retry out of the budget, if there is one left."""
        with self._lock:
            if self._saved < 1.0:
                return False
            self._saved -= 1.0
            return True


@dataclass(slots=True)
class Retries:
    """How reads are asked again. One per pool, as its budget is shared."""

    times: int = 2
    shortest: float = 0.2
    longest: float = 2.0
    budget: Budget = field(default_factory=Budget)

    def pause(self, request: Request, result: object, attempts: int, left: float) -> float | None:
        """Return the seconds to wait before asking again, or None to leave it."""
        if attempts > self.times or not request.repeatable or not _is_passing(result):
            return None
        pause = self._jittered(result)
        if pause is None or pause >= left or not self.budget.spend():
            return None
        return pause

    def _jittered(self, result: object) -> float | None:
        pause = random.uniform(self.shortest, self.longest)  # noqa: S311 - spreads requests, guards nothing
        wished = retry_after(result.headers.get("retry-after", "")) if isinstance(result, Answer) else None
        if wished is None:
            return pause
        # Never sooner than asked, and not all at that very moment.
        return None if wished > LONGEST_PAUSE else wished + pause


def _is_passing(result: object) -> bool:
    if isinstance(result, Answer):
        return result.status in AGAIN_LATER
    return isinstance(result, PlatformUnreachableError)
