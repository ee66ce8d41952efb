"""The timeline of one session, followed: platform events, states and what people did, newest last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sessions_app.client import errors, values
from sessions_app.connections import timeline
from sessions_app.live.feeds import Connect, Feed, Session, Source, State, now
from sessions_app.models import Record

PAUSE_RUNNING = 5.0
PAUSE_WAITING = 2.0
# What another process of the portal did is found by reading anew, in seconds.
HISTORY_EVERY = 20.0
# The reason of an end is found a moment after the end itself.
LOOKS_AFTER_END = 3

EventRow = dict[str, Any]


class EventsFeed(Feed):
    """One timeline for all its viewers."""

    what = "events"

    def __init__(self, record: Record, connect: Connect) -> None:
        super().__init__(record, connect)
        self.rows: list[EventRow] = []
        # What was told earlier, which the platform may have forgotten since.
        self._kept: list[timeline.Kept] = list(record.events)
        self._history: list[EventRow] = []
        self._history_of: tuple[Session, int] | None = None
        self._history_read = float("-inf")
        self._looks_after_end = 0

    async def poll(self, source: Source) -> float | None:
        """Ask for the events; return the pause that fits the session's state."""
        self.polls += 1
        await self._read_history(source)
        reading = await source.events(self.record)
        self._take(reading.value or ())
        if reading.error is not None and not self.session.over:
            return self._without_events(reading.error)
        if self.session.over:
            self._looks_after_end += 1
            if self._looks_after_end >= LOOKS_AFTER_END:
                self.become(State("ended", "The session has ended."))
                return None
        self.rhythm.after_read(news=True, size=0)
        self.become(State("live"))
        return PAUSE_RUNNING if self.session.state == "running" else PAUSE_WAITING

    def _without_events(self, error: errors.PlatformError) -> float:
        """Go on without: what waits in a queue has no events, and the platform says so with a 404."""
        if not isinstance(error, errors.NotFoundError):
            raise error
        self.become(State("waiting", "The platform tells no events of it yet."))
        return PAUSE_WAITING

    async def _read_history(self, source: Source) -> None:
        """Read what the portal itself knows: when the state changed, somebody did something, or now and then."""
        known = (self.session, timeline.changes(self.record))
        if known == self._history_of and now() - self._history_read < HISTORY_EVERY:
            return
        self._history = await source.history(self.record)
        self._history_of, self._history_read = known, now()

    def _take(self, told: Iterable[values.Event]) -> None:
        # The platform puts ids of sessions into the names of their parts. What was told before one was known still
        # names it.
        self._kept = self.redactor.hide_in(timeline.merged(self._kept, told))
        fresh = timeline.ordered(timeline.platform_rows(self._kept), self._history)
        if fresh != self.rows:
            self.rows = fresh
            self.wake_all()
