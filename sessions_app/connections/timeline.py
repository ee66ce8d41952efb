"""One ordered list per session: what the platform told, its states, and what people did with it.

All of it stands on the record or in the journal, so it outlives the platform's hour of memory and a restart of the
portal. Kept are at most 200 different platform events (the oldest go first), each with up to 1000 characters of
text, and the last 50 openings; shown are besides the last 100 states and 100 actions, all in at most 192 KiB.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from sessions_app import reasons
from sessions_app.client import values
from sessions_app.connections import late
from sessions_app.connections.redaction import Redactor
from sessions_app.models import Person, Record, Step
from sessions_app.models.journal import StepState, Verb

MOST_EVENTS = 200
# One event that goes on; of it only the newest words count.
GOES_ON = {"Progress", "Waiting"}
MOST_STATES = 100
MOST_ACTIONS = 100
MOST_OPENINGS = 50
# A frame is sent in one piece, so all rows together must fit into a socket's credit, in bytes.
MOST_BYTES = 192 * 1024
LONGEST_REASON = 100
# So many steps of a start are worth folding.
LEAST_STEPS = 2
LONGEST_MESSAGE = 1000
# Openings by one person that follow one another within this are one row.
ONE_OPENING = timedelta(minutes=1)
# Records whose changes are counted at once, for `changes`.
MOST_COUNTED = 10_000

# A row has the keys id, source ("platform", "state", "person" or "fold"), type ("Normal" or "Warning"), reason,
# message, first and last (ISO 8601 or None), count, and says: a sentence in our words, or an empty text. A row with
# the key fold is a step of the start, and is shown when the row whose source is "fold" is opened.
TimelineRow = dict[str, Any]
# What is kept of an event: type, reason, message, first, last, count.
Kept = dict[str, Any]

STATE_SAYS = {
    "pending": "It waits to start.",
    "running": "It is running.",
    "ending": "It is ending.",
    "completed": "It is completed.",
    "failed": "It failed.",
    "unknown": "The platform does not say how it is.",
}


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """A kept event, as the rules look at it."""

    type: str
    reason: str
    message: str
    first: datetime | None
    last: datetime | None


def merged(kept: Sequence[Kept], told: Iterable[values.Event]) -> list[Kept]:
    """Return the kept events with those told now: equal reason and message are one, with a count and their times.

    An event counts once for every new time at which it is told. Progress replaces itself. Newest last.
    """
    found = {_key(row): row for row in kept}
    for event in told:
        row = _kept(event)
        earlier = found.get(_key(row))
        found[_key(row)] = row if earlier is None else _together(earlier, row)
    return sorted(found.values(), key=_moment)[-MOST_EVENTS:]


def platform_rows(kept: Iterable[Kept]) -> list[TimelineRow]:
    """Return kept events as rows."""
    return [_platform_row(row) for row in kept]


async def history(record: Record, redactor: Redactor) -> list[TimelineRow]:
    """Return the states and actions of a record as rows, as the database has them now, without ids."""

    @sync_to_async
    def read() -> list[TimelineRow]:
        fresh = Record.objects.filter(pk=record.pk).only("states", "opened", "gone").first()
        steps = Step.objects.filter(record=record.pk).select_related("operation__person").order_by("-pk")
        rows = [] if fresh is None else [*_state_rows(fresh), *_opening_rows(fresh)]
        rows += [_action_row(step) for step in steps[:MOST_ACTIONS]]
        return [
            {**row, "message": redactor.hide(row["message"]), "says": redactor.hide(row["says"])}
            for row in rows
        ]

    return await read()


def ordered(*parts: Iterable[TimelineRow]) -> list[TimelineRow]:
    """Return all rows in the order of time, newest last; what is too much goes from the oldest on."""
    rows = _at_the_platforms_times([row for part in parts for row in part])
    rows = [_to_seconds(row) for row in _folded(sorted(rows, key=_place))]
    room = MOST_BYTES
    for place in range(len(rows) - 1, -1, -1):
        room -= len(json.dumps(rows[place], ensure_ascii=False).encode()) + 1
        if room < 0:
            return rows[place + 1 :]
    return rows


def _at_the_platforms_times(rows: list[TimelineRow]) -> list[TimelineRow]:
    """Give each state the time at which the platform told what brought it, as it is seen some seconds, or hours, late.

    Between the program's start and an end it did run, so "running" stands there at the latest. All times are ISO 8601
    in UTC, so they are compared as they are written.
    """
    told = [row for row in rows if row["source"] == "platform" and row["last"]]
    started = _last_of(told, "Started")
    answered = _last_of([row for row in told if started and row["last"] >= started], "Ready")
    ends = [row["last"] for row in told if reasons.tells_end(row["reason"], row["message"])]
    end = min((at for at in ends if started and at >= started), default=None)
    earliest = min((row["first"] or row["last"] for row in told), default=None)
    states = [row for row in rows if row["source"] == "state"]
    moved = []
    for row in rows:
        at = None
        if row is (states[0] if states else None) and row["reason"] == "Pending":
            at = _whole_seconds_before(earliest, row["last"])
        elif _is_state(row, "Running") and row is next(
            each for each in states if each["reason"] == "Running"
        ):
            at = answered or started
        elif row["source"] == "state" and row["reason"] in {"Failed", "Completed"} and row is states[-1]:
            at = end
        moved.append({**row, "first": at, "last": at} if at and at < row["last"] else row)
    return moved


def _whole_seconds_before(told: str | None, seen: str) -> str | None:
    """Return the time told, unless it is the time seen but for the part of a second that the platform cuts off."""
    first, second = _time(told), _time(seen)
    return told if first and second and (second - first).total_seconds() >= 1 else None


def _last_of(rows: list[TimelineRow], reason: str) -> str | None:
    return max((row["last"] for row in rows if row["reason"] == reason), default=None)


def began(record: Record) -> datetime:
    """Return when the session was asked for, as far as the platform or the portal saw."""
    seen = (_time(record.states[0][1]) if record.states else None) or record.seen
    told = min((event.first for event in told_events(record) if event.first), default=seen)
    return told if (seen - told).total_seconds() >= 1 else seen


def _folded(rows: list[TimelineRow]) -> list[TimelineRow]:
    """Put the steps of a start that came to its end behind one row; what was a warning or a note stays in sight."""
    running = next((place for place, row in enumerate(rows) if _is_state(row, "Running")), None)
    if running is None:
        running = _after_unseen_start(rows)
    steps = [place for place in range(running) if _is_step(rows[place])]
    if len(steps) < LEAST_STEPS:
        return rows
    asked = next((row for row in rows[:running] if row["reason"] == Verb.LAUNCH.label), None)
    began = (asked or rows[steps[0]])["first"]
    took = _start_took(began, rows[: running + 1])
    at = rows[steps[0]]["first"]
    summary = _row("fold", "Start", f"{len(steps)} steps", at, at, f"Started in {took}.")
    marked = [{**row, "fold": "start"} if place in steps else row for place, row in enumerate(rows)]
    return [*marked[: steps[0]], {**summary, "id": "start"}, *marked[steps[0] :]]


def _after_unseen_start(rows: list[TimelineRow]) -> int:
    """Return the place after the program's start, where it ended before it was ever seen to run; 0 elsewhere."""
    if not any(_is_state(row, "Completed") or _is_state(row, "Failed") for row in rows):
        return 0
    places = [
        place for place, row in enumerate(rows) if row["source"] == "platform" and row["reason"] == "Started"
    ]
    return places[-1] + 1 if places else 0


def _is_state(row: TimelineRow, name: str) -> bool:
    return bool(row["source"] == "state" and row["reason"] == name)


def _is_step(row: TimelineRow) -> bool:
    is_told = row["source"] == "platform" and row["type"] == "Normal"
    if reasons.is_note(row["reason"]) or reasons.tells_end(row["reason"], row["message"]):
        return False
    return bool(row["first"]) and (is_told or _is_state(row, "Pending"))


def _start_took(began: str, rows: list[TimelineRow]) -> str:
    """Say how long a start took: until it answered, its program was started, or it was seen to run."""
    told = {row["reason"]: row["last"] for row in rows if row["source"] == "platform" and row["last"]}
    end = told.get("Ready") or told.get("Started") or rows[-1]["last"]
    first, last = _time(began), _time(end)
    seconds = (last - first).total_seconds() if first and last else 0.0
    if seconds < 1:
        return "under 1 s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def told_events(record: Record) -> list[ToldEvent]:
    """Return what the platform told of a record's session, as it is kept."""
    return [
        ToldEvent(row["type"], row["reason"], row["message"], _time(row["first"]), _time(row["last"]))
        for row in record.events
    ]


def explained(record: Record, state: str) -> reasons.Explanation:
    """Return why the record's session is in ``state``, from what is kept of it."""
    # That no reason is given can be said once it was asked for: then there is a reason, or the events are kept.
    if state == "failed" and not (record.events or record.reason or record.events_kept_at):
        return reasons.Explanation()
    age = (datetime.now(UTC) - since(record)).total_seconds()
    return reasons.explain(state, told_events(record), age)


def notes(record: Record) -> list[str]:
    """Return in what the record's session differs from what was asked for, as sentences."""
    return reasons.notes(told_events(record))


def since(record: Record) -> datetime:
    """Return since when the session is in the state it is in."""
    return (_time(record.states[-1][1]) if record.states else None) or record.seen


async def keep_events(record: Record, told: Sequence[values.Event], redactor: Redactor) -> None:
    """Keep what the platform told, on the record given and in the database; only news are written.

    What was kept before an id was known is looked at once more.
    """
    if merged(redactor.hide_in(record.events), told) == record.events:
        return

    @sync_to_async
    @transaction.atomic
    def write() -> None:
        # Another page may hold an older copy of the record; what counts is what is kept.
        fresh = Record.objects.select_for_update().filter(pk=record.pk).only("events").first()
        if fresh is None:
            return
        events = merged(redactor.hide_in(fresh.events), told)
        if events != fresh.events:
            Record.objects.filter(pk=record.pk).update(events=events)
            late.note(record.owner_id, record)
        kept.append(events)

    kept: list[list[Kept]] = []
    await write()
    if kept:
        # Only what is stored is believed.
        record.events = kept[-1]


async def keep_opening(record: Record, person: Person) -> None:
    """Note that somebody went to the session through its link; where the link led is not kept."""
    now = datetime.now(UTC)

    @sync_to_async
    @transaction.atomic
    def write() -> None:
        fresh = Record.objects.select_for_update().filter(pk=record.pk).only("opened").first()
        if fresh is None:
            return
        opened = list(fresh.opened)
        latest = next((each for each in reversed(opened) if each["who"] == person.name), None)
        if latest is not None and now - datetime.fromisoformat(latest["last"]) <= ONE_OPENING:
            latest |= {"last": now.isoformat(), "count": latest["count"] + 1}
        else:
            opened.append({"who": person.name, "first": now.isoformat(), "last": now.isoformat(), "count": 1})
        Record.objects.filter(pk=record.pk).update(opened=opened[-MOST_OPENINGS:])

    await write()
    _count(record.pk)


_changes: dict[int, int] = {}


def changes(record: Record) -> int:
    """Return a number that is another one after somebody did something with the session, in this process."""
    return _changes.get(record.pk, 0)


@receiver(post_save, sender=Step, dispatch_uid="timeline.step")
def _noted(instance: Step, **_: Any) -> None:
    if instance.record_id is not None:
        _count(instance.record_id)


def _count(pk: int) -> None:
    if len(_changes) > MOST_COUNTED:
        _changes.clear()  # Whoever looks reads once more than was needed.
    _changes[pk] = _changes.get(pk, 0) + 1


def _kept(event: values.Event) -> Kept:
    return {
        "type": event.type[:20],
        "reason": event.reason[:LONGEST_REASON],
        "message": event.message[:LONGEST_MESSAGE],
        "first": event.first.isoformat() if event.first else None,
        "last": event.last.isoformat() if event.last else None,
        "count": 1,
    }


def _key(row: Kept) -> tuple[str, str, str]:
    return row["type"], row["reason"], "" if row["reason"] in GOES_ON else row["message"]


def _together(earlier: Kept, row: Kept) -> Kept:
    """Return what is kept of an event that is told again: as it was, unless it came to pass once more."""
    known = (earlier["first"], earlier["last"])
    if row["reason"] in GOES_ON:
        return (
            earlier if _moment(row) < _moment(earlier) else {**row, "first": earlier["first"] or row["first"]}
        )
    times = sorted(time for time in (*known, row["first"], row["last"]) if time)
    ends = (times[0], times[-1]) if times else (None, None)
    again = ends[1] != known[1] and known[1] is not None
    return {**earlier, "first": ends[0], "last": ends[1], "count": earlier.get("count", 1) + again}


def _platform_row(row: Kept) -> TimelineRow:
    type_ = "Normal" if reasons.is_noise(row["reason"]) else row["type"]
    return {
        "id": _digest("platform", *_key(row)),
        "source": "platform",
        "type": type_,
        "reason": row["reason"],
        "message": row["message"],
        "first": row["first"],
        "last": row["last"],
        "count": row.get("count", 1),
        "says": reasons.says(row["type"], row["reason"], row["message"])[:400],
    }


def _state_rows(record: Record) -> list[TimelineRow]:
    rows = [
        _row(
            "state",
            state.capitalize(),
            "",
            at,
            at,
            STATE_SAYS.get(state, f"It is {state}."),
            state == "failed",
        )
        for state, at in record.states[-MOST_STATES:]
    ]
    if record.gone is not None:
        at = record.gone.isoformat()
        rows.append(_row("state", "Gone", "", at, at, "The platform no longer lists it."))
    return rows


def _opening_rows(record: Record) -> list[TimelineRow]:
    return [
        {
            **_row("person", "Open", each["who"], each["first"], each["last"], f"{each['who']} opened it."),
            "message": "",
            "count": each["count"],
        }
        for each in record.opened
    ]


def _action_row(step: Step) -> TimelineRow:
    who, operation = step.operation.person.name, step.operation
    # What came of it stands where it was asked for: before what the platform did about it.
    at = (step.sent or operation.opened).isoformat()
    row = _row("person", Verb(operation.verb).label, step.message, at, at, _what_was_done(who, step))
    failed = step.state == StepState.FAILED
    return {**row, "id": f"step-{operation.slug}-{step.position}", "type": "Warning" if failed else "Normal"}


def _what_was_done(who: str, step: Step) -> str:
    """Say who did what, and how it came out."""
    verb, done = step.operation.verb, step.state == StepState.DONE
    if verb == Verb.LAUNCH:
        return f"{who} launched it."
    if verb == Verb.RENEW:
        return f"{who} asked to renew it. {step.message}".strip()
    if done:
        return f"{who} destroyed it."
    return f"{who} asked to destroy it. {step.message}".strip()


def _row(
    source: str, reason: str, message: str, first: str, last: str, says: str, is_warning: bool = False
) -> TimelineRow:
    return {
        "id": _digest(source, reason, message, first),
        "source": source,
        "type": "Warning" if is_warning else "Normal",
        "reason": reason,
        "message": message,
        "first": first,
        "last": last,
        "count": 1,
        "says": says,
    }


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _to_seconds(row: TimelineRow) -> TimelineRow:
    """Cut its times to seconds, as the platform's are, so that no row seems older than the one before it."""
    return {**row, "first": _cut(row["first"]), "last": _cut(row["last"])}


def _cut(text: str | None) -> str | None:
    moment = _time(text)
    return text if moment is None else moment.replace(microsecond=0).isoformat()


def _moment(row: Kept) -> datetime:
    return _time(row["last"] or row["first"]) or datetime.min.replace(tzinfo=UTC)


def _place(row: TimelineRow) -> tuple[datetime, int]:
    """Return where a row stands: the platform cuts its times to seconds, we do not.

    In one second first comes what was asked for, then what the platform told of it, then the state that came of it;
    and what ran did so before it ended.
    """
    moment = _moment(row)
    if row["source"] == "person" or row["reason"] == "Pending" or not row["last"]:
        return moment, 0
    if row["source"] == "platform":
        rank = 3 if reasons.tells_end(row["reason"], row["message"]) else 1
    else:
        rank = 2 if row["reason"] == "Running" else 4
    return moment.replace(microsecond=999_999), rank


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
