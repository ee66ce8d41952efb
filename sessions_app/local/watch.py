"""End what takes more memory than it asked for.

The kernel's limit (``RLIMIT_DATA``) holds for one process at a time and does not count what is shared; a session is a
tree of them. So its sum is looked at now and then, and whoever is over twice in a row is ended, as where a container
has a limit.
"""

import asyncio
import time
from collections.abc import Mapping

import psutil

from .usage import trees

EVERY = 2.0
STRIKES = 2


class Watch:
    """Looks at the memory of sessions with a fixed request; costs nothing while there is none."""

    def __init__(self) -> None:
        self._at = 0.0
        self._strikes: dict[str, int] = {}

    async def over(self, shims: Mapping[str, int], limits: Mapping[str, int]) -> dict[str, int]:
        """Answer which sessions were over their limit in bytes twice in a row, and what they use."""
        if not shims or time.monotonic() - self._at < EVERY:
            return {}
        self._at = time.monotonic()
        found = await asyncio.to_thread(excess, shims, limits)
        self._strikes = {session: self._strikes.get(session, 0) + 1 for session in found}
        return {session: used for session, used in found.items() if self._strikes[session] >= STRIKES}


def excess(shims: Mapping[str, int], limits: Mapping[str, int]) -> dict[str, int]:
    """Measure the trees below the shims; answer those that use more than their limit."""
    found = {}
    for session, tree in trees(shims).items():
        if sum(map(_resident, tree)) > limits[session]:
            # What several processes share was counted for each of them: only now is the dearer sum worth it.
            used = sum(map(_proportional, tree))
            if used > limits[session]:
                found[session] = used
    return found


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
