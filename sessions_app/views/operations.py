"""Renew and destroy, one session or several, and what became of each."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import trigger_client_event

from sessions_app import access
from sessions_app.connections import Connection, writes
from sessions_app.models import Operation, Record
from sessions_app.models.journal import SETTLED, StepState, Verb
from sessions_app.views import groups
from sessions_app.views.guards import PortalRequest, connected, page

# How long a page waits for all outcomes before it shows those there are, in seconds.
PATIENCE = 4.0
MOST_AT_ONCE = 1000

Write = Callable[[Connection, Sequence[Record], str], Awaitable[Operation]]


@require_http_methods(["GET", "POST"])
@connected
async def renew(request: PortalRequest, connection: Connection) -> HttpResponse:
    """Ask before renewing, then renew."""
    return await _asked_then_done(request, connection, Verb.RENEW, writes.renew)


@require_http_methods(["GET", "POST"])
@connected
async def destroy(request: PortalRequest, connection: Connection) -> HttpResponse:
    """Ask before destroying, with what is lost, then destroy."""
    return await _asked_then_done(request, connection, Verb.DESTROY, writes.destroy)


@require_GET
@connected
async def outcome(request: PortalRequest, connection: Connection, slug: str) -> HttpResponse:
    """Show what became of each item of an operation, until all are settled."""
    operation = await access.operation_for(request.person, slug)
    return await _shown(request, operation, patience=0)


async def _asked_then_done(
    request: PortalRequest, connection: Connection, verb: Verb, write: Write
) -> HttpResponse:
    asked = request.POST if request.method == "POST" else request.GET
    slugs = await _slugs(connection, asked)
    records = await access.records_for(request.person, slugs[:MOST_AT_ONCE])
    if not records:
        raise access.NotThereError("There is no such session.")
    if request.method == "GET":
        return await _ask(request, connection, verb, records)
    operation = await write(connection, records, request.POST.get("key", "")[:64] or uuid.uuid4().hex)
    if not request.htmx:
        await writes.wait(operation, PATIENCE)
        return redirect("sessions:operation", operation.slug)
    answer = await _shown(request, operation, patience=PATIENCE)
    return trigger_client_event(answer, "sessions-changed")


async def _slugs(connection: Connection, asked: QueryDict) -> list[str]:
    """Return the sessions that are named, one by one or as groups of the list."""
    keys = asked.getlist("g")
    rows = (await connection.rows()).value or () if keys else ()
    return asked.getlist("s") + [row.slug for key in keys for row in rows if groups.belongs(row, key)]


async def _ask(
    request: PortalRequest, connection: Connection, verb: Verb, records: Sequence[Record]
) -> HttpResponse:
    reading = await connection.rows()
    listed = {row.slug: row for row in reading.value or ()}
    context = {
        "verb": verb.value,
        "items": [(record, listed.get(record.slug)) for record in records],
        "key": uuid.uuid4().hex,
        "interactive": any(record.kind not in {"headless", "desktop-app"} for record in records),
    }
    return page(request, "sessions/confirm", context)


async def _shown(request: PortalRequest, operation: Operation, *, patience: float) -> HttpResponse:
    steps = await writes.wait(operation, patience)
    context = {
        "operation": operation,
        "steps": steps,
        "open": sum(step.state not in SETTLED for step in steps),
        "done": sum(step.state == StepState.DONE for step in steps),
        "failed": sum(step.state == StepState.FAILED for step in steps),
    }
    return page(request, "sessions/operation", context)
