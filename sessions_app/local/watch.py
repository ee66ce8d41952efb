"""Watch that the processes of a session together stay within the memory that it asked for.

RLIMIT_DATA holds each process alone; this holds their sum, as a container would. Only the trees of fixed sessions
are walked. What counts is what a control group could not take back either: anonymous and shared memory, each shared
page by its share (so that a fork counts once), but no mapped files. That is dear to ask for, so that it is asked only
where the resident pages, mapped files and all, are beyond the limit.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from .machine import page_size
from .shim import descendants

EVERY = 2.0


class Watch:
    """The last look; two in a row decide."""

    def __init__(self) -> None:
        self._over: set[str] = set()

    async def look(self, fixed: Mapping[str, tuple[int, int]]) -> dict[str, int]:
        """Take sessions with their shim and limit; answer what those use that were beyond it the last time too."""
        found = await asyncio.to_thread(beyond, fixed) if fixed else {}
        twice = {session: used for session, used in found.items() if session in self._over}
        self._over = set(found)
        return twice


def beyond(fixed: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Find the sessions that use more than their limit, and how much."""
    found = {}
    for session, (shim, limit) in fixed.items():
        tree = descendants(shim)
        if sum(map(resident, tree)) > limit and (used := sum(map(own, tree))) > limit:
            found[session] = used
    return found


def resident(pid: int) -> int:
    """Answer how many bytes of a process are in memory; nothing once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page_size()
    except (OSError, IndexError):
        return 0


def own(pid: int) -> int:
    """Answer what of a process's memory must be counted as its own."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return 0
    sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    # Older kernels have the sum alone.
    return sizes["Pss_Anon"] + sizes["Pss_Shmem"] if "Pss_Anon" in sizes else sizes.get("Pss", 0)
