"""What sessions may take of the machine together, and who waits until there is room.

A fixed request counts whole. A flexible session was promised no cores: it takes what the others leave, so it counts
none. Memory cannot be shared like that, so each session counts some, and that bounds how many there can be: a few
hundred small commands on a machine of 24 GiB. The figure lies between those, of a few megabytes, and a notebook with a
kernel, of 134 (and only a few of those are had by a person at a time).

Whoever fits is let in, oldest first. One that came later passes the oldest who waits in two cases:

- It takes nothing that the oldest waits for: of each thing it asks for, as much would still be free for the oldest when
  those that run now have ended. A flexible notebook beside a job that waits for cores is like that. This is no harm, so
  it is always allowed.
- The oldest was asked for less than ``Limits.passing`` seconds ago. So a large session may be passed for a minute by
  small ones that take room it needs; after that the room is kept for it.

Hence nobody starves: when the minute is over, the oldest starts as soon as those have ended that ran at that moment,
whatever comes later, and sessions end at their deadline if not before. Nothing is kept for the others who wait; each of
them is the oldest in its turn. And no room stays empty that anybody could take, but what is kept for the oldest.
"""

import bisect
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from . import machine
from .kinds import Limits
from .session import Session

FLEXIBLE_CORES = 0.0
FLEXIBLE_RAM = 64 * 2**20
# Sums of tenths of a core come out a little beside what they are.
SLACK = 1e-6


@dataclass(frozen=True)
class Share:
    """An amount of cores, of memory in bytes, and of GPUs."""

    cores: float
    ram: float
    gpus: float = 0

    @property
    def parts(self) -> tuple[float, float, float]:
        """Answer the three amounts."""
        return self.cores, self.ram, self.gpus

    def __add__(self, other: "Share") -> "Share":
        return Share(self.cores + other.cores, self.ram + other.ram, self.gpus + other.gpus)

    def without(self, other: "Share") -> "Share":
        """Answer what is left of this when that is taken."""
        return Share(*(mine - theirs for mine, theirs in zip(self.parts, other.parts, strict=True)))

    def within(self, whole: "Share") -> "Share":
        """Cut this to what there is."""
        return Share(*(min(mine, there) for mine, there in zip(self.parts, whole.parts, strict=True)))

    def lacking(self, taken: "Share", whole: "Share") -> tuple[bool, ...]:
        """Say of each part whether there is too little for this beside what is taken.

        Of what it does not ask for there is never too little, also where more is taken than there is: sessions go on
        when the platform is started again with less to share.
        """
        parts = zip(self.parts, taken.parts, whole.parts, strict=True)
        return tuple(mine > 0 and theirs + mine > there + SLACK for mine, theirs, there in parts)

    def fits(self, taken: "Share", whole: "Share") -> bool:
        """Say whether there is room for this beside what is taken."""
        return not any(self.lacking(taken, whole))


def capacity(limits: Limits) -> Share:
    """Answer what there is to share: what was said at the start, or else the whole machine."""
    ram = limits.capacity_ram * machine.GIB if limits.capacity_ram else machine.memory()
    return Share(limits.capacity_cores or machine.cores(), ram, limits.offered_gpus)


def share_of(session: Session, whole: Share) -> Share:
    """Answer what a session counts. What is larger than the whole counts as that: it must not wait for ever."""
    cores = FLEXIBLE_CORES if session.cores is None else session.cores
    ram = FLEXIBLE_RAM if session.ram is None else session.ram * machine.GIB
    return Share(cores, ram, session.gpus).within(whole)


def taken_by(sessions: Iterable[Session], whole: Share) -> Share:
    """Answer what sessions count together."""
    return sum((share_of(session, whole) for session in sessions), Share(0, 0))


class Queue:
    """The sessions that wait for room, in the order in which they were asked for."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self.whole = capacity(limits)
        self._passing, self._clock = limits.passing, clock
        self._waiting: list[Session] = []

    def add(self, session: Session) -> None:
        """Let a session wait, behind those that were asked for before."""
        bisect.insort(self._waiting, session, key=lambda each: each.created)

    def drop(self, session: Session) -> None:
        """Let a session wait no longer."""
        self._waiting = [each for each in self._waiting if each is not session]

    def waiting(self) -> list[Session]:
        """Answer who waits, oldest first."""
        self._waiting = [each for each in self._waiting if each.active and not each.deleted]
        return self._waiting

    def next(self, admitted: Iterable[Session]) -> Session | None:
        """Take out whoever is to start now beside those admitted, if anybody is."""
        taken = taken_by(admitted, self.whole)
        waiting = self.waiting()
        for place, session in enumerate(waiting):
            wanted = share_of(session, self.whole)
            if wanted.fits(taken, self.whole) and (not place or self._may_pass(wanted, waiting[0], taken)):
                return waiting.pop(place)
        return None

    def _may_pass(self, wanted: Share, oldest: Session, taken: Share) -> bool:
        if self._clock() - oldest.created < self._passing:
            return True
        return wanted.fits(taken + share_of(oldest, self.whole), self.whole)
