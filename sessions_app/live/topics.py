"""What one socket follows, and what of it the browser has: decides the next frame."""

from __future__ import annotations

import json
from typing import Any

from sessions_app.live.events_feed import EventRow, EventsFeed
from sessions_app.live.feeds import Feed, Session, State
from sessions_app.live.list_feed import ListFeed
from sessions_app.live.log_feed import LogFeed
from sessions_app.live.messages import Follow, frame
from sessions_app.live.shared import Shared
from sessions_app.live.spool import Cursor

# With less room than this nothing but a change of state is sent: one full frame later is better than crumbs
# now.
LEAST_ROOM = 64 * 1024

Frame = tuple[str, int]


class FollowedTopic:
    """What every topic has: its feed and its credit."""

    def __init__(self, slug: str, feed: Shared) -> None:
        self.slug = slug
        self.feed = feed
        self.sent = 0
        self.acknowledged = 0
        self._state: tuple[State, int] | None = None

    @property
    def underway(self) -> int:
        """How many bytes were sent and not acknowledged."""
        return self.sent - self.acknowledged

    def acknowledge(self, upto: int) -> None:
        """Take in that everything up to here is drawn; nobody can acknowledge what was not sent."""
        self.acknowledged = max(self.acknowledged, min(upto, self.sent))

    def next(self, room: int) -> str | None:
        """Return the next frame, or None when there is nothing to send or no room for it."""
        small = self.next_state()
        if small is not None or room < LEAST_ROOM:
            return small
        placing = self.next_place()
        if placing is not None:
            return placing
        counted = self.next_counted()
        if counted is None or counted[1] > room:
            return None
        self.sent += counted[1]
        self.was_sent()
        return counted[0]

    def next_state(self) -> str | None:
        """Return what is to be said of the topic, when the browser does not know it yet."""
        raise NotImplementedError

    def next_place(self) -> str | None:
        """Return where the text goes on, if not simply with the next line."""
        return None

    def next_counted(self) -> Frame | None:
        """Return the next frame that takes credit, with its size, without taking it for sent."""
        raise NotImplementedError

    def was_sent(self) -> None:
        """Take the counted frame for sent."""
        raise NotImplementedError

    def counted(self, head: str, rest: str) -> Frame:
        """Put a frame together that carries what will have been sent with it."""
        size = len(head.encode()) + len(rest.encode()) + 24
        return f'{head},"n":{self.sent + size},{rest}}}', size

    def state_frame(self, feed: Feed, line: int) -> str | None:
        """Return how the feed is, when the browser does not know it yet."""
        state = feed.state
        if self._state == (state, 0 if state.kind == "live" else line):
            return None
        self._state = (state, 0 if state.kind == "live" else line)
        told = {"state": state.kind, "text": state.text, "line": line}
        return frame("state", s=self.slug, w=feed.what, **told, **({"silent": True} if state.silent else {}))


class LogTopic(FollowedTopic):
    """A log, followed from a cursor on."""

    feed: LogFeed

    def __init__(self, feed: LogFeed, follow: Follow) -> None:
        super().__init__(follow.topic.slug, feed)
        self._tail = follow.tail
        self._cursor: Cursor | None = None
        if follow.epoch is not None:
            self._cursor = Cursor(follow.epoch, follow.after or 0)
        self._partial: str | None = None
        self._unsent: tuple[Cursor, str | None] | None = None

    def shows_some_partial(self) -> None:
        """Take it that the page shows a line that is not whole, nobody knows which."""
        self._partial = "\n"  # No line holds one, so whatever there is now will be said.

    def next_state(self) -> str | None:
        """Say how the feed is; that it ended only behind its last line."""
        last = self.feed.spool.last
        if self.feed.state.kind == "ended" and (self._cursor is None or self._cursor < last):
            return None
        return self.state_frame(self.feed, last.line)

    def next_counted(self) -> Frame | None:
        """Return lines, or the provisional line when it changed."""
        assert self._cursor is not None
        cursor, spool = self._cursor, self.feed.spool
        count, body = self.feed.body_after(cursor)
        behind = Cursor(cursor.epoch, cursor.line + count)
        partial = self.feed.provisional if behind == spool.last else None
        if not count and partial == self._partial:
            return None
        self._unsent = (behind, partial)
        head = f'{{"t":"log","s":"{self.slug}","e":{cursor.epoch},"from":{cursor.line + 1}'
        look = f',"look":"{spool.look}"' if partial and spool.look else ""
        return self.counted(head, f'{body},"partial":{json.dumps(partial, ensure_ascii=False)}{look}')

    def was_sent(self) -> None:
        """Go on behind what was sent."""
        assert self._unsent is not None
        self._cursor, self._partial = self._unsent

    def next_place(self) -> str | None:
        """Say that a text begins, or that lines are left out."""
        spool, cursor = self.feed.spool, self._cursor
        if cursor is None:
            return self._turn_to(spool.epoch, "start")
        first = spool.first_of(cursor.epoch)
        if first is None:
            return self._turn_to(spool.epoch, "reread")
        following = spool.epoch_after(cursor.epoch)
        last = spool.last_of(cursor.epoch)
        if following is not None and cursor.line >= last:
            return self._turn_to(following, "restarted")
        if cursor.line + 1 < first:
            return self._gap(first, kept=False)
        begin = last - self._tail + 1
        return self._gap(begin, kept=True) if cursor.line + 1 < begin else None

    def _turn_to(self, epoch: int, why: str) -> str:
        self._cursor, self._partial = Cursor(epoch, 0), None
        if why == "restarted":
            return frame("epoch", s=self.slug, e=epoch, why=why)
        # Of a text that is new to the page, the page cannot know what was before it.
        earlier = [
            {"e": extent.epoch, "first": extent.first, "last": extent.last}
            for extent in self.feed.spool.extents
            if extent.epoch < epoch
        ]
        return frame("epoch", s=self.slug, e=epoch, why=why, earlier=earlier)

    def _gap(self, begin: int, *, kept: bool) -> str:
        assert self._cursor is not None
        missing = {"from": self._cursor.line + 1, "to": begin - 1, "kept": kept}
        self._cursor = Cursor(self._cursor.epoch, begin - 1)
        return frame("gap", s=self.slug, e=self._cursor.epoch, **missing)


class EventsTopic(FollowedTopic):
    """A session's events and its state: only the newest picture counts."""

    feed: EventsFeed

    def __init__(self, feed: EventsFeed, follow: Follow) -> None:
        super().__init__(follow.topic.slug, feed)
        self._rows: list[EventRow] | None = None
        self._session: Session | None = None

    def next_state(self) -> str | None:
        """Say how the session is, then how the feed is."""
        session = self.feed.session
        if session != self._session:
            self._session = session
            return frame("session", s=self.slug, state=session.state, reason=session.reason)
        return self.state_frame(self.feed, 0)

    def next_counted(self) -> Frame | None:
        """Return all rows, when they changed."""
        if self._rows == self.feed.rows or (self._rows is None and not self.feed.polls):
            return None
        body: Any = json.dumps(self.feed.rows, ensure_ascii=False, separators=(",", ":"))
        return self.counted(f'{{"t":"events","s":"{self.slug}"', f'"rows":{body}')

    def was_sent(self) -> None:
        """Remember what the browser has."""
        self._rows = self.feed.rows


class ListTopic(FollowedTopic):
    """The list: only its version is told, which takes no credit."""

    feed: ListFeed

    def __init__(self, feed: ListFeed) -> None:
        super().__init__("", feed)
        self._version = ""

    def next_state(self) -> str | None:
        """Tell the version when the browser has another."""
        if self.feed.version == self._version:
            return None
        self._version = self.feed.version
        return frame("list", s="", w="list", v=self._version)

    def next_counted(self) -> Frame | None:
        """Return nothing: there is nothing else to tell."""
        return None
