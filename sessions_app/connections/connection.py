"""One person on one platform: every question the portal asks for them goes through here."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db.utils import DatabaseError

from sessions_app import access, reasons
from sessions_app.client import AsyncPool, AsyncSession, Outcome, errors, values
from sessions_app.connections import late, links, supervised, tasks, timeline
from sessions_app.connections.lists import understood
from sessions_app.connections.quiet import quiet_events, quiet_list, quiet_outcomes
from sessions_app.connections.reading import Reading, SharedRead
from sessions_app.connections.redaction import Redactor
from sessions_app.connections.rows import Listing, Row
from sessions_app.connections.storing import off_the_loop
from sessions_app.connections.streams import LogText
from sessions_app.models import Credential, Person, Record, Step
from sessions_app.models.record import fitting
from sessions_app.signin import vault

logger = logging.getLogger(__name__)

# Seconds an answer is good for: a little less than the pages' rhythm, so that each look is a new one.
RESTLESS_FRESHNESS = 1.8
STATS_FRESHNESS = 10.0
CATALOGUE_FRESHNESS = 300.0
EVENTS_FRESHNESS = 2.0
# Seconds the platform has for one answer.
LIST_DEADLINE = 10.0
CONNECT_DEADLINE = 5.0
# For the beginning of a log and for each piece of it: a long one may take long, as long as something comes.
LOG_SILENCE = 30.0
# How long a page of sessions waits for what it shows, in seconds: then it is there, and says that it is asking.
FIRST_LOOK = 0.6
# How long the list tells of a destroy that was never sent.
UNSENT_SHOWN = timedelta(minutes=5)
# A list of more rows is not read on the loop.
QUICKLY_READ = 100
# Event feeds and reasons kept at once for one person.
MOST_EVENT_READS = 500
MOST_REASONS_AT_ONCE = 8
# Who wants to know that a person's list was read: called with the person, and quick.
after_list: list[Callable[[Person], None]] = []

T = TypeVar("T")


class Connection:
    """What the platform says to one person, shared by all their tabs."""

    def __init__(self, person: Person, pool: AsyncPool, token: str, redactor: Redactor | None = None) -> None:
        self.person = person
        # Takes the ids of the person's sessions out of whatever the platform says.
        self.redactor = Redactor() if redactor is None else redactor
        self._token = token
        self._handed_out = False
        # The platform does not accept the credential any more: nothing is asked with it again.
        self.refused = False
        self.session = AsyncSession(pool=pool, token=self._credential)
        self.listing = Listing(person)
        self._cleaner = late.Cleaner(self.listing, self.redactor)
        self._rows: SharedRead[tuple[Row, ...]] = SharedRead(
            self._quietly(self._read_rows), freshness=self._list_freshness, label="list"
        )
        self._stats: SharedRead[values.Stats] = self._slowly(self._read_stats, STATS_FRESHNESS, "stats")
        self._context: SharedRead[values.Context] = self._slowly(
            self.session.context, CATALOGUE_FRESHNESS, "context"
        )
        self._images: SharedRead[list[values.Image]] = self._slowly(
            self.session.image_details, CATALOGUE_FRESHNESS, "images"
        )
        self._hosts: SharedRead[list[str]] = self._slowly(
            self.session.repositories, CATALOGUE_FRESHNESS, "hosts"
        )
        # Launches whose answer was lost and that are being looked for: step → name.
        self.searching: dict[int, str] = {}
        # Destroys that an earlier process wrote down and never sent.
        self.never_sent: list[Step] = []
        self._events: OrderedDict[str, SharedRead[list[values.Event]]] = OrderedDict()
        self._explaining: set[str] = set()
        self._explained: dict[str, int] = {}
        self._turn = 0

    async def _credential(self) -> str:
        """Hand out the person's token; asked for another one, sign them out: there is none."""
        if not self._handed_out:
            self._handed_out = True
            return self._token
        if not self.refused:
            self.refused = True
            if await Credential.objects.adrop_refused(self.person, self._token):
                logger.warning("security: event=credential_refused person=%s", self.person.pk)
                await access.sign_out(self.person)
        raise errors.NotSignedInError(advice="Sign in again.")

    async def rows(self, *, patience: float | None = None) -> Reading[tuple[Row, ...]]:
        """Return the person's sessions, newest first."""
        reading = await self._rows.get(patience=FIRST_LOOK if patience is None else patience)
        if reading.value is None:
            return reading
        # Reasons and fresh launches reach the listing between two reads.
        return replace(reading, value=self.listing.rows())

    def lately_never_sent(self) -> list[Step]:
        """Return the destroys that a stopped portal left unsent, for as long as that is news."""
        since = datetime.now(UTC) - UNSENT_SHOWN
        return [step for step in self.never_sent if step.settled and step.settled > since]

    async def stats(self) -> Reading[values.Stats]:
        """Return the platform's load. A 503 is normal where a platform keeps no metrics."""
        return await self._stats.get(patience=FIRST_LOOK)

    async def context(self, *, patience: float | None = None) -> Reading[values.Context]:
        """Return the resources that can be asked for, and how many interactive sessions a person may have."""
        return await self._context.get(patience=patience)

    async def images(self) -> Reading[list[values.Image]]:
        """Return the images that can be launched."""
        return await self._images.get()

    async def hosts(self) -> Reading[list[str]]:
        """Return the hosts that images may come from."""
        return await self._hosts.get()

    async def events(self, record: Record) -> Reading[list[values.Event]]:
        """Return what the platform tells of one session, oldest first."""
        read = self._events.get(record.slug)
        if read is None:
            read = self._events[record.slug] = self._slowly(
                lambda: self._read_events(record), EVENTS_FRESHNESS, "events"
            )
            while len(self._events) > MOST_EVENT_READS:
                self._events.popitem(last=False)
        self._events.move_to_end(record.slug)
        return await read.get()

    async def refresh_events(self, record: Record) -> None:
        """Bring the record's events and reason up to date, as far as the platform still tells them."""
        reading = await self.events(record)
        # What was queued, or is over for an hour, has no events and says so with a 404.
        is_absent = isinstance(reading.error, errors.NotFoundError)
        events = [] if is_absent else reading.value
        if events is None:
            return
        # The list holds its own copy of the record, which is the one whose reason the rows show.
        known = self.listing.known(record.slug)
        for each in {id(each): each for each in (record, known.record if known else record)}.values():
            try:
                await timeline.keep_events(each, events, self.redactor)
                # What was told before the end does not tell why it ended.
                if each.state != "failed" or reading.current or is_absent:
                    await self._explain_by(each, events)
            except DatabaseError as error:
                # A page shows what could be kept; the next look keeps the rest.
                logger.warning("Events could not be kept (%s).", error)

    async def _explain_by(self, record: Record, events: list[values.Event]) -> None:
        """Keep what the events explain; what the platform forgot stays as it was kept."""
        told = reasons.sentence(record.state, events) if events or not record.reason else record.reason
        reason = fitting(told)
        if record.reason != reason:
            # Written first: what could not be stored is not believed, and is tried again with the next look.
            await record.anote({"reason": reason})
            late.note(record.owner_id, record)
            self.listing.touch()

    async def history(self, record: Record) -> list[timeline.TimelineRow]:
        """Return the session's states and what people did with it, without any id."""
        return await timeline.history(record, self.redactor)

    async def timeline_of(self, record: Record) -> list[timeline.TimelineRow]:
        """Return all that is kept of what happened to the session, newest last."""
        kept = self.redactor.hide_in(record.events)
        return timeline.ordered(timeline.platform_rows(kept), await self.history(record))

    def stream_log(self, record: Record, max_bytes: int) -> AbstractAsyncContextManager[LogText]:
        """Open the session's whole log, up to ``max_bytes``, in pieces as they arrive."""
        return self._quiet_log(self.id_of(record), max_bytes)

    @asynccontextmanager
    async def _quiet_log(self, session_id: str, max_bytes: int) -> AsyncIterator[LogText]:
        try:
            session = self.session.within(LOG_SILENCE)
            async with session.stream_logs(session_id, max_bytes=max_bytes) as text:
                yield text
        except errors.PlatformError as error:
            self.redactor.hide_in_error(error)
            raise

    def without_ids(self, outcomes: list[Outcome[T]]) -> list[Outcome[T]]:
        """Return outcomes whose errors name no session by its id."""
        return quiet_outcomes(outcomes, self.redactor)

    async def connect_address(self, record: Record) -> tuple[str, str]:
        """Ask the platform now; return the session's state and, when it is running, where to go.

        Raises ``PlatformError`` when the platform cannot say, ``BadLinkError`` when its address is not one we follow.
        """
        [outcome] = await self.session.within(CONNECT_DEADLINE).outcomes.info([self.id_of(record)])
        if outcome.error is not None:
            error = self.redactor.hide_in_error(outcome.error)
            raise supervised.explained(error) or error
        info = values.SessionInfo.parse(outcome.value)
        if info.state != "running":
            return info.state, ""
        return info.state, links.checked(info.connect_url)

    def expire_rows(self) -> None:
        """Ask the platform anew at the next look: something was changed."""
        self._rows.expire()

    def id_of(self, record: Record) -> str:
        """Return the secret id; it must not leave this package but towards the platform."""
        try:
            return vault.unseal(self.person.owner_key, record.id_sealed)
        except vault.VaultError as error:
            raise errors.PlatformError(
                "The portal can no longer open what it kept of this session.",
                advice="It can again as soon as the platform lists the session.",
            ) from error

    def _list_freshness(self) -> float:
        return RESTLESS_FRESHNESS if self.listing.restless else settings.QUIET_FRESHNESS

    async def _read_rows(self) -> tuple[Row, ...]:
        began, asked = datetime.now(UTC), time.monotonic()
        raw = await self.session.within(LIST_DEADLINE).fetch()
        few = len(raw) <= QUICKLY_READ
        found = understood(raw) if few else await off_the_loop(understood, raw)
        del raw
        if found.not_understood and not found.shown:
            raise errors.NotUnderstoodError("The platform answered with a list that makes no sense.")
        quiet = (
            quiet_list(found, self.redactor) if few else await off_the_loop(quiet_list, found, self.redactor)
        )
        await self.listing.update(quiet, began)
        await self._cleaner.clean(asked)
        self._explain_some()
        for hear in after_list:
            hear(self.person)
        return self.listing.rows()

    async def _read_stats(self) -> values.Stats:
        return values.Stats.parse(await self.session.within(LIST_DEADLINE).stats())

    async def _read_events(self, record: Record) -> list[values.Event]:
        [outcome] = await self.session.within(LIST_DEADLINE).outcomes.events([self.id_of(record)])
        if outcome.error is not None:
            raise outcome.error
        # A platform names its pods after the id, and tells events in any order.
        told = values.parse_events(outcome.value or "")
        events = quiet_events(told, self.redactor)
        # Whoever asked, it is kept: the platform forgets it within the hour.
        await timeline.keep_events(record, events, self.redactor)
        return sorted(events, key=reasons.moment)

    def _explain_some(self) -> None:
        needing = self.listing.needing_reason()
        self._explained = {each.record.slug: self._explained.get(each.record.slug, 0) for each in needing}
        idle = [each for each in needing if each.record.slug not in self._explaining]
        # Failed ones first, then whoever was explained longest ago, so that many waiting ones take turns.
        idle.sort(key=lambda each: (each.info.state != "failed", self._explained[each.record.slug]))
        for known in idle[:MOST_REASONS_AT_ONCE]:
            slug, self._turn = known.record.slug, self._turn + 1
            self._explaining.add(slug)
            self._explained[slug] = self._turn
            if known.info.state == "failed" and slug in self._events:
                self._events[slug].expire()  # What was read before the end does not tell the end.
            tasks.start(self._explain(known.record), name="explain")

    async def _explain(self, record: Record) -> None:
        try:
            await self.refresh_events(record)
        finally:
            self._explaining.discard(record.slug)

    def _quietly(self, read: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
        """Return the same question, whose errors name no id: a platform tells of any session in them."""

        async def asked() -> T:
            try:
                return await read()
            except errors.PlatformError as error:
                self.redactor.hide_in_error(error)
                raise

        return asked

    def _slowly(self, read: Callable[[], Awaitable[Any]], freshness: float, label: str) -> SharedRead[Any]:
        return SharedRead(self._quietly(read), freshness=lambda: freshness, label=label)
