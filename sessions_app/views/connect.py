"""Connect: one link that opens a session, and waits with the person while it is not ready."""

from __future__ import annotations

import logging
from typing import Any

from django.db.utils import DatabaseError
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET
from django_htmx.http import HttpResponseClientRedirect

from sessions_app import access, limiter
from sessions_app.client import errors
from sessions_app.connections import BadLinkError, Connection, estimates, links, refusals, timeline
from sessions_app.heads import is_head
from sessions_app.live.ending import last_lines
from sessions_app.models import Record
from sessions_app.views import listing as listings
from sessions_app.views.course import Course, course_of, icon_of
from sessions_app.views.guards import PortalRequest, connected, page
from sessions_app.views.nowhere import LAST_LINES, WITHOUT_A_PAGE, nowhere, without_a_page
from sessions_app.views.onward import onward

logger = logging.getLogger(__name__)

# What is said where there is nothing to wait for any more.
OVER = {
    "completed": "This session has ended.",
    "ending": "This session is ending.",
    "gone": "The platform no longer has this session.",
}


@require_GET
@connected
async def connect(request: PortalRequest, connection: Connection, slug: str) -> HttpResponse:
    """Go to the session when it answers; until then show how far it is, and go on by itself unless told to stay."""
    record = await access.record_for(request.person, slug)
    if record.kind in WITHOUT_A_PAGE:
        return await without_a_page(request, connection, record)
    if not request.htmx:
        try:
            await limiter.count(limiter.OPENINGS, request.person, "You opened a lot within a minute.")
        except limiter.LimitedError as limited:
            return limited.dressed(nowhere(request, record, str(limited), 429))
    try:
        state, address = await _state_and_address(request, connection, record)
    except errors.NotFoundError:
        return await _over(request, connection, record, "gone")
    except errors.PlatformError as error:
        return await _waiting(request, connection, record, record.state, error)
    except BadLinkError as error:
        # Neither the address nor the id that is in it.
        logger.warning(
            "security: event=connect_refused code=%s session=%s person=%s",
            error.code,
            record.slug,
            request.person.pk,
        )
        return nowhere(request, record, str(error), 502)
    if state == "running" and not _stays(request):
        return await _onward(request, record, address)
    if state in OVER:
        return await _over(request, connection, record, state)
    return await _waiting(request, connection, record, state, None)


def _stays(request: PortalRequest) -> bool:
    """Whether the person switched off that the page opens the session by itself."""
    return request.GET.get("stay") == "1"


async def _state_and_address(
    request: PortalRequest, connection: Connection, record: Record
) -> tuple[str, str]:
    """Return the state and, where it is needed, the address; a page that only looks again costs no question more."""
    if request.htmx:
        reading = await connection.rows()
        row = next((row for row in reading.value or () if row.slug == record.slug), None)
        if row is not None and reading.current and row.state in {"pending", "running"}:
            return row.state, ""
    return await connection.connect_address(record)


async def _onward(request: PortalRequest, record: Record, address: str) -> HttpResponse:
    """Redirect; the address is shown to nobody but the browser that asked for it."""
    if request.htmx:
        again = HttpResponseClientRedirect(reverse("sessions:open", args=[record.slug]))
        # A page that promised to tell must know that it leaves for good news.
        again.headers["X-Session-State"] = "running"
        return again
    if "stay" in request.GET:
        # The switch of the waiting page is a form, and a form must not end elsewhere.
        return onward(request, reverse("sessions:open", args=[record.slug]), f"{record.name} is ready")
    if not is_head(request):
        await _note_opening(request, record)
    response = HttpResponseRedirect(
        links.by_number(address) if request.GET.get("by") == "number" else address
    )
    response.status_code = 303
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


async def _note_opening(request: PortalRequest, record: Record) -> None:
    try:
        await timeline.keep_opening(record, request.person)
    except DatabaseError as error:
        # To open it is what the person came for; that it was opened can go unnoted.
        logger.warning("An opening could not be noted (%s).", error)


async def _over(request: PortalRequest, connection: Connection, record: Record, state: str) -> HttpResponse:
    """Say that it is over; to whoever waited, on the page where they are: a dialog may be open on it."""
    if request.htmx:
        return await _waiting(request, connection, record, state, None)
    return nowhere(request, record, OVER[state], 410, offers_again=True)


async def _waiting(
    request: PortalRequest,
    connection: Connection,
    record: Record,
    state: str,
    error: errors.PlatformError | None,
) -> HttpResponse:
    if not is_head(request):
        await connection.refresh_events(record)
    course = course_of(record, state)
    explanation = timeline.explained(record, state)
    # What waits for somebody to do something keeps to no estimate.
    moves = state == "pending" and not explanation.needs_somebody
    usual = await estimates.usual_wait(record) if moves else None
    context: dict[str, Any] = {
        "record": record,
        "slug": record.slug,
        "state": state,
        "stays": _stays(request),
        "cannot_start": state == "pending" and explanation.cannot_start,
        "is_over": state in {"failed", "completed", "gone"},
        "notes": timeline.notes(record),
        "course": course,
        "now": explanation.sentence or _plainly(course),
        "explanation": explanation,
        "raw": _raw_beside(explanation.raw, explanation.sentence),
        "usual": usual.words(course.elapsed) if usual else "",
        "percent": usual.percent(course.elapsed) if usual else None,
        "tab_title": course.title(record.name),
        "tab_icon": icon_of(record, state),
        "spoken": _spoken(course, explanation.sentence if explanation.needs_somebody else ""),
        "trouble": refusals.sentence(error) if error else "",
        "advice": error.advice if error else "",
    }
    version = listings.version(*(str(context[part]) for part in _SHOWN), course.phases)
    if request.htmx and request.headers.get(listings.VERSION_HEADER) == version:
        return HttpResponse(status=204)
    context["version"] = version
    if state == "failed" and not is_head(request):
        context["last_lines"] = await last_lines(connection, record, LAST_LINES)
    if not request.htmx:
        context["events"] = await connection.timeline_of(record)
    # A fragment is swapped in whatever it says; a page of a session that failed is one of something gone.
    status = 503 if error is not None else 410 if state == "failed" and not request.htmx else 200
    return page(request, "sessions/waiting", context, status=status)


def _raw_beside(raw: str, sentence: str) -> str:
    """Return the platform's own words, unless the sentence above is made of them."""
    own = _plain(raw.partition(": ")[2].rstrip("."))
    return "" if own and own in _plain(sentence) else raw


def _plain(text: str) -> str:
    """Return the text without its quotes, which are others in a sentence than in what the platform says."""
    return text.translate(dict.fromkeys(map(ord, '`"“”'))).casefold()


_SHOWN = ("state", "stays", "now", "explanation", "notes", "usual", "percent", "tab_icon", "trouble")


def _plainly(course: Course) -> str:
    """Say what happens now where the platform's events do not."""
    if course.state == "running":
        return "It answers and can be opened."
    if course.state == "failed":
        return "It failed."
    return (
        "Waiting in the platform's queue."
        if course.current.title == "Queued"
        else "Accepted; about to start."
    )


def _spoken(course: Course, trouble: str) -> str:
    """Return what is read out when it changes: the phase, not every step of its progress."""
    if course.state == "running":
        return "Ready."
    if course.state != "pending":
        return _plainly(course)
    return trouble or f"{course.current.title}, step {course.number} of {len(course.phases)}."
