"""What a person's session looks like to the portal: everything but the id, which stays behind this door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction

from sessions_app.client.values import SessionInfo
from sessions_app.models import Person, Record
from sessions_app.models.record import fingerprint_of

# A session may be missing from the list for an instant after its launch was answered (skaha-contract.md, 4.6).
APPEARING = timedelta(seconds=5)


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

    @property
    def in_transition(self) -> bool:
        """Whether news about it is expected any moment."""
        return self.state in {"pending", "ending"}


@dataclass(slots=True)
class Known:
    """A listed session and its record, held in memory between two reads of the list."""

    record: Record
    info: SessionInfo

    def row(self) -> Row:
        """Return what pages may see."""
        info, record = self.info, self.record
        return Row(
            slug=record.slug,
            name=info.name,
            kind=info.kind,
            image=info.image,
            state=info.state,
            status=info.status,
            reason=record.reason if info.state in {"pending", "failed"} else "",
            seen=record.seen,
            started=info.started,
            expires=info.expires,
            requested_cores=info.requested_cores,
            requested_ram_gib=info.requested_ram_gib or gibibytes(info.requested_ram_gb),
            cores_in_use=info.cores_in_use,
            ram_in_use_gib=gibibytes(info.ram_in_use_gb),
            gpus=info.gpus,
            fixed=info.fixed,
            connectable=info.state == "running" and bool(info.connect_url),
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
        # Whether a session is missing that may be too new to be listed.
        self._undecided = False
        self.restless = False
        # How many listed sessions could not be understood, and are not shown.
        self.not_understood = 0

    def rows(self) -> tuple[Row, ...]:
        """Return the listed sessions, newest first."""
        if self._rows is None:
            rows = sorted((known.row() for known in self._known.values()), key=lambda row: row.name)
            self._rows = tuple(sorted(rows, key=lambda row: row.started or row.seen, reverse=True))
            self.restless = bool(self._awaited) or any(row.in_transition for row in self._rows)
        return self._rows

    def touch(self) -> None:
        """Make the next look see what was changed in a record."""
        self._rows = None

    def expect(self, record: Record) -> None:
        """Wait for a launched session to be listed; that it is not listed yet does not make it gone."""
        self._awaited.add(record.pk)
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
        if (
            self._awaited
            or self._undecided
            or not self._loaded
            or self._compare({info.id: info for info in infos})
        ):
            await sync_to_async(self._store)(infos, began)
            self._loaded = True
        else:
            for info in infos:
                self._known[info.id].info = info
        self._rows = None

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
                take_in(record, info, now)
        Record.objects.bulk_update(changed, [*_FIELDS, "states", "reason", "gone"], batch_size=200)
        listed = {record.pk for record in records.values()}
        self._awaited -= listed
        # A row that could not be read may be any of those that seem to be missing.
        if not self.not_understood:
            self._mark_gone(listed, began)
        self._known = {info.id: Known(records[info.id], info) for info in infos}

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
        missing = {pk: seen for pk, seen in rows if pk not in listed}
        gone = [pk for pk, seen in missing.items() if seen < before]
        # What was ended before it was this old is not in the next list either, which will look the same.
        self._undecided = len(gone) < len(missing)
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


def take_in(record: Record, info: SessionInfo, now: datetime) -> None:
    """Write what the platform says into a record, noting a new state with its time."""
    if not record.states or record.states[-1][0] != info.state:
        record.states = [*record.states, [info.state, now.isoformat()]]
        record.reason = ""
    for field, value in _wanted(info).items():
        setattr(record, field, value)
    record.gone = None


def _wants_reason(known: Known) -> bool:
    return known.info.state == "pending" or (known.info.state == "failed" and not known.record.reason)
