"""What sessions may take of the machine together, and who waits until there is room: first come, first served.

A fixed request counts whole. A flexible session was promised no cores: it takes what the others leave, so it counts
none. Memory cannot be shared like that, so each session counts some, and that bounds how many there can be: a few
hundred small commands on a machine of 24 GiB. The figure lies between those, of a few megabytes, and a notebook with a
kernel, of 134 (and only a few of those are had by a person at a time).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from . import machine
from .kinds import Limits
from .session import Session

FLEXIBLE_CORES = 0.0
FLEXIBLE_RAM = 64 * 2**20


@dataclass(frozen=True)
class Share:
    """An amount of cores, and of memory in bytes."""

    cores: float
    ram: float

    def __add__(self, other: "Share") -> "Share":
        return Share(self.cores + other.cores, self.ram + other.ram)

    def fits(self, whole: "Share") -> bool:
        """Say whether this is no more than that."""
        return self.cores <= whole.cores and self.ram <= whole.ram

    def within(self, whole: "Share") -> "Share":
        """Cut this to what there is."""
        return Share(min(self.cores, whole.cores), min(self.ram, whole.ram))


def capacity(limits: Limits) -> Share:
    """Answer what there is to share: what was said at the start, or else the whole machine."""
    ram = limits.capacity_ram * machine.GIB if limits.capacity_ram else machine.memory()
    return Share(limits.capacity_cores or machine.cores(), ram)


def share_of(session: Session) -> Share:
    """Answer what a session counts."""
    cores = FLEXIBLE_CORES if session.cores is None else session.cores
    return Share(cores, FLEXIBLE_RAM if session.ram is None else session.ram * machine.GIB)


class Queue:
    """The sessions that wait for room, in the order in which they came."""

    def __init__(self, limits: Limits) -> None:
        self._whole = capacity(limits)
        self._waiting: deque[Session] = deque()

    def add(self, session: Session) -> None:
        """Let a session wait behind the others."""
        self._waiting.append(session)

    def next(self, admitted: Iterable[Session]) -> Session | None:
        """Take out the first one if there is room for it beside those admitted; nobody overtakes it."""
        while self._waiting and self._waiting[0].deleted:
            self._waiting.popleft()
        if not self._waiting:
            return None
        taken = sum(map(share_of, admitted), Share(0, 0))
        # What is larger than the whole runs alone: it must not keep everybody waiting for ever.
        wanted = share_of(self._waiting[0]).within(self._whole)
        return self._waiting.popleft() if (taken + wanted).fits(self._whole) else None
