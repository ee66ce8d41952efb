"""When a session that computes and writes nothing is worth a word: its output may wait inside the program."""

from __future__ import annotations

import time
from collections.abc import Callable

from sessions_app.connections import timeline
from sessions_app.models import Record

# Seconds without anything new, and cores that are in use at least meanwhile.
AFTER = 60.0
LEAST_CORES = 0.05


class Silence:
    """How long one session has written nothing while it ran; ``told`` is whether that is to be said."""

    def __init__(self, record: Record, written: float | None, clock: Callable[[], float] = time.time) -> None:
        # What runs in a notebook or on a desktop is seen there; the log of those is their server's.
        self._concerns = record.kind == "headless"
        self._clock, self._state = clock, record.state
        self._since = max(written or 0.0, _ran_since(record) if self._concerns else 0.0) or clock()
        self.told = False

    def end(self) -> None:
        """Note that something was written."""
        self._since, self.told = self._clock(), False

    def look(self, state: str, cores: float | None) -> bool:
        """Return whether it is to be said, of a session in this state that uses so many cores.

        Once it was said it stays so until something is written: what a program uses goes up and down.
        """
        if state != self._state:
            self._state = state
            self.end()
        elif state == "running" and self._concerns and (cores or 0.0) >= LEAST_CORES:
            self.told = self.told or self._clock() - self._since >= AFTER
        return self.told


def may_be_told(record: Record, state: str, cores: float | None) -> bool:
    """Say whether there can be a silence to tell of, whatever was written."""
    return (
        record.kind == "headless"
        and state == "running"
        and (cores or 0.0) >= LEAST_CORES
        and time.time() - _ran_since(record) >= AFTER
    )


def _ran_since(record: Record) -> float:
    """Return since when it is known to run; 0 while it does not."""
    return timeline.since(record).timestamp() if record.state == "running" and record.states else 0.0
