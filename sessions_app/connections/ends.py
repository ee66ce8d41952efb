"""When a session ended: as the platform tells, else as it was seen."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from sessions_app import reasons
from sessions_app.models import Record
from sessions_app.models.record import OVER

_tells_end = lru_cache(maxsize=4096)(reasons.tells_end)


def ended(record: Record) -> datetime | None:
    """Return when a session ended.

    The platform's list does not say it; its events do. Where there are none it is when the portal saw the new state,
    which says nothing of a session that had ended when it was first seen.
    """
    told = told_end(record)
    if told is None and len(record.states) > 1 and record.states[-1][0] in OVER:
        return datetime.fromisoformat(record.states[-1][1])
    return told


def told_end(record: Record) -> datetime | None:
    """Return when the platform's events say that a session ended."""
    for event in reversed(record.events):
        moment = event.get("last") or event.get("first")
        if moment and _tells_end(event.get("reason", ""), event.get("message", "")):
            return datetime.fromisoformat(moment)
    return None
