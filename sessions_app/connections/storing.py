"""A list of sessions is written into the records off the loop, in steps that leave everybody else room to write.

SQLite has one writer at a time, and whoever waits for it waits in vain after five seconds. So a step is one short
transaction of a hundred records; between two steps the database, and Python's own lock, are free for at least as long
as the step took. One thread does it for all people, one list's step after another's.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections as databases
from django.db import transaction

from sessions_app.client.values import SessionInfo
from sessions_app.models import Person, Record
from sessions_app.models.record import fingerprint_of

P = ParamSpec("P")
T = TypeVar("T")

# Records in one step, and seconds between two at least and at most.
STEP = 100
LEAST_PAUSE, LONGEST_PAUSE = 0.002, 0.1
_FIELDS = ["name", "kind", "image", "state", "started", "expires", "gone"]

_writer = ThreadPoolExecutor(1, thread_name_prefix="records")


async def stored(
    person: Person, infos: Sequence[SessionInfo], known: Mapping[str, Record], now: datetime, *, lately: bool
) -> AsyncIterator[dict[str, Record]]:
    """Write what is listed into its records, step by step; yield those that are written, by their ids.

    The records in ``known`` stay as they are: a step that fails leaves nothing in memory that is not stored.
    ``lately`` says that the list before this one was read a moment ago, so that what changed did so just now.
    """
    for start in range(0, len(infos), STEP):
        part = infos[start : start + STEP]
        yield await _step(_write, person, part, {info.id: known.get(info.id) for info in part}, now, lately)


async def marked_gone(
    person: Person, listed: set[int], marks: Callable[[], set[str]], began: datetime, before: datetime
) -> tuple[set[int], bool]:
    """Mark what is listed no more as gone; return its keys, and whether some are too young for that.

    ``listed`` are keys of records that are listed, ``marks`` the fingerprints of what is listed beyond them.
    """
    missing = await _step(_missing, person, listed)
    if missing:
        beyond = await off_the_loop(marks)
        missing = [each for each in missing if each[2] not in beyond]
    gone = [pk for pk, seen, _ in missing if seen < before]
    for start in range(0, len(gone), STEP):
        await _step(_mark, gone[start : start + STEP], began)
    return set(gone), len(gone) < len(missing)


async def off_the_loop(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Run work that only counts, in the thread of the steps, so that only one such is under way."""
    running = asyncio.get_running_loop().run_in_executor(_writer, functools.partial(work, *given, **named))
    return await running


async def _step(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    began = time.monotonic()
    try:
        return await sync_to_async(_closed_behind(work), thread_sensitive=False, executor=_writer)(
            *given, **named
        )
    finally:
        await asyncio.sleep(min(LONGEST_PAUSE, max(LEAST_PAUSE, time.monotonic() - began)))


def _closed_behind(work: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(work)
    def closing(*given: P.args, **named: P.kwargs) -> T:
        try:
            return work(*given, **named)
        finally:
            # The thread outlives every test and every database.
            databases.close_all()

    return closing


def _write(
    person: Person,
    infos: Sequence[SessionInfo],
    known: Mapping[str, Record | None],
    now: datetime,
    lately: bool,
) -> dict[str, Record]:
    records = {session_id: copy.copy(record) for session_id, record in known.items() if record is not None}
    records |= _found(person, [info.id for info in infos if info.id not in records])
    drafts = [_draft(person, info, now) for info in infos if info.id not in records]
    if drafts:
        # A launch that just answered may have written the same record in between.
        with transaction.atomic():
            Record.objects.bulk_create(drafts, ignore_conflicts=True)
        records |= _found(person, [info.id for info in infos if info.id not in records])
    changed = [(records[info.id], info) for info in infos if differs(records[info.id], info)]
    moved = [each for each in changed if _is_another_state(*each)]
    for record, info in changed:
        if lately:
            note_wait(record, info, now)
        take_in(record, info, now)
    if changed:
        with transaction.atomic():
            Record.objects.bulk_update([record for record, _ in changed], _FIELDS)
            if moved:
                Record.objects.bulk_update([record for record, _ in moved], ["states", "reason", "waited"])
    return records


def _draft(person: Person, info: SessionInfo, now: datetime) -> Record:
    record = Record.objects.draft(person, info.id)
    take_in(record, info, now)
    return record


def _found(person: Person, ids: Sequence[str]) -> dict[str, Record]:
    if not ids:
        return {}
    wanted = {fingerprint_of(person, session_id): session_id for session_id in ids}
    found = {}
    for record in Record.objects.filter(owner=person, id_fingerprint__in=list(wanted)):
        session_id = wanted[record.id_fingerprint]
        record.seal_anew_if_lost(person, session_id)
        found[session_id] = record
    return found


def _missing(person: Person, listed: set[int]) -> list[tuple[int, datetime, str]]:
    rows = Record.objects.filter(owner=person, gone=None).values_list("pk", "seen", "id_fingerprint")
    return [row for row in rows if row[0] not in listed]


def _mark(keys: list[int], began: datetime) -> None:
    Record.objects.filter(pk__in=keys).update(gone=began)


def marks_of(person: Person, ids: Iterable[str]) -> set[str]:
    """Return the fingerprints of these sessions."""
    return {fingerprint_of(person, session_id) for session_id in ids}


def _wanted(info: SessionInfo) -> dict[str, Any]:
    return {
        "name": info.name[:63],
        "kind": info.kind[:20],
        "image": info.image[:300],
        "state": info.state,
        "started": info.started,
        "expires": info.expires,
    }


def differs(record: Record, info: SessionInfo) -> bool:
    """Say whether the platform says something else than the record does."""
    if record.gone is not None or not record.states:
        return True
    return any(getattr(record, field) != value for field, value in _wanted(info).items())


def _is_another_state(record: Record, info: SessionInfo) -> bool:
    return not record.states or record.states[-1][0] != info.state


def note_wait(record: Record, info: SessionInfo, now: datetime) -> None:
    """Note how long a session took to run, when it is seen to begin just now; estimates are made of it."""
    if info.state == "running" and len(record.states) == 1 and record.states[0][0] == "pending":
        began = datetime.fromisoformat(record.states[0][1])
        record.waited = (now - min(began, info.started or began)).total_seconds()


def take_in(record: Record, info: SessionInfo, now: datetime) -> None:
    """Write what the platform says into a record, noting a new state with its time."""
    if _is_another_state(record, info):
        record.states = [*record.states, [info.state, now.isoformat()]]
        record.reason = ""
    for field, value in _wanted(info).items():
        setattr(record, field, value)
    record.gone = None
