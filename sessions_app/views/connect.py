"""Connect: one link that opens a session, and waits with the person while it is not ready."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET
from django_htmx.http import HttpResponseClientRedirect

from sessions_app import access
from sessions_app.client import errors
from sessions_app.connections import BadLinkError, Connection
from sessions_app.models import Record
from sessions_app.views.guards import PortalRequest, connected, page


@require_GET
@connected
async def connect(request: PortalRequest, connection: Connection, slug: str) -> HttpResponse:
    """Go to the session when it answers; until then show how far it is and go on by itself."""
    record = await access.record_for(request.person, slug)
    if record.kind in {"headless", "desktop-app"}:
        return _nowhere(
            request, record, "A batch session has no page of its own: its log is what it says.", 409
        )
    try:
        state, address = await connection.connect_address(record)
    except errors.NotFoundError:
        return _nowhere(request, record, "The platform no longer has this session.", 410)
    except errors.PlatformError as error:
        return await _waiting(request, connection, record, record.state, error)
    except BadLinkError as error:
        return _nowhere(request, record, str(error), 502)
    if state == "running":
        return _onward(request, slug, address)
    if state in {"completed", "failed"}:
        return _nowhere(request, record, "This session has ended.", 410)
    return await _waiting(request, connection, record, state, None)


def _onward(request: PortalRequest, slug: str, address: str) -> HttpResponse:
    """Redirect; the address is shown to nobody but the browser that asked for it."""
    if request.htmx:
        return HttpResponseClientRedirect(reverse("sessions:open", args=[slug]))
    response = HttpResponseRedirect(address)
    response.status_code = 303
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


async def _waiting(
    request: PortalRequest,
    connection: Connection,
    record: Record,
    state: str,
    error: errors.PlatformError | None,
) -> HttpResponse:
    await connection.refresh_events(record)
    context = {
        "record": record,
        "slug": record.slug,
        "state": state,
        "phases": phases(record),
        "events": record.events[-12:],
        "error": error,
    }
    return page(request, "sessions/waiting", context, status=200 if error is None else 503)


def phases(record: Record) -> list[tuple[str, str]]:
    """Return the way to ready as (phase, "done", "now" or "ahead"), as far as the events tell."""
    seen = {str(event.get("reason", "")) for event in record.events}
    reached = 0
    for place, (_, reasons) in enumerate(_PHASES):
        if seen & reasons:
            reached = place
    return [
        (title, "done" if place < reached else "now" if place == reached else "ahead")
        for place, (title, _) in enumerate(_PHASES)
    ]


_PHASES: tuple[tuple[str, frozenset[str]], ...] = (
    ("Accepted", frozenset({"Accepted", "Queued"})),
    ("Scheduled", frozenset({"Scheduled"})),
    ("Pulling the image", frozenset({"Pulling", "Progress", "ErrImagePull", "BackOff", "ImagePullBackOff"})),
    ("Starting", frozenset({"Pulled", "Created", "Started"})),
    ("Answering", frozenset({"Ready", "Answering"})),
)


def _nowhere(request: PortalRequest, record: Record, sentence: str, status: int) -> HttpResponse:
    context = {"record": record, "sentence": sentence, "slug": record.slug}
    if request.htmx:
        return HttpResponseClientRedirect(reverse("sessions:open", args=[record.slug]))
    return render(request, "sessions/nowhere.html", context, status=status)
