"""How long to wait before the platform is asked again."""

from __future__ import annotations

NEWS = 1.0
QUIET = 15.0
STRETCH = 1.5
TROUBLE = 30.0
# Every read sends the whole log anew, so a long one is read less often.
BYTES_PER_SECOND = 30_000_000 / 60


class Rhythm:
    """Quick while there is news, slower and slower when it is quiet, and never dearer than the budget."""

    def __init__(self) -> None:
        self._pause = NEWS
        self._failures = 0

    def after_read(self, *, news: bool, size: int) -> float:
        """Return the pause after a read of ``size`` bytes."""
        self._failures = 0
        self._pause = NEWS if news else min(self._pause * STRETCH, QUIET)
        return max(self._pause, size / BYTES_PER_SECOND)

    def after_failure(self, retry_after: float | None = None) -> float:
        """Return the pause after a read that failed; the platform may have asked for one."""
        self._failures = min(self._failures + 1, 10)
        self._pause = NEWS
        own = min(2.0**self._failures, TROUBLE)
        return max(own, min(retry_after or 0.0, 120.0))
