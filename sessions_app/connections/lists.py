"""What a platform lists, bounded: the sessions that are shown, and the ids of what is too much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sessions_app.client.values import SessionInfo, parse_sessions, state_of
from sessions_app.client.wire import is_session_id
from sessions_app.models.record import OVER

# So many sessions of one person are shown and kept; what has not ended comes before what has, the newest first.
MOST_LISTED = 5000


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as it was understood."""

    shown: list[SessionInfo]
    # Ids of what is listed beyond them.
    beyond: list[str]
    # How many rows could not be read.
    not_understood: int = 0


def understood(raw: list[Any], most: int = 0) -> Listed:
    """Read a list; of what is too long only so much is looked at as it takes to say what is left out."""
    most = most or MOST_LISTED
    rows, others = (raw, []) if len(raw) <= most else _newest(raw, most)
    found, beyond = parse_sessions(rows), _ids(others)
    unread = len(found.not_understood) + len(others) - len(beyond)
    shown_ids = {info.id for info in found}
    left = [session_id for session_id in dict.fromkeys(beyond) if session_id not in shown_ids]
    # As it came a row is several times as large as what is read of it, and is not asked for any more.
    shown = [replace(info, raw={}) for info in found]
    return Listed(shown, left, unread)


def _newest(raw: list[Any], most: int) -> tuple[list[Any], list[Any]]:
    """Return the rows to show, in their order, and the others."""
    places = sorted(range(len(raw)), key=lambda place: _rank(raw[place]), reverse=True)
    chosen = set(places[:most])
    rows = [raw[place] for place in sorted(chosen)]
    return rows, [raw[place] for place in range(len(raw)) if place not in chosen]


def _rank(row: Any) -> tuple[bool, bool, str]:
    if not isinstance(row, dict):
        return (False, False, "")
    status, start = row.get("status"), row.get("startTime")
    under_way = isinstance(status, str) and state_of(status) not in OVER
    # What waits has not started; times are ISO 8601, so they are compared as they are written.
    return (under_way, under_way and not start, start if isinstance(start, str) else "")


def _ids(rows: Iterable[Any]) -> list[str]:
    ids = (row.get("id") for row in rows if isinstance(row, dict))
    return [each for each in ids if isinstance(each, str) and is_session_id(each)]
