"""Measure what sessions and the machine use: one pass over the processes for all, when somebody looks."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from .machine import cores

FRESH = 3.0
STALE = 30.0


@dataclass(frozen=True)
class Sample:
    """What one session has used up to now, and uses now."""

    at: float
    seconds: float
    ram: int
    cores: float | None = None


class Usage:
    """The last measurement. Reading it starts the next one when it is due; nobody waits for it."""

    def __init__(self) -> None:
        self._samples: dict[str, Sample] = {}
        self._at = 0.0
        self._task: asyncio.Task[None] | None = None
        psutil.cpu_percent()
        self._busy, self._busy_at = 0.0, time.monotonic()

    def of(self, session: str) -> Sample | None:
        """Answer the use of a session; none before it was measured, and none once that is long ago."""
        sample = self._samples.get(session)
        return sample if sample and time.monotonic() - sample.at < STALE else None

    def busy_cores(self) -> float:
        """Answer how many of the machine's cores were busy lately."""
        if time.monotonic() - self._busy_at >= 1:
            self._busy, self._busy_at = psutil.cpu_percent() / 100 * cores(), time.monotonic()
        return round(self._busy, 3)

    def used_memory(self) -> int:
        """Answer how much of the machine's memory is taken."""
        found = psutil.virtual_memory()
        return int(found.total - found.available)

    def look(self, shims: dict[str, int]) -> None:
        """Measure again in the background if the last time is a while ago."""
        if time.monotonic() - self._at >= FRESH and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._measure(shims))

    async def _measure(self, shims: dict[str, int]) -> None:
        self._samples = await asyncio.to_thread(measure, shims, self._samples)
        self._at = time.monotonic()


def measure(shims: dict[str, int], before: dict[str, Sample]) -> dict[str, Sample]:
    """Measure each session's tree, and its cores in use since the time before."""
    children: dict[int, list[psutil.Process]] = {}
    known: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            children.setdefault(process.ppid(), []).append(process)
            known[process.pid] = process
    return {
        session: _sum(known[shim], children, before.get(session))
        for session, shim in shims.items()
        if shim in known
    }


def _sum(shim: psutil.Process, children: dict[int, list[psutil.Process]], before: Sample | None) -> Sample:
    tree = _tree(shim.pid, children)
    # What ended processes used is in the sums of those that reaped them, the shim last of all.
    at, seconds = time.monotonic(), sum(_seconds(process) for process in [shim, *tree])
    ram = sum(_ram(process) for process in tree)
    used = max(0.0, seconds - before.seconds) / (at - before.at) if before and at > before.at else None
    return Sample(at, seconds, ram, used)


def _tree(root: int, children: dict[int, list[psutil.Process]]) -> list[psutil.Process]:
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += [process.pid for process in below]
    return found


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _ram(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
