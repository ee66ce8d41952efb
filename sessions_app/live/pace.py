"""So many calls in a second and no more, however many wait to make one."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """Hands out turns, evenly spread, in the order in which they are asked for."""

    def __init__(self, per_second: float) -> None:
        self._apart = 1.0 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + self._apart
        await asyncio.sleep(at - now)
