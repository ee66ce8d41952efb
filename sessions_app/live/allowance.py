"""So many at once, and so many a second for long."""

from __future__ import annotations

import time


class Allowance:
    """How much of something is left to one who does it; what is refused does not count."""

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, at_once: float, a_second: float) -> None:
        self._most = self._left = float(at_once)
        self._rate = a_second
        self._at = time.monotonic()

    def take(self) -> bool:
        """Take one; false when nothing is left."""
        allowed = self.has_one()
        self._left -= allowed
        return allowed

    def has_one(self) -> bool:
        """Whether one could be taken."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left >= 1

    def fine(self, count: float) -> None:
        """Take off more than there may be: it is waited for that much longer."""
        self._left = max(self._left - count, -self._most)
