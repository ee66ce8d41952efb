"""Give memory back after a crowd has left.

A socket's objects refer to each other in circles, which Python finds in its own time: when much new is made, and after
a crowd has left little is. What is freed the allocator keeps, too, unless it is asked.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from weakref import WeakKeyDictionary

# So many sockets are a crowd; it has left when half of them have, and this many seconds later it is tidied up.
CROWD = 200
LATER = 2.0


class Attendance:
    """How many sockets one event loop serves, and how many it served since it was last tidied up."""

    def __init__(self) -> None:
        self.present = self.most = 0
        self._planned: asyncio.TimerHandle | None = None

    def come(self) -> None:
        """Count one more."""
        self.present += 1
        self.most = max(self.most, self.present)

    def go(self) -> None:
        """Count one less; after a crowd, plan to tidy up when nobody has left for a moment."""
        self.present -= 1
        if self.most < CROWD or self.present > self.most // 2:
            return
        if self._planned is not None:
            self._planned.cancel()
        self._planned = asyncio.get_running_loop().call_later(LATER, self._tidy)

    def _tidy(self) -> None:
        self._planned, self.most = None, self.present
        gc.collect()
        _trim()


def _trim() -> None:
    """Let the C library return what is free; only glibc knows how."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


_attendances: WeakKeyDictionary[asyncio.AbstractEventLoop, Attendance] = WeakKeyDictionary()


def attendance() -> Attendance:
    """Return the count of the running event loop."""
    return _attendances.setdefault(asyncio.get_running_loop(), Attendance())
