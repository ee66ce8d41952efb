"""Watch that the processes of a session together stay within the memory that it asked for.

RLIMIT_DATA holds each process alone; this holds their sum, as a container would. Only the trees of fixed sessions
are walked. What counts is what a control group could not take back either: anonymous and shared memory, each shared
page by its share (so that a fork counts once), but no mapped files. That is dear to ask for, so that it is asked only
where the resident pages, mapped files and all, are beyond the limit.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from .machine import page_size
from .shim import descendants

log = logging.getLogger("sessions_app.local")

EVERY = 2.0
# Each session's shim, and the bytes it asked for.
Fixed = Mapping[str, tuple[int, int]]


async def watch(fixed: Callable[[], Fixed], end: Callable[[str, int], None]) -> None:
    """Look now and then; end what is beyond its limit twice in a row, and say how much it used."""
    before: dict[str, int] = {}
    while True:
        await asyncio.sleep(EVERY)
        try:
            found = await asyncio.to_thread(beyond, sessions) if (sessions := fixed()) else {}
        except Exception:
            log.exception("The watch over memory missed a look")
            continue
        twice = found.keys() & before.keys()
        for session in twice:
            end(session, found[session])
        before = {session: used for session, used in found.items() if session not in twice}


def beyond(fixed: Fixed) -> dict[str, int]:
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
