"""Renew and destroy, one session or several, and what became of each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import reswap, retarget, trigger_client_event

from sessions_app import access
from sessions_app.connections import Connection, Row, writes
from sessions_app.connections.renewals import why_not_renewed
from sessions_app.models import Operation, Record, Step
from sessions_app.models.journal import SETTLED, KeyTakenError, StepState, Verb
from sessions_app.models.record import OVER
from sessions_app.views import groups
from sessions_app.views.guards import PortalRequest, connected, page
from sessions_app.views.notices import notice_of

# How long a page waits for all outcomes before it shows those there are, in seconds.
PATIENCE = 4.0
MOST_AT_ONCE = 1000
VALUES_NOT_KEPT = (
    "The values of its variables are not kept, and the portal was started anew since. "
    "Nothing was launched. Fill in the launch form once more, with the values."
)


class Write(Protocol):
    """Begin an operation on these sessions."""

    async def __call__(
        self, connection: Connection, records: Sequence[Record], form_key: str, content: Any
    ) -> Operation: ...


@dataclass(frozen=True, slots=True)
class Item:
    """One session that somebody wants something done to."""

    record: Record
    state: str
    # Why it cannot be done, where it cannot.
    why: str = ""


@require_http_methods(["GET", "POST"])
@connected
async def renew(request: PortalRequest, connection: Connection) -> HttpResponse:
    """Renew; who comes by a link is asked first."""
    records = await _named(request, connection)
    if _only_asks(request):
        return await _ask(request, connection, Verb.RENEW, records)
    return await _done(request, connection, Verb.RENEW, records, writes.renew)


@require_http_methods(["GET", "POST"])
@connected
async def destroy(request: PortalRequest, connection: Connection) -> HttpResponse:
    """Ask before destroying, with what is lost, then destroy; of one session it can be taken back for a moment."""
    records = await _named(request, connection)
    if _only_asks(request):
        return await _ask(request, connection, Verb.DESTROY, records)
    return await _done(request, connection, Verb.DESTROY, records, _destroy_others)


def _only_asks(request: PortalRequest) -> bool:
    """Whether the question is wanted; of more sessions than fit an address it is asked for by a form."""
    return request.method == "GET" or "ask" in request.POST


async def _destroy_others(
    connection: Connection, records: Sequence[Record], form_key: str, content: Any
) -> Operation:
    hold = settings.UNDO_SECONDS if len(records) == 1 else 0.0
    # What is being destroyed is left to the operation that does it, or it could be taken back in vain.
    others = [record for record in records if not connection.listing.leaving(record)]
    if not others:
        return await _latest_destroy(connection, records)
    return await writes.destroy(connection, others, form_key, content, hold=hold)


@require_POST
@connected
async def undo(request: PortalRequest, connection: Connection, slug: str) -> HttpResponse:
    """Take back a destroy that was not sent yet."""
    operation = await access.operation_for(request.person, slug)
    writes.undo(operation)
    await writes.wait(operation, PATIENCE)
    return await _told(request, operation)


@require_GET
@connected
async def outcome(request: PortalRequest, connection: Connection, slug: str) -> HttpResponse:
    """Show what became of each item of an operation, until all are settled."""
    operation = await access.operation_for(request.person, slug)
    if request.htmx and "notice" in request.GET:
        return await _noticed(request, operation, await writes.steps_of(operation))
    return _outcomes(request, operation, await writes.steps_of(operation))


@require_POST
@connected
async def again(request: PortalRequest, connection: Connection, slug: str) -> HttpResponse:
    """Launch once more what failed of a launch of many, and nothing else."""
    operation = await access.operation_for(request.person, slug)
    try:
        await writes.launch_again(connection, operation)
    except writes.ValuesNotKeptError:
        steps = await writes.steps_of(operation)
        return _outcomes(request, operation, steps, trouble=VALUES_NOT_KEPT)
    if not request.htmx:
        return redirect("sessions:operation", slug)
    steps = await writes.steps_of(operation)
    answer = _outcomes(request, operation, steps, replaces_notice=True)
    return trigger_client_event(answer, "sessions-changed")


async def _named(request: PortalRequest, connection: Connection) -> list[Record]:
    """Return the sessions that are named, one by one or as groups of the list."""
    asked: QueryDict = request.POST if request.method == "POST" else request.GET
    slugs, keys = asked.getlist("s"), set(asked.getlist("g"))
    rows = (await connection.rows()).value or () if keys else ()
    slugs += [row.slug for row in rows if keys & groups.keys_of(row)]
    records = await access.records_for(request.person, slugs[:MOST_AT_ONCE])
    if not records:
        raise access.NotThereError("There is no such session.")
    return records


async def _latest_destroy(connection: Connection, records: Sequence[Record]) -> Operation:
    """Return the operation that destroys these sessions already, the last one if there are several."""
    destroys = Operation.objects.filter(
        person=connection.person, verb=Verb.DESTROY, steps__record__in=[record.pk for record in records]
    )
    return await destroys.alatest("pk")


async def _done(
    request: PortalRequest, connection: Connection, verb: Verb, records: Sequence[Record], write: Write
) -> HttpResponse:
    key = request.POST.get("key", "")[:64] or uuid.uuid4().hex
    # What was chosen, not what is left of it: a group that is sent again has fewer by then.
    chosen = {name: sorted(set(request.POST.getlist(name))) for name in ("s", "g")}
    try:
        operation = await Operation.objects.aearlier(request.person, verb, key, chosen) or await write(
            connection, records, key, chosen
        )
    except KeyTakenError:
        return await _asked_anew(request, connection, verb, records)
    # Another form's destroy is told as it stands.
    if operation.form_key == key and not writes.is_held(operation):
        await writes.wait(operation, PATIENCE)
    return await _told(request, operation)


async def _asked_anew(
    request: PortalRequest, connection: Connection, verb: Verb, records: Sequence[Record]
) -> HttpResponse:
    """Ask once more where the question that was answered had been answered otherwise before."""
    told = "This question was answered before, for something else, so nothing was done now. Look once more."
    answer = await _ask(request, connection, verb, records, told=told)
    return retarget(reswap(answer, "innerHTML"), "#dialog-body") if request.htmx else answer


async def _told(request: PortalRequest, operation: Operation) -> HttpResponse:
    """Say in a line what became of it; where some of several failed, which and why."""
    steps = await writes.steps_of(operation)
    failed = any(step.state == StepState.FAILED for step in steps)
    is_settled = all(step.state in SETTLED for step in steps)
    if request.htmx and failed and is_settled and len(steps) > 1:
        answer = _outcomes(request, operation, steps)
        return trigger_client_event(answer, "sessions-changed")
    if request.htmx:
        return await _noticed(request, operation, steps)
    if failed:
        return redirect("sessions:operation", operation.slug)
    return redirect(f"{reverse('sessions:list')}?notice={operation.slug}")


async def _noticed(request: PortalRequest, operation: Operation, steps: Sequence[Step]) -> HttpResponse:
    notice = notice_of(operation, steps, held=writes.is_held(operation))
    answer = page(request, "sessions/notice", {"notice": notice})
    if request.method == "POST":
        # A notice that asked for it may have been replaced by now, and leads htmx nowhere any more.
        if request.htmx.target != "notices":
            answer = retarget(reswap(answer, "innerHTML"), "#notices")
        trigger_client_event(answer, "dialog-done")
    if request.method == "POST" or not notice.is_open:
        trigger_client_event(answer, "sessions-changed")
    return answer


def _outcomes(
    request: PortalRequest,
    operation: Operation,
    steps: Sequence[Step],
    *,
    trouble: str = "",
    replaces_notice: bool = False,
) -> HttpResponse:
    still_open = sum(step.state not in SETTLED for step in steps)
    context = {
        "operation": operation,
        "steps": steps,
        "open": still_open,
        "held": writes.is_held(operation),
        "title": _title_of(operation, steps, still_open),
        "heading": _heading(request),
        "failed": 0 if still_open or operation.verb != Verb.LAUNCH else _failures(steps),
        "trouble": trouble,
        "replaces_notice": replaces_notice,
    }
    return page(request, "sessions/operation", context)


def _failures(steps: Sequence[Step]) -> int:
    return sum(step.state == StepState.FAILED for step in steps)


def _title_of(operation: Operation, steps: Sequence[Step], still_open: int) -> str:
    done = sum(step.state == StepState.DONE for step in steps)
    did = {Verb.LAUNCH: "launched", Verb.RENEW: "renewed", Verb.DESTROY: "destroyed"}[Verb(operation.verb)]
    if still_open:
        return f"{done} of {len(steps)} {did} so far"
    return did.capitalize() if done == len(steps) == 1 else f"{done} of {len(steps)} {did}"


async def _ask(
    request: PortalRequest, connection: Connection, verb: Verb, records: Sequence[Record], told: str = ""
) -> HttpResponse:
    reading = await connection.rows()
    listed = {row.slug: row for row in reading.value or ()}
    items = [_item(verb, record, listed.get(record.slug)) for record in records]
    words: Callable[[Sequence[Item]], dict[str, Any]] = (
        _destroy_words if verb == Verb.DESTROY else _renew_words
    )
    context = {
        "verb": verb.value,
        "action": f"sessions:{verb.value}",
        "items": sorted(items, key=lambda item: bool(item.why)),
        "able": sum(not item.why for item in items),
        "key": uuid.uuid4().hex,
        "heading": _heading(request),
        "told": told,
    }
    return page(request, "sessions/confirm", context | words(items), status=422 if told else 200)


def _heading(request: PortalRequest) -> str:
    return "h2" if request.htmx else "h1"


def _item(verb: Verb, record: Record, row: Row | None) -> Item:
    state = row.state if row else "gone" if record.gone else record.state
    if verb == Verb.DESTROY:
        return Item(record, state)
    known = row or record
    return Item(record, state, why_not_renewed(known.kind, state, known.started, known.expires))


def _renew_words(items: Sequence[Item]) -> dict[str, Any]:
    able, count = sum(not item.why for item in items), len(items)
    if count == 1:
        title = "Renew this session?" if able else "This session cannot be renewed"
    elif able == count:
        title = f"Renew these {count} sessions?"
    else:
        title = f"{able or 'None'} of {count} can be renewed"
    text = (
        "A renewed session may run for its full time again, counted from now. "
        "One that would end later anyway keeps its end."
    )
    doing = "Renew" if able == count else f"Renew {able}"
    return {
        "title": title,
        "text": text if able else "",
        "closing": "Back" if able else "Close",
        "doing": doing,
    }


def _destroy_words(items: Sequence[Item]) -> dict[str, Any]:
    count, alive = len(items), [item for item in items if item.state not in OVER | {"gone"}]
    if all(item.state == "pending" for item in items):
        title = "Cancel this launch?" if count == 1 else f"Cancel these {count} launches?"
        doing = "Cancel the launch" if count == 1 else "Cancel the launches"
    else:
        title = "Destroy this session?" if count == 1 else f"Destroy these {count} sessions?"
        doing = "Destroy"
    return {"title": title, "text": _what_dies(items, alive), "closing": "Keep", "doing": doing}


def _what_dies(items: Sequence[Item], alive: Sequence[Item]) -> str:
    """Say what is lost; what has ended loses nothing more, and what has not begun has nothing to lose."""
    begun = [item for item in alive if item.state != "pending"]
    if not begun:
        return ""
    it, its = ("it", "Its log and timeline") if len(items) == 1 else ("them", "Their logs and timelines")
    some = "the one that runs" if len(begun) == 1 else f"the {len(begun)} that run"
    which = some if len(begun) < len(items) else it
    return (
        f"What runs in {which} stops at once. Unsaved work and everything under /scratch is lost; files in "
        f"your home and project folders stay. {its} can still be read here."
    )
