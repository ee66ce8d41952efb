"""What a person's session looks like to the portal: everything but the id, which stays behind this door."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from asgiref.sync import sync_to_async
from django.db.models import Q

from sessions_app import reasons
from sessions_app.client.values import SessionInfo
from sessions_app.connections.ends import ended, told_end
from sessions_app.connections.lists import Listed
from sessions_app.connections.storing import differs, marked_gone, marks_of, stored
from sessions_app.models import Person, Record, Step
from sessions_app.models.journal import StepState, Verb
from sessions_app.models.record import OVER

# A session may be missing from the list for an instant after its launch was answered (skaha-contract.md, 4.6).
APPEARING = timedelta(seconds=5)
# A change of state is known this well only where the list was read as lately before it.
SEEN_HAPPEN = timedelta(seconds=10)
# What vanished elsewhere is shown as gone for so long, in seconds; what was destroyed here may linger upstream so long.
SHOWN_GONE = 8.0
LINGERING = 60.0
# So long after an end its events may still come in.
NEWS_OF_AN_END = timedelta(minutes=30)
# They come one by one where many ended; so often, in seconds, they are looked for, and the page changes.
ENDS_EVERY = 15.0
# What stands for an operation that can no longer be taken back.
SENT_ALREADY = "sent"


@dataclass(frozen=True, slots=True)
class Row:
    """One listed session, as pages see it. RAM is in GiB, as it is asked for; times are in UTC."""

    slug: str
    name: str
    kind: str
    image: str
    state: str
    status: str
    reason: str
    seen: datetime
    started: datetime | None
    expires: datetime | None
    requested_cores: float | None
    requested_ram_gib: float | None
    cores_in_use: float | None
    ram_in_use_gib: float | None
    gpus: float | None
    fixed: bool
    connectable: bool
    # The launch of many that it came from, where it came from one.
    launch: str = ""
    # When it ended, where that is known.
    ended: datetime | None = None
    # The operation that destroys it in a moment, as long as that can be undone; then the word for what was sent.
    leaving: str = ""

    @property
    def began(self) -> datetime:
        """When the platform says that it began, or when it was first seen where the platform does not say."""
        return self.started or self.seen

    @property
    def cannot_start(self) -> bool:
        """Whether it waits in vain, and has to be changed and launched again."""
        return self.state == "pending" and reasons.cannot_start(self.reason)

    @property
    def in_transition(self) -> bool:
        """Whether news about it is expected any moment."""
        return self.state in {"pending", "ending"}

    @property
    def face(self) -> tuple[object, ...]:
        """What of it can be seen, at the precision in which it is shown."""
        return (
            self.slug,
            self.name,
            self.kind,
            self.image,
            self.state,
            self.status,
            self.reason,
            self.started,
            self.expires,
            self.ended,
            self.leaving,
            self.launch,
            self.requested_cores,
            self.requested_ram_gib,
            None if self.cores_in_use is None else round(self.cores_in_use, 1),
            None if self.ram_in_use_gib is None else round(self.ram_in_use_gib, 1),
            self.connectable,
        )


@dataclass(slots=True)
class Known:
    """A listed session and its record, held in memory between two reads of the list."""

    record: Record
    info: SessionInfo

    def row(self, *, launch: str = "", leaving: str = "", vanished: bool = False) -> Row:
        """Return what pages may see."""
        info, record = self.info, self.record
        state = "gone" if vanished else info.state
        return Row(
            slug=record.slug,
            name=info.name,
            kind=info.kind,
            image=info.image,
            state=state,
            status=info.status,
            reason=record.reason if state in {"pending", "failed"} else "",
            seen=record.seen,
            started=info.started,
            expires=info.expires,
            requested_cores=info.requested_cores,
            requested_ram_gib=info.requested_ram_gib or gibibytes(info.requested_ram_gb),
            cores_in_use=info.cores_in_use,
            ram_in_use_gib=gibibytes(info.ram_in_use_gb),
            gpus=info.gpus,
            fixed=info.fixed,
            connectable=state == "running" and bool(info.connect_url),
            launch=launch,
            ended=ended(record) if state in OVER else None,
            leaving=leaving,
        )


def gibibytes(gigabytes: float | None) -> float | None:
    """Convert what the platform tells (10⁹ bytes) to the unit in which it is asked (2³⁰ bytes)."""
    return None if gigabytes is None else gigabytes * 1e9 / 2**30


class Listing:
    """The sessions of one person as last listed, kept in step with their records."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._known: dict[str, Known] = {}
        self._rows: tuple[Row, ...] | None = None
        self._loaded = False
        # Records of launches that no list has shown yet.
        self._awaited: set[int] = set()
        # Whether some record is too young for its absence from the list to mean anything.
        self._appearing = False
        self.restless = False
        # How many listed sessions could not be understood, and the ids of those that are too many; they are not shown.
        self.not_understood = 0
        self._beyond: Sequence[str] = []
        self._marks: tuple[Sequence[str], set[str]] | None = None
        self._told_of: Sequence[SessionInfo] = ()
        self._updated: datetime | None = None
        # Which launch of many a record came from, by the records' keys.
        self._launches: dict[int, str] = {}
        # What was destroyed from here is not shown again; what will be in a moment can be undone until then.
        self._dismissed: dict[int, float] = {}
        self._leaving: dict[int, str] = {}
        # What the platform lists no more and nobody destroyed here, with the time until which that is shown.
        self._vanished: dict[int, tuple[Known, float]] = {}
        self._rows_until = float("inf")
        self._looked_for_ends = float("-inf")
        self._ends_learned: set[int] = set()

    def rows(self) -> tuple[Row, ...]:
        """Return the listed sessions, newest first, and for a moment those that vanished."""
        now = time.monotonic()
        if self._rows is None or now >= self._rows_until:
            self._let_go(now)
            rows = sorted((*self._listed(), *self._gone()), key=lambda row: row.name)
            self._rows = tuple(sorted(rows, key=lambda row: row.began, reverse=True))
            self.restless = bool(self._awaited or self._vanished) or any(
                row.in_transition for row in self._rows
            )
        return self._rows

    def _listed(self) -> Iterator[Row]:
        for known in self._known.values():
            pk = known.record.pk
            if pk not in self._dismissed:
                yield known.row(launch=self._launches.get(pk, ""), leaving=self._leaving.get(pk, ""))

    def _gone(self) -> Iterator[Row]:
        for pk, (known, _) in self._vanished.items():
            yield known.row(launch=self._launches.get(pk, ""), vanished=True)

    def _let_go(self, now: float) -> None:
        self._vanished = {pk: each for pk, each in self._vanished.items() if each[1] > now}
        self._dismissed = {pk: until for pk, until in self._dismissed.items() if until > now}
        ends = [until for _, until in self._vanished.values()]
        self._rows_until = min([*ends, *self._dismissed.values()], default=float("inf"))

    def dismiss(self, records: Iterable[Record]) -> None:
        """Show these no more: they were destroyed from here, and the platform may list them for a while."""
        until = time.monotonic() + LINGERING
        self._dismissed |= {record.pk: until for record in records}
        self._rows = None

    def leave(self, record: Record, operation: str) -> None:
        """Show that this one is destroyed in a moment by that operation, or with an empty one that it stays."""
        self._leaving.pop(record.pk, None)
        if operation:
            self._leaving[record.pk] = operation
        self._rows = None

    def leaving(self, record: Record) -> str:
        """Return the operation that will destroy this session in a moment."""
        return self._leaving.get(record.pk, "")

    @property
    def beyond(self) -> int:
        """How many sessions are listed beyond those that are shown."""
        return len(self._beyond)

    def touch(self) -> None:
        """Make the next look see what was changed in a record."""
        self._rows = None

    def expect(self, record: Record, launch: str = "") -> None:
        """Wait for a session, maybe one of a launch of many, to be listed; until then it is not gone."""
        self._awaited.add(record.pk)
        if launch:
            self._launches[record.pk] = launch
        self.restless = True

    def known(self, slug: str) -> Known | None:
        """Return the listed session of that slug."""
        return next((known for known in self._known.values() if known.record.slug == slug), None)

    def needing_reason(self) -> list[Known]:
        """Return the sessions whose state asks for a word of explanation."""
        return [known for known in self._known.values() if _wants_reason(known)]

    async def update(self, listed: Listed, began: datetime) -> None:
        """Take in a list that was asked for at ``began``: records appear, change state and are marked gone with it.

        Each is shown as it is stored: where the database takes nothing, all stays as it was until the next list.
        """
        # The apps of a desktop are listed under its id.
        infos = list({info.id: info for info in listed.shown}.values())
        lately = self._updated is not None and datetime.now(UTC) - self._updated < SEEN_HAPPEN
        news = [info for info in infos if self._is_news(info)]
        listed_first = await self._store(news, lately=lately)
        ids = {info.id for info in infos}
        left = [session_id for session_id in self._known if session_id not in ids]
        left_elsewhere = listed.beyond != self._beyond
        if listed_first or left or left_elsewhere or self._awaited or self._appearing or not self._loaded:
            await self._leave_out(listed, began)
        before, self._known = self._known, {info.id: self._with(info) for info in infos}
        self._note_vanished(before, ids | set(listed.beyond), listed.not_understood)
        self.not_understood, self._beyond = listed.not_understood, listed.beyond
        await self._note_launches(listed_first)
        self._loaded = True
        learned = await self._learn_ends()
        self._updated = datetime.now(UTC)
        if news or left or learned or self._told_of != infos:
            self._rows = None
        self._told_of = infos

    def _is_news(self, info: SessionInfo) -> bool:
        known = self._known.get(info.id)
        # What was said in the same words is stored.
        return known is None or (known.info != info and differs(known.record, info))

    def _with(self, info: SessionInfo) -> Known:
        known = self._known[info.id]
        return known if known.info == info else Known(known.record, info)

    async def _store(self, news: list[SessionInfo], *, lately: bool) -> list[Record]:
        """Store what is new; return the records that are listed for the first time."""
        first = []
        known = {session_id: each.record for session_id, each in self._known.items()}
        by_id = {info.id: info for info in news}
        async for part in stored(self.person, news, known, datetime.now(UTC), lately=lately):
            for session_id, record in part.items():
                earlier = self._known.get(session_id)
                if earlier is None:
                    first.append(record)
                elif earlier.record.states == record.states:
                    # What was learned of it meanwhile.
                    record.reason, record.events = earlier.record.reason, earlier.record.events
                self._known[session_id] = Known(record, by_id[session_id])
        return first

    async def _leave_out(self, listed: Listed, began: datetime) -> None:
        """Mark as gone what is listed no more; what was launched after the list was asked for could not be in it."""
        keys = {self._known[info.id].record.pk for info in listed.shown}
        self._awaited -= keys
        # A row that could not be read may be any of those that seem to be missing.
        if listed.not_understood:
            return
        marks = partial(self._marks_of, listed.beyond)
        gone, self._appearing = await marked_gone(self.person, keys, marks, began, began - APPEARING)
        self._awaited -= gone

    def _marks_of(self, beyond: Sequence[str]) -> set[str]:
        """Return the fingerprints of what is listed but not shown; to make them takes a while, so they are kept."""
        if self._marks is None or self._marks[0] != beyond:
            self._marks = (beyond, marks_of(self.person, beyond))
        return self._marks[1]

    async def _learn_ends(self) -> bool:
        """Take in what was kept of lately ended sessions meanwhile: their events tell when they ended."""
        if time.monotonic() - self._looked_for_ends < ENDS_EVERY:
            return False
        self._looked_for_ends = time.monotonic()
        since = datetime.now(UTC) - NEWS_OF_AN_END
        wanted = {
            known.record.pk: known.record
            for known in self._known.values()
            if known.info.state in OVER
            and known.record.pk not in self._ends_learned
            and _changed(known.record) > since
            and not told_end(known.record)
        }
        if wanted:
            # What was asked for the last time is whole, and is not looked at again.
            kept = Record.objects.filter(pk__in=list(wanted)[:500], events_kept_at__isnull=False)
            async for pk, events in kept.values_list("pk", "events"):
                wanted[pk].events = events
                self._ends_learned.add(pk)
        return bool(wanted)

    def _note_vanished(self, before: dict[str, Known], listed: set[str], not_understood: int) -> None:
        """Keep showing for a moment what is listed no more; what was destroyed from here is not missed."""
        back = {known.info.id for known, _ in self._vanished.values()} & listed
        if back:
            self._vanished = {pk: each for pk, each in self._vanished.items() if each[0].info.id not in back}
        if not_understood:
            return
        until = time.monotonic() + SHOWN_GONE
        for session_id, known in before.items():
            pk = known.record.pk
            if session_id not in listed and pk not in self._dismissed and pk not in self._leaving:
                self._vanished[pk] = (known, until)

    async def _note_launches(self, listed_first: list[Record]) -> None:
        if listed_first:
            await sync_to_async(self._note_launches_of)(listed_first)
            await sync_to_async(self._note_open_launches)(listed_first)

    def _note_launches_of(self, records: Iterable[Record]) -> None:
        """Note of records that are listed for the first time which launch of many they came from."""
        keys = [record.pk for record in records]
        for start in range(0, len(keys), 500):
            steps = Step.objects.filter(record__in=keys[start : start + 500], operation__verb=Verb.LAUNCH)
            for pk, slug, asked in steps.values_list("record", "operation__slug", "operation__request"):
                if asked.get("replicas", 1) > 1:
                    self._launches[pk] = slug

    def _note_open_launches(self, records: Iterable[Record]) -> None:
        """Note which launch of many is still under way for records that are listed before it was answered."""
        is_open = Q(state__in=(StepState.SENT, StepState.UNSURE), record=None)
        mine = Q(operation__person=self.person, operation__verb=Verb.LAUNCH)
        steps = Step.objects.filter(is_open & mine).select_related("operation")
        awaited = {step.name.lower()[:63]: step for step in steps if step.operation.request["replicas"] > 1}
        for record in records if awaited else ():
            step = awaited.get(record.name)
            if step is not None and step.sent is not None and record.seen >= step.sent:
                self._launches.setdefault(record.pk, step.operation.slug)


def _changed(record: Record) -> datetime:
    return datetime.fromisoformat(record.states[-1][1]) if record.states else record.seen


def _wants_reason(known: Known) -> bool:
    return known.info.state == "pending" or (known.info.state == "failed" and not known.record.reason)
