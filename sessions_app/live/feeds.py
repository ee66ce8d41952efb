"""Feeds: one followed text for any number of viewers.

A feed belongs to one record and one kind of text. Its first viewer starts it, and some seconds after the last
one left it stops. Viewers are not handed anything: they are woken, and read on from where they are, so that a
slow one costs a cursor and slows nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from django.conf import settings

from sessions_app import connections
from sessions_app.client import errors, values
from sessions_app.connections import Reading, Row
from sessions_app.connections.redaction import hidden
from sessions_app.live import spool
from sessions_app.live.list_feed import ListFeed
from sessions_app.live.rhythm import Rhythm
from sessions_app.live.shared import Shared, Viewer
from sessions_app.models import Person, Record

logger = logging.getLogger(__name__)

# The session's own state is looked at this often while its text is quiet.
TICK = 5.0
TICK_WHILE_PENDING = 2.0
# After an error of our own a feed is not given up, but it does not hurry either.
OWN_ERROR_PAUSE = 30.0
MOST_FEEDS = 1000
OVER = frozenset({"completed", "failed", "gone"})


class Source(Protocol):
    """What a feed asks the platform, as one person; `connections.Connection` is one."""

    def stream_log(
        self, record: Record, max_bytes: int
    ) -> AbstractAsyncContextManager[AsyncIterable[bytes]]: ...
    async def events(self, record: Record) -> Reading[list[values.Event]]: ...
    async def history(self, record: Record) -> list[dict[str, Any]]: ...
    async def rows(self) -> Reading[tuple[Row, ...]]: ...
    def id_of(self, record: Record) -> str: ...


Connect = Callable[[Person], Awaitable[Source]]


class FeedsFullError(Exception):
    """No further feed was started: too many are followed already."""


@dataclass(frozen=True, slots=True)
class State:
    """How a feed is: live, waiting, trouble or ended, with a sentence for people."""

    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """How the followed session is."""

    state: str
    reason: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.state in OVER


class Feed(Shared):
    """One followed text; what is read and kept is for the kinds to say."""

    what = ""

    def __init__(self, record: Record, connect: Connect) -> None:
        super().__init__()
        self.record = record
        self.state = State("waiting", f"Reading the {self.what}.")
        self.session = Session(record.state if record.gone is None else "gone", record.reason)
        self.rhythm = Rhythm()
        self.polls = 0
        self._connect = connect
        self._person: Person | None = None
        self._missing: set[Any] = set()
        self._secret = ""
        # Whether the list could not be read: the platform may be in trouble.
        self.doubtful = False

    def join(self, viewer: Viewer) -> None:
        """Wake this viewer from now on, and ask as its person."""
        self._person = viewer.person
        super().join(viewer)

    async def poll(self, source: Source) -> float | None:
        """Ask once; return the pause before the next time, or None when there is nothing more to come."""
        raise NotImplementedError

    def in_trouble(self, error: errors.PlatformError) -> None:
        """Say that the platform gave no answer; what is known stays."""
        self.become(State("trouble", self.told(error)))

    def told(self, error: errors.PlatformError) -> str:
        """Return the error's sentence; the platform likes to name the session by its id."""
        return hidden(str(error), self._secret)

    def become(self, state: State) -> None:
        """Change state, and tell the viewers if it is another one."""
        if state != self.state:
            self.state = state
            self.wake_all()

    def see(self, session: Session) -> None:
        """Take in how the session is."""
        if session != self.session:
            self.session = session
            self.wake_all()

    async def _run(self) -> None:
        pause: float | None = 0.0
        while pause is not None:
            await asyncio.sleep(pause)
            pause = await self._turn()

    async def _turn(self) -> float | None:
        assert self._person is not None
        try:
            source = await self._connect(self._person)
            self._secret = source.id_of(self.record)
            await self._look(source)
            return await self.poll(source)
        except errors.PlatformError as error:
            self.in_trouble(error)
            return self.rhythm.after_failure(getattr(error, "retry_after", None))
        except Exception:
            logger.exception("The %s feed of %s failed; it goes on later.", self.what, self.record.slug)
            self.become(State("trouble", "Something went wrong in the portal; it tries again."))
            return OWN_ERROR_PAUSE

    async def _look(self, source: Source) -> None:
        """Find the session in the shared list; what cannot be read now stays as it was."""
        reading = await source.rows()
        self.doubtful = reading.error is not None
        if reading.value is None or reading.error is not None:
            return
        row = next((row for row in reading.value if row.slug == self.record.slug), None)
        if row is not None:
            self._missing.clear()
            self.see(Session(row.state, row.reason))
        elif not self.session.over:
            # A session launched this moment is not in a list that was read before.
            self._missing.add(reading.taken)
            if len(self._missing) > 1:
                self.see(Session("gone"))

    @property
    def tick(self) -> float:
        """How long to wait at most before the session is looked at again."""
        return TICK_WHILE_PENDING if self.session.state in {"pending", "ending"} else TICK


class Registry:
    """The feeds of one event loop."""

    def __init__(self, connect: Connect) -> None:
        self.connect = connect
        self.feeds: dict[tuple[int, str], Feed] = {}
        self.lists: dict[int, ListFeed] = {}

    def feed(self, kind: Callable[[Record, Connect], Feed], what: str, record: Record) -> Feed:
        """Return the feed of that record and kind, made when there is none yet."""
        key = (record.pk, what)
        found = self.feeds.get(key)
        if found is None:
            if len(self.feeds) >= MOST_FEEDS:
                raise FeedsFullError
            found = self.feeds[key] = kind(record, self.connect)
            found.on_stopped = lambda: self._forget(key, found)
        return found

    def list_feed(self, person: Person) -> ListFeed:
        """Return the feed of this person's list."""
        found = self.lists.get(person.pk)
        if found is None:
            found = self.lists[person.pk] = ListFeed(person, self.connect)
            found.on_stopped = lambda: self._forget_list(found)
        return found

    async def close(self) -> None:
        """Stop all feeds."""
        feeds = [*self.feeds.values(), *self.lists.values()]
        for feed in feeds:
            feed.stop()
        for feed in feeds:
            await feed.stopped()

    def _forget(self, key: tuple[int, str], feed: Feed | None) -> None:
        if self.feeds.get(key) is feed:
            del self.feeds[key]

    def _forget_list(self, feed: ListFeed) -> None:
        if self.lists.get(feed.person.pk) is feed:
            del self.lists[feed.person.pk]


_registries: WeakKeyDictionary[asyncio.AbstractEventLoop, Registry] = WeakKeyDictionary()


def registry() -> Registry:
    """Return the registry of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _registries:
        _registries[loop] = Registry(connections.connection_for)
        spool.prune(settings.DATA_DIR / "spool")
    return _registries[loop]


def now() -> float:
    """Return the clock that feeds go by."""
    return time.monotonic()
