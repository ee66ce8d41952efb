"""Sees to it that a session's log and events are kept when it ends, whether or not anybody looks.

Three things tell it of an end: a list that shows one, whoever asked for the list; a destroy of ours that is about
to be sent; and, where no page is open, its own look at the list every minute for each person whose sessions are
not over and whose credential is kept. What is read a last time is frozen on the record and never asked for again.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q

from sessions_app.client import errors
from sessions_app.connections import Connection, connection, connection_for, writes
from sessions_app.live import spool
from sessions_app.live.feeds import Feed, FeedsFullError, registry
from sessions_app.live.following import feed_of
from sessions_app.live.handshake import with_own_thread
from sessions_app.live.pace import Pace
from sessions_app.live.per_loop import PerLoop
from sessions_app.live.waiting import Waiter
from sessions_app.models import Person, Record
from sessions_app.models.record import OVER

logger = logging.getLogger(__name__)

# How often it looks at lists that nobody looks at, and lets go of old spools, in seconds.
LIST_EVERY = 60.0
PRUNE_EVERY = 3600.0
# A list, or a last read, that failed is tried again after a pause that doubles, up to this many seconds.
LONGEST_PAUSE = 1800.0
LIST_PATIENCE = 15.0
LISTS_AT_ONCE = 8
LOOKS_AT_ONCE = 4
# Last reads that are under way at a time, the newest first, and their calls to the platform in a second: however many
# sessions end at once, it is left in peace. With the lists it stays below ten.
READS_AT_ONCE = 16
CALLS_PER_SECOND = 8.0
# A last read that did not end the feed is repeated so often, with a pause in seconds.
TRIES = 3
TRY_PAUSE = 1.0
# The reason of an end is told a moment after the end itself; an answer is good for two seconds.
EVENT_LOOKS = 3
EVENT_PAUSE = 2.1
# Of a session that is gone for longer than this the platform has forgotten the events, and is not asked.
FORGOTTEN = timedelta(hours=1)


@dataclass(slots=True)
class Patience:
    """When something that failed is tried again."""

    failures: int = 0
    again: float = 0.0

    def failed(self) -> None:
        """Wait twice as long as the last time."""
        pause = min(LIST_EVERY * 2.0 ** min(self.failures, 10), LONGEST_PAUSE)
        self.failures, self.again = self.failures + 1, time.monotonic() + pause

    @property
    def waits(self) -> bool:
        """Whether it is too early."""
        return time.monotonic() < self.again


class Keeper:
    """Runs beside the pages, on one event loop, from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._reads: dict[int, asyncio.Task[None]] = {}
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._pace = Pace(CALLS_PER_SECOND)
        self._woken = asyncio.Event()
        self._listed: set[int] = set()
        self._people: dict[int, Patience] = {}
        self._records: dict[int, Patience] = {}
        self._lists_due = self._prune_due = 0.0

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._task is None:
            connection.after_list.append(self._hear)
            writes.before_destroy.append(self.look_before_destroy)
            self._task = _own_task(self._run())

    async def stop(self) -> None:
        """End, with all that it began."""
        if self._task is None:
            return
        connection.after_list.remove(self._hear)
        writes.before_destroy.remove(self.look_before_destroy)
        tasks = [self._task, *self._reads.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None

    async def look_before_destroy(self, source: Connection, records: Sequence[Record]) -> None:
        """Read logs and events before the platform forgets them; the caller limits the time."""
        await asyncio.gather(*(self._look_before(source, record) for record in records))

    async def _look_before(self, source: Connection, record: Record) -> None:
        if record.keeps("events"):
            return
        async with self._looks:
            try:
                await asyncio.gather(
                    self._one_more_turn(record, source.person), source.refresh_events(record)
                )
            except (errors.PlatformError, FeedsFullError) as error:
                logger.info("The last look at %s before its end brought nothing: %s", record.slug, error)

    async def _one_more_turn(self, record: Record, person: Person) -> None:
        async with _watched(record, person) as feed:
            await feed.next_turn()

    def _hear(self, person: Person) -> None:
        """Learn that this person's list was read."""
        self._listed.add(person.pk)
        self._woken.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._round()
            except Exception:
                logger.exception("The keeper stumbled; it goes on.")
            with contextlib.suppress(TimeoutError):
                due = min(self._lists_due, self._prune_due) - time.monotonic()
                # However often it is woken, it gives the others time.
                await asyncio.sleep(min(1.0, LIST_EVERY))
                async with asyncio.timeout(max(0.0, due)):
                    await self._woken.wait()
            self._woken.clear()

    async def _round(self) -> None:
        now = time.monotonic()
        if now >= self._prune_due:
            self._prune_due = now + PRUNE_EVERY
            await self._prune()
        if now >= self._lists_due:
            self._lists_due = now + LIST_EVERY
            await self._read_lists()
        listed, self._listed = self._listed, set()
        if listed:
            await with_own_thread(_thaw(listed))
        room = READS_AT_ONCE - len(self._reads)
        for record in await with_own_thread(_ended(self._not_now(), room)) if room > 0 else ():
            self._reads[record.pk] = _own_task(self._keep(record))

    def _not_now(self) -> list[int]:
        """Return the records that are being read, or were without success a moment ago."""
        return [*self._reads, *(pk for pk, patience in self._records.items() if patience.waits)]

    async def _read_lists(self) -> None:
        turns = asyncio.Semaphore(LISTS_AT_ONCE)
        people = await with_own_thread(_people_to_look_for())
        self._people = {person.pk: self._people.get(person.pk, Patience()) for person in people}
        due = [person for person in people if not self._people[person.pk].waits]
        await asyncio.gather(*(self._read_list(person, turns) for person in due))

    async def _read_list(self, person: Person, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                reading = await (await connection_for(person)).rows(patience=LIST_PATIENCE)
                failed = reading.error is not None
            except errors.PlatformError:
                failed = True
        if failed:
            self._people[person.pk].failed()
        else:
            self._people[person.pk] = Patience()

    async def _keep(self, record: Record) -> None:
        """Read a session's log and events a last time; what fails is tried again later."""
        kept = False
        try:
            kept = await self._kept(record)
        except (errors.PlatformError, FeedsFullError) as error:
            logger.info("The log of %s was not read a last time yet: %s", record.slug, error)
        except Exception:
            logger.exception("The log of %s was not read a last time; that is tried again.", record.slug)
        finally:
            del self._reads[record.pk]
            if kept:
                self._records.pop(record.pk, None)
            else:
                self._records.setdefault(record.pk, Patience()).failed()
            self._woken.set()

    async def _kept(self, record: Record) -> bool:
        if _is_long_gone(record):
            # What is kept of it is all there will be.
            if not record.keeps("log") and not _has_spool(record):
                await with_own_thread(record.note_log(0, 0, complete=False))
            if record.keeps("log") or await self._read_to_its_end(record):
                await with_own_thread(record.anote({"events_kept_at": datetime.now(UTC)}))
                return True
            return False
        if not record.keeps("log") and not await self._read_to_its_end(record):
            return False
        return await self._keep_events(record)

    async def _read_to_its_end(self, record: Record) -> bool:
        async with _watched(record, record.owner, self._pace) as feed:
            for attempt in range(TRIES):
                if attempt:
                    await asyncio.sleep(TRY_PAUSE)
                await feed.next_turn()
                if feed.state.kind == "ended":
                    return True
        return False

    async def _keep_events(self, record: Record) -> bool:
        """Bring the record's events up to date until nothing more is to be expected."""
        source = await connection_for(record.owner)
        for look in range(1 if record.gone is not None else EVENT_LOOKS):
            if look:
                await asyncio.sleep(EVENT_PAUSE)
            await self._pace.turn()
            await source.refresh_events(record)
        # That was a moment ago, so the platform is not asked anew.
        reading = await source.events(record)
        if reading.error is not None and not isinstance(reading.error, errors.NotFoundError):
            return False
        await with_own_thread(record.anote({"events_kept_at": datetime.now(UTC)}))
        return True

    async def _prune(self) -> None:
        busy = {feed.record.slug for feed in registry().feeds.values()}
        removed = await asyncio.to_thread(spool.prune, settings.DATA_DIR / "spool", busy=busy)
        if removed:
            await with_own_thread(_note_dropped(removed))


class Watcher(Waiter):
    """A viewer that shows the log to nobody; with a pace it has time."""

    def __init__(self, person: Person, pace: Pace | None) -> None:
        super().__init__(person)
        self.pace = pace


@contextlib.asynccontextmanager
async def _watched(record: Record, person: Person, pace: Pace | None = None) -> AsyncIterator[Feed]:
    """Follow the record's log as a viewer that shows it to nobody."""
    feed = feed_of(record, "log")
    watcher = Watcher(person, pace)
    feed.join(watcher)
    try:
        yield feed
    finally:
        feed.leave(watcher)
        if not feed.viewers:
            # Nobody comes back for it in a moment, and until then it would go on to ask.
            feed.stop()
            await feed.stopped()


def _is_long_gone(record: Record) -> bool:
    return record.gone is not None and datetime.now(UTC) - record.gone >= FORGOTTEN


def _has_spool(record: Record) -> bool:
    return (settings.DATA_DIR / "spool" / f"{record.slug}.json").exists()


async def _people_to_look_for() -> list[Person]:
    """Return who has a session that is not over, and a credential to ask with."""
    open_records = Record.objects.filter(owner=OuterRef("pk"), gone=None).exclude(state__in=OVER)
    people = Person.objects.filter(platform=settings.PLATFORM_KEY, credential__isnull=False)
    return [person async for person in people.filter(Exists(open_records))]


async def _ended(but: list[int], most: int) -> list[Record]:
    """Return sessions that are over and not all kept: first those of which the platform tells for longest."""
    over = Record.objects.filter(Q(gone__isnull=False) | Q(state__in=OVER), platform=settings.PLATFORM_KEY)
    left = over.filter(events_kept_at=None, owner__credential__isnull=False).exclude(pk__in=but)
    newest = left.select_related("owner").order_by(F("gone").desc(nulls_first=True), "-pk")
    return [record async for record in newest[:most]]


async def _thaw(people: set[int]) -> None:
    """Follow again what was taken for gone and is listed again."""
    revived = Record.objects.filter(owner__in=people, gone=None, log_kept_at__isnull=False)
    revived = revived.exclude(state__in=OVER)
    if await revived.aexists():
        await revived.aupdate(log_kept_at=None, events_kept_at=None, log_complete=False)


async def _note_dropped(slugs: list[str]) -> None:
    for start in range(0, len(slugs), 500):
        dropped = Record.objects.filter(slug__in=slugs[start : start + 500], log_kept_at__isnull=False)
        await dropped.aupdate(log_dropped_at=datetime.now(UTC), log_lines=0, log_bytes=0, log_complete=False)


def _own_task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run ``work`` in a context of its own: whoever wakes us has a database thread that ends with them."""
    return contextvars.Context().run(asyncio.get_running_loop().create_task, work)


# The keeper of the running event loop.
keeper = PerLoop(Keeper)
