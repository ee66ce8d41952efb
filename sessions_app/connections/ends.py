"""When a session ended: as the platform tells, else as it was seen."""

from __future__ import annotations

from datetime import datetime

from sessions_app import reasons
from sessions_app.models import Record
from sessions_app.models.record import OVER


def ended(record: Record) -> datetime | None:
    """Return when a session ended.

    The platform's list does not say it; its events do. Where there are none it is when the portal saw the new state,
    which says nothing of a session that had ended when it was first seen.
    """
    for event in reversed(record.events):
        moment = event.get("last") or event.get("first")
        if moment and reasons.tells_end(event.get("reason", ""), event.get("message", "")):
            return datetime.fromisoformat(moment)
    if len(record.states) > 1 and record.states[-1][0] in OVER:
        return datetime.fromisoformat(record.states[-1][1])
    return None
