"""How long a start usually takes: from the last sessions of the same kind and image that were seen to begin.

Others' sessions count only together, of three people at least: from fewer one could tell what somebody runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sessions_app.models import Record

# The newest starts that are looked at, and how many there must be for an estimate.
MOST_SAMPLES = 200
LEAST_SAMPLES = 5
LEAST_PEOPLE = 3
# Seconds for which an estimate is good, and how many are remembered.
FRESHNESS = 60.0
MOST_REMEMBERED = 500
# A bar never says that it is done: that is for the session to say.
FULLEST = 95


@dataclass(frozen=True, slots=True)
class Usual:
    """What half of the starts took at most, and nearly all of them, in seconds."""

    half: float
    nearly_all: float

    def words(self, elapsed: float) -> str:
        """Say it, for a session that has waited ``elapsed`` seconds."""
        if elapsed > self.nearly_all:
            return f"longer than usual: nearly all took up to {rounded_up(self.nearly_all)}"
        short, long = rounded_up(self.half), rounded_up(self.nearly_all)
        return f"usually under {short}" if short == long else f"usually under {short}, up to {long}"

    def percent(self, elapsed: float) -> int:
        """Return how far that is on the way of half of the starts, at most 95, in steps of 5."""
        return min(FULLEST, int(100 * elapsed / max(self.half, 1.0)) // 5 * 5)


_remembered: dict[tuple[str, str, str, int], tuple[float, Usual | None]] = {}


async def usual_wait(record: Record) -> Usual | None:
    """Return how long sessions of the record's kind and image usually take to run; None when too few are known."""
    key = (record.platform, record.kind, record.image, record.owner_id)
    taken, usual = _remembered.get(key, (float("-inf"), None))
    if time.monotonic() - taken < FRESHNESS:
        return usual
    alike = Record.objects.filter(kind=record.kind, image=record.image, waited__isnull=False)
    found = alike.filter(platform=record.platform).order_by("-seen").values_list("owner_id", "waited")
    usual = usual_of(
        [(owner, wait) async for owner, wait in found[:MOST_SAMPLES] if wait is not None], record.owner_id
    )
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    _remembered[key] = (time.monotonic(), usual)
    return usual


def usual_of(samples: Sequence[tuple[int, float]], person: int) -> Usual | None:
    """Return what (whose, seconds) samples come to for one person."""
    if len({owner for owner, _ in samples}) < LEAST_PEOPLE:
        samples = [(owner, seconds) for owner, seconds in samples if owner == person]
    waits = sorted(seconds for _, seconds in samples)
    if len(waits) < LEAST_SAMPLES:
        return None
    return Usual(_share(waits, 0.5), _share(waits, 0.95))


def rounded_up(seconds: float) -> str:
    """Write a time as one says it: 10 s, 40 s, 2 min, 3 h.

    >>> rounded_up(33), rounded_up(61), rounded_up(7000)
    ('40 s', '2 min', '2 h')
    """
    if seconds <= 60:
        return "1 min" if seconds > 50 else f"{max(10, math.ceil(seconds / 10) * 10)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{math.ceil(minutes / 60)} h"


def _share(ordered: Sequence[float], share: float) -> float:
    """Return what that share of the values does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
