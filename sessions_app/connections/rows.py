"""What a person's session looks like to the portal: everything but the id, which stays behind this door."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Q

from sessions_app import reasons
from sessions_app.client.values import SessionInfo
from sessions_app.connections.ends import ended, told_end
from sessions_app.models import Person, Record, Step
from sessions_app.models.journal import StepState, Verb
from sessions_app.models.record import OVER, fingerprint_of

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
        self._person = person
        self._known: dict[str, Known] = {}
        self._rows: tuple[Row, ...] | None = None
        self._loaded = False
        # Records of launches that no list has shown yet.
        self._awaited: set[int] = set()
        # Whether some record is too young for its absence from the list to mean anything.
        self._appearing = False
        self.restless = False
        # How many listed sessions could not be understood, and are not shown.
        self.not_understood = 0
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

    async def update(self, infos: list[SessionInfo], began: datetime, *, not_understood: int = 0) -> None:
        """Take in a list that was asked for at ``began``: records appear, change state and are marked gone with it."""
        self.not_understood = not_understood
        self._note_vanished({info.id for info in infos})
        if (
            self._awaited
            or self._appearing
            or not self._loaded
            or self._compare({info.id: info for info in infos})
        ):
            await sync_to_async(self._store)(infos, began)
            self._loaded = True
        else:
            for info in infos:
                self._known[info.id].info = info
        await self._learn_ends()
        self._rows, self._updated = None, datetime.now(UTC)

    async def _learn_ends(self) -> None:
        """Take in what was kept of lately ended sessions meanwhile: their events tell when they ended."""
        if time.monotonic() - self._looked_for_ends < ENDS_EVERY:
            return
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

    def _note_vanished(self, listed: set[str]) -> None:
        """Keep showing for a moment what is listed no more; what was destroyed from here is not missed."""
        for session_id in listed & {known.info.id for known, _ in self._vanished.values()}:
            self._vanished = {
                pk: each for pk, each in self._vanished.items() if each[0].info.id != session_id
            }
        if self.not_understood:
            return
        until = time.monotonic() + SHOWN_GONE
        for session_id, known in self._known.items():
            pk = known.record.pk
            if session_id not in listed and pk not in self._dismissed and pk not in self._leaving:
                self._vanished[pk] = (known, until)

    def _compare(self, infos: dict[str, SessionInfo]) -> bool:
        if infos.keys() != self._known.keys():
            return True
        return any(_differs(self._known[session_id].record, info) for session_id, info in infos.items())

    @transaction.atomic
    def _store(self, infos: list[SessionInfo], began: datetime) -> None:
        now = datetime.now(UTC)
        records = self._records([info.id for info in infos])
        changed = []
        for info in infos:
            record = records[info.id]
            if _differs(record, info) or not record.states:
                changed.append(record)
                if self._updated is not None and now - self._updated < SEEN_HAPPEN:
                    note_wait(record, info, now)
                take_in(record, info, now)
        Record.objects.bulk_update(changed, [*_FIELDS, "states", "reason", "waited", "gone"], batch_size=200)
        listed = {record.pk for record in records.values()}
        self._awaited -= listed
        # A row that could not be read may be any of those that seem to be missing.
        if not self.not_understood:
            self._mark_gone(listed, began)
        listed_first = [record for each, record in records.items() if each not in self._known]
        self._note_launches(listed_first)
        if listed_first:
            self._note_open_launches(listed_first)
        self._known = {info.id: Known(records[info.id], info) for info in infos}

    def _note_launches(self, records: Iterable[Record]) -> None:
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
        mine = Q(operation__person=self._person, operation__verb=Verb.LAUNCH)
        steps = Step.objects.filter(is_open & mine).select_related("operation")
        awaited = {step.name.lower()[:63]: step for step in steps if step.operation.request["replicas"] > 1}
        for record in records if awaited else ():
            step = awaited.get(record.name)
            if step is not None and step.sent is not None and record.seen >= step.sent:
                self._launches.setdefault(record.pk, step.operation.slug)

    def _records(self, ids: list[str]) -> dict[str, Record]:
        """Return the record of each session: from memory, from the database, or new."""
        found = {
            session_id: self._known[session_id].record for session_id in ids if session_id in self._known
        }
        wanted = {fingerprint_of(self._person, each): each for each in ids if each not in found}
        found |= self._stored(wanted)
        missing = [session_id for session_id in wanted.values() if session_id not in found]
        if missing:
            drafts = [Record.objects.draft(self._person, session_id) for session_id in missing]
            # A launch that just answered may have written the same record in between.
            Record.objects.bulk_create(drafts, ignore_conflicts=True, batch_size=200)
            found |= self._stored({fingerprint_of(self._person, each): each for each in missing})
        return found

    def _stored(self, wanted: dict[str, str]) -> dict[str, Record]:
        found = {}
        fingerprints = list(wanted)
        for start in range(0, len(fingerprints), 500):
            part = fingerprints[start : start + 500]
            for record in Record.objects.filter(owner=self._person, id_fingerprint__in=part):
                session_id = wanted[record.id_fingerprint]
                record.seal_anew_if_lost(self._person, session_id)
                found[session_id] = record
        return found

    def _mark_gone(self, listed: set[int], began: datetime) -> None:
        """Mark what is listed no more; what was launched after the list was asked for could not be in it."""
        before = began - APPEARING
        rows = Record.objects.filter(owner=self._person, gone=None).values_list("pk", "seen")
        missing = [(pk, seen) for pk, seen in rows if pk not in listed]
        gone = [pk for pk, seen in missing if seen < before]
        self._appearing = len(gone) < len(missing)
        for start in range(0, len(gone), 500):
            Record.objects.filter(pk__in=gone[start : start + 500]).update(gone=began)
        self._awaited -= set(gone)


_FIELDS = ("name", "kind", "image", "state", "started", "expires")


def _wanted(info: SessionInfo) -> dict[str, Any]:
    return {
        "name": info.name[:63],
        "kind": info.kind[:20],
        "image": info.image[:300],
        "state": info.state,
        "started": info.started,
        "expires": info.expires,
    }


def _differs(record: Record, info: SessionInfo) -> bool:
    return record.gone is not None or any(
        getattr(record, field) != value for field, value in _wanted(info).items()
    )


def note_wait(record: Record, info: SessionInfo, now: datetime) -> None:
    """Note how long a session took to run, when it is seen to begin just now; estimates are made of it."""
    if info.state == "running" and len(record.states) == 1 and record.states[0][0] == "pending":
        began = datetime.fromisoformat(record.states[0][1])
        record.waited = (now - min(began, info.started or began)).total_seconds()


def take_in(record: Record, info: SessionInfo, now: datetime) -> None:
    """Write what the platform says into a record, noting a new state with its time."""
    if not record.states or record.states[-1][0] != info.state:
        record.states = [*record.states, [info.state, now.isoformat()]]
        record.reason = ""
    for field, value in _wanted(info).items():
        setattr(record, field, value)
    record.gone = None


def _changed(record: Record) -> datetime:
    return datetime.fromisoformat(record.states[-1][1]) if record.states else record.seen


def _wants_reason(known: Known) -> bool:
    return known.info.state == "pending" or (known.info.state == "failed" and not known.record.reason)
