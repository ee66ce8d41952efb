"""Memory that is not used any more goes back to the system: the C library does so only at the end of its heap.

What Python's own allocator keeps is not reached: a process that is to shrink further is started with
PYTHONMALLOC=malloc.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
from pathlib import Path

from sessions_app.live.per_loop import PerLoop

logger = logging.getLogger(__name__)

# How often it is looked at, in seconds, and how many bytes more than before are worth the while of giving some back.
EVERY = 30.0
WORTH_IT = 16 * 1024 * 1024


def give_back() -> None:
    """Collect what is not used and return it; holds everything up for some tenths of a second."""
    gc.collect()
    trim()


def trim() -> None:
    """Return what the C library keeps."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        logger.debug("This C library cannot be asked to give memory back.")


def resident() -> int:
    """Return how many bytes this process holds; 0 where the system does not say so."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


class Memory:
    """Gives memory back now and then: a crowd, a long list or an attack is over at some time."""

    def __init__(self) -> None:
        self._least = resident()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, unless it has begun."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="give memory back")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Give back, if there is much more than at the last time."""
        held = resident()
        if held > self._least + WORTH_IT:
            await asyncio.to_thread(trim)
            self._least = resident()
        else:
            self._least = min(self._least, held)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.look()


memory: PerLoop[Memory] = PerLoop(Memory)
