"""The events of one session, followed: kept when the platform forgets them, merged for reading."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sessions_app.client import values
from sessions_app.connections.redaction import hidden
from sessions_app.live.feeds import Connect, Feed, Source, State
from sessions_app.models import Record

PAUSE_RUNNING = 5.0
PAUSE_WAITING = 2.0
MOST_EVENTS = 500
MOST_ROWS = 200
LONGEST_MESSAGE = 1000
# The reason of an end is found a moment after the end itself.
LOOKS_AFTER_END = 3

EventRow = dict[str, Any]


class EventsFeed(Feed):
    """One timeline for all its viewers."""

    what = "events"

    def __init__(self, record: Record, connect: Connect) -> None:
        super().__init__(record, connect)
        self.rows: list[EventRow] = []
        self._kept: dict[tuple[Any, ...], EventRow] | None = None
        self._looks_after_end = 0

    async def poll(self, source: Source) -> float | None:
        """Ask for the events; return the pause that fits the session's state."""
        self.polls += 1
        secret = source.id_of(self.record)
        if self._kept is None:
            # What was told earlier, which the platform may have forgotten since.
            self._take([_without(row, secret) for row in self.record.events])
        reading = await source.events(self.record)
        if reading.error is not None and not self.session.over:
            raise reading.error
        if reading.value is not None:
            self._take([_row(event, secret) for event in reading.value])
        if self.session.over:
            self._looks_after_end += 1
            if self._looks_after_end >= LOOKS_AFTER_END:
                self.become(State("ended", "The session has ended."))
                return None
        self.rhythm.after_read(news=True, size=0)
        self.become(State("live"))
        return PAUSE_RUNNING if self.session.state == "running" else PAUSE_WAITING

    def _take(self, rows: list[EventRow]) -> None:
        kept = self._kept = self._kept if self._kept is not None else {}
        for row in rows:
            # Told again with another last time, it is still the same event.
            kept[_identity(row)] = row
        while len(kept) > MOST_EVENTS:
            del kept[next(iter(kept))]
        fresh = merged(kept.values())
        if fresh != self.rows:
            self.rows = fresh
            self.wake_all()


def merged(rows: Iterable[EventRow]) -> list[EventRow]:
    """Return one row for equal reason and message, with their number and first and last time; newest last."""
    found: dict[tuple[str, str, str], EventRow] = {}
    for row in rows:
        key = (row["type"], row["reason"], row["message"])
        earlier = found.get(key)
        found[key] = {**row, "count": 1} if earlier is None else _together(earlier, row)
    ordered = sorted(found.values(), key=lambda row: row["last"] or row["first"] or "")
    return ordered[-MOST_ROWS:]


def _together(earlier: EventRow, row: EventRow) -> EventRow:
    times = sorted(time for each in (earlier, row) for time in (each["first"], each["last"]) if time)
    ends = {"first": times[0], "last": times[-1]} if times else {}
    return {**earlier, **ends, "count": earlier["count"] + 1}


def _row(event: values.Event, secret: str) -> EventRow:
    row = {"type": event.type[:20], "reason": event.reason, "message": event.message}
    return _without({**row, "first": _iso(event.first), "last": _iso(event.last)}, secret)


def _without(row: EventRow, secret: str) -> EventRow:
    """Return the row without the session's id, which the platform puts into the names of its parts."""
    return {
        **row,
        "reason": _hide(row["reason"], secret, 100),
        "message": _hide(row["message"], secret, LONGEST_MESSAGE),
    }


def _hide(text: str, secret: str, longest: int) -> str:
    return hidden(text, secret)[:longest]


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _identity(row: EventRow) -> tuple[Any, ...]:
    return (row["type"], row["reason"], row["message"], row["first"])
