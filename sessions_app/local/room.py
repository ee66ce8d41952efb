"""How much may run at once: what was asked for must fit the machine, and who comes too late waits (contract 4.6).

A fixed request takes what it names. A flexible one lives on what is free: it takes no core, and of memory as much as
a small program needs, so that many of them run beside each other and yet not without end.
"""

from dataclasses import dataclass

from .machine import GIB
from .session import Session

MIB = GIB // 1024
LEAST_MEMORY = 64 * MIB


@dataclass(frozen=True)
class Share:
    """What one session takes: thousandths of a core, and bytes."""

    cores: int
    memory: int


def share_of(session: Session) -> Share:
    """Say what a session takes."""
    memory = int(session.ram * GIB) if session.ram is not None else LEAST_MEMORY
    return Share(int((session.cores or 0) * 1000), memory)


class Room:
    """What there is, and who has taken how much of it."""

    def __init__(self, cores: float, memory: int) -> None:
        self._cores, self._memory = int(cores * 1000), memory
        self._taken: dict[str, Share] = {}
        self._taken_cores = self._taken_memory = 0

    def take(self, session: Session) -> bool:
        """Give a session its share, if there is as much; one that asks for more than there is must be alone."""
        share = share_of(session)
        if self._taken and not self._fits(share):
            return False
        self.claim(session)
        return True

    def claim(self, session: Session) -> None:
        """Note the share of a session that runs already, whether it fits or not."""
        self.leave(session)
        share = self._taken[session.id] = share_of(session)
        self._taken_cores += share.cores
        self._taken_memory += share.memory

    def leave(self, session: Session) -> None:
        """Take a session's share back."""
        if share := self._taken.pop(session.id, None):
            self._taken_cores -= share.cores
            self._taken_memory -= share.memory

    def _fits(self, share: Share) -> bool:
        cores, memory = self._taken_cores + share.cores, self._taken_memory + share.memory
        return cores <= self._cores and memory <= self._memory
