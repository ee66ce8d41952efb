"""Feeds: one followed text for any number of viewers.

A feed belongs to one record and one kind of text. Its first viewer starts it, and some seconds after the last
one left it stops. Viewers are not handed anything: they are woken, and read on from where they are, so that a
slow one costs a cursor and slows nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from sessions_app import connections
from sessions_app.client import errors, values
from sessions_app.connections import Reading, Row, refusals, timeline
from sessions_app.connections.redaction import Redactor, redactor_of
from sessions_app.live import spool
from sessions_app.live.handshake import with_own_thread
from sessions_app.live.list_feed import ListFeed
from sessions_app.live.rhythm import Rhythm
from sessions_app.live.shared import Shared, Viewer
from sessions_app.models import Person, Record
from sessions_app.models.record import OVER

logger = logging.getLogger(__name__)

# The session's own state is looked at this often while its text is quiet.
TICK = 5.0
TICK_WHILE_PENDING = 2.0
# After an error of our own a feed is not given up, but it does not hurry either.
OWN_ERROR_PAUSE = 30.0
MOST_FEEDS = 1000
# Of one person's sessions; a tab follows two, its log and its events.
MOST_FEEDS_EACH = 100


class Source(Protocol):
    """What a feed asks the platform, as one person; `connections.Connection` is one."""

    def stream_log(
        self, record: Record, max_bytes: int
    ) -> AbstractAsyncContextManager[AsyncIterable[bytes]]: ...
    async def events(self, record: Record) -> Reading[list[values.Event]]: ...
    async def history(self, record: Record) -> list[dict[str, Any]]: ...
    async def rows(self) -> Reading[tuple[Row, ...]]: ...
    @property
    def redactor(self) -> Redactor: ...


class KeptOnly:
    """A source for what the platform is not asked any more: it has nothing to add."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor

    @asynccontextmanager
    async def stream_log(self, record: Record, max_bytes: int) -> AsyncIterator[AsyncIterable[bytes]]:
        """Have no log."""
        raise errors.NotFoundError
        yield

    async def events(self, record: Record) -> Reading[list[values.Event]]:
        """Tell nothing beyond what is on the record."""
        return Reading([], datetime.now(UTC))

    async def history(self, record: Record) -> list[dict[str, Any]]:
        """Return what the portal itself knows."""
        return await with_own_thread(timeline.history(record, self.redactor))

    async def rows(self) -> Reading[tuple[Row, ...]]:
        """Leave the session as its record says."""
        return Reading(None, None)


Connect = Callable[[Person], Awaitable[Source]]
Note = Callable[[Record, spool.Kept], Awaitable[None]]


class FeedsFullError(Exception):
    """No further feed was started: too many are followed already."""


class FeedBrokenError(Exception):
    """What a feed begins with cannot be read."""


@dataclass(frozen=True, slots=True)
class State:
    """How a feed is: live, waiting, trouble or ended, with a sentence for people.

    ``silent`` says of a log that the session computes and has written nothing for long.
    """

    kind: str
    text: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """How the followed session is."""

    state: str
    reason: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.state == "gone" or self.state in OVER


class Feed(Shared):
    """One followed text; what is read and kept is for the kinds to say."""

    what = ""

    def __init__(self, record: Record, connect: Connect) -> None:
        super().__init__()
        self.record = record
        self.state = State("waiting", f"Reading the {self.what}.")
        self.session = Session(record.state if record.gone is None else "gone", record.reason)
        self.cores_in_use: float | None = None
        self.rhythm = Rhythm()
        self.polls = 0
        self.on_frozen: Callable[[Record, spool.Kept], Awaitable[None]] = _nothing_to_note
        # Of what is frozen the platform is not asked any more.
        self.frozen = record.keeps(self.what)
        self._connect = connect
        self._person: Person | None = None
        self._hurried = asyncio.Event()
        self._awaited: list[asyncio.Future[None]] = []
        self._missing: set[Any] = set()
        self.redactor = Redactor()
        # Whether the list could not be read: the platform may be in trouble.
        self.doubtful = False

    def join(self, viewer: Viewer) -> None:
        """Wake this viewer from now on, and ask as its person."""
        self._person = viewer.person
        super().join(viewer)

    def hurry(self) -> None:
        """Take the next turn now."""
        self._hurried.set()

    async def next_turn(self) -> None:
        """Ask the platform once more, and wait until that was done or the feed has ended."""
        if self._task is None or self._task.done():
            return
        turn = asyncio.get_running_loop().create_future()
        self._awaited.append(turn)
        self.hurry()
        await asyncio.wait({turn, self._task}, return_when=asyncio.FIRST_COMPLETED)

    async def poll(self, source: Source) -> float | None:
        """Ask once; return the pause before the next time, or None when there is nothing more to come."""
        raise NotImplementedError

    def in_trouble(self, error: errors.PlatformError) -> None:
        """Say that the platform gave no answer; what is known stays."""
        self.become(State("trouble", self.told(error)))

    def told(self, error: errors.PlatformError) -> str:
        """Return the error's sentence; the platform likes to name sessions by their ids."""
        return self.redactor.hide(refusals.sentence(error))

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
            # Not `wait_for`: on Python 3.11 it forgets that it was cancelled where it is hurried at that very moment.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurried.wait()
            self._hurried.clear()
            await self._politely()
            awaited, self._awaited = self._awaited, []
            pause = await self._turn()
            for turn in awaited:
                if not turn.done():
                    turn.set_result(None)

    async def _politely(self) -> None:
        """Where nobody waits for it but who has time, as the keeper of what ended has, wait for a turn of theirs."""
        paces = [getattr(viewer, "pace", None) for viewer in self.viewers]
        if paces and paces[0] is not None and None not in paces:
            await paces[0].turn()

    async def _turn(self) -> float | None:
        assert self._person is not None
        try:
            source: Source
            if self.frozen:
                # A session's log and events may name any of its owner's sessions, whoever looks.
                source = KeptOnly(await with_own_thread(redactor_of(self.record)))
            else:
                source = await self._connect(self._person)
            self.use(source.redactor)
            await self._look(source)
            pause = await self.poll(source)
            # What is kept does not change, so nothing is waited for.
            return 0.0 if self.frozen and pause is not None else pause
        except errors.PlatformError as error:
            self.in_trouble(error)
            return self.rhythm.after_failure(getattr(error, "retry_after", None))
        except Exception:
            logger.exception("The %s feed of %s failed; it goes on later.", self.what, self.record.slug)
            self.become(State("trouble", "Something went wrong in the portal; it tries again."))
            return OWN_ERROR_PAUSE

    def use(self, redactor: Redactor) -> None:
        """Take ids out of texts with this from now on."""
        self.redactor = redactor

    async def _look(self, source: Source) -> None:
        """Find the session in the shared list; what cannot be read now stays as it was."""
        reading = await source.rows()
        self.doubtful = reading.error is not None
        if reading.value is None or reading.error is not None:
            return
        row = next((row for row in reading.value if row.slug == self.record.slug), None)
        if row is not None:
            self._missing.clear()
            self.cores_in_use = row.cores_in_use
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

    def __init__(self, connect: Connect, note: Note | None = None) -> None:
        self.connect = connect
        self._note = note or _nothing_to_note
        self.feeds: dict[tuple[int, str], Feed] = {}
        self.lists: dict[int, ListFeed] = {}

    def feed(self, kind: Callable[[Record, Connect], Feed], what: str, record: Record) -> Feed:
        """Return the feed of that record and kind, made when there is none yet."""
        key = (record.pk, what)
        found = self.feeds.get(key)
        if (
            found is not None
            and found.state.kind == "ended"
            and found.session.state == "gone"
            and not record.over
        ):
            # It is listed again.
            found = None
        if found is None:
            mine = sum(each.record.owner_id == record.owner_id for each in self.feeds.values())
            if len(self.feeds) >= MOST_FEEDS or mine >= MOST_FEEDS_EACH:
                raise FeedsFullError
            found = self.feeds[key] = self._made(kind, record)
            found.on_stopped = lambda: self._forget(key, found)
            found.on_frozen = self._note
        return found

    def _made(self, kind: Callable[[Record, Connect], Feed], record: Record) -> Feed:
        try:
            return kind(record, self.connect)
        except (OSError, ValueError) as error:
            logger.error("A feed of %s cannot be opened: %s", record.slug, ascii(str(error))[:200])
            raise FeedBrokenError from error

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
        _registries[loop] = Registry(connections.connection_for, note_frozen)
    return _registries[loop]


async def note_frozen(record: Record, kept: spool.Kept) -> None:
    """Write on the record what became of its log."""
    assert kept.frozen is not None
    lines = sum(extent.last - extent.first + 1 for extent in kept.extents)
    await with_own_thread(record.note_log(lines, kept.size, complete=bool(kept.frozen["complete"])))


async def _nothing_to_note(record: Record, kept: spool.Kept) -> None:
    pass


def now() -> float:
    """Return the clock that feeds go by."""
    return time.monotonic()
