"""What sessions may take of the machine together, and who waits until there is room.

A fixed request counts whole. A flexible session was promised no cores: it takes what the others leave, so it counts
none. Memory cannot be shared like that, so each session counts some, and that bounds how many there can be: a few
hundred small commands on a machine of 24 GiB. The figure lies between those, of a few megabytes, and a notebook with a
kernel, of 134 (and only a few of those are had by a person at a time).

Whoever fits is let in, oldest first. One that came later passes an older one who waits in two cases:

- It leaves the older one what that asks for: both fit beside all those that run and came later than the older one. A
  flexible notebook beside a job that waits for cores, or for much memory, is like that. It costs the older one nothing,
  as that starts when those have ended that came before it, so it is always allowed.
- The older one was asked for less than ``Limits.passing`` seconds ago. So a large session may be passed for a minute by
  small ones that take room it needs; after that the room is kept for it.

Hence nobody starves: when its minute is over, whoever waits starts as soon as those have ended that ran at that moment
or came before it, whatever comes later, and sessions end at their deadline if not before. And no room stays empty that
anybody could take, but what is kept for somebody older.
"""

import bisect
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate

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

    def or_more(self, other: "Share") -> "Share":
        """Answer the larger one of each part."""
        return Share(*(max(mine, theirs) for mine, theirs in zip(self.parts, other.parts, strict=True)))

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


class Taken:
    """What the sessions that have room count together: all of them, or those that came later than somebody."""

    def __init__(self, admitted: Iterable[Session], whole: Share) -> None:
        latest_first = sorted(admitted, key=lambda session: session.created, reverse=True)
        shares = (share_of(session, whole) for session in latest_first)
        self._sums = list(accumulate(shares, Share.__add__, initial=Share(0, 0)))
        self._ages = [-session.created for session in latest_first]
        self.together = self._sums[-1]

    def since(self, session: Session) -> Share:
        """Answer what those count that came later than this one."""
        return self._sums[bisect.bisect_left(self._ages, -session.created)]


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
        taken, kept, waiting = Taken(admitted, self.whole), Share(0, 0), self.waiting()
        for place, session in enumerate(waiting):
            wanted = share_of(session, self.whole)
            if wanted.fits(taken.together, self.whole) and wanted.fits(kept, self.whole):
                return waiting.pop(place)
            if self._clock() - session.created >= self._passing:
                kept = kept.or_more(wanted + taken.since(session))
        return None
