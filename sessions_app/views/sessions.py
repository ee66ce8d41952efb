"""The list of a person's sessions, and the page of one."""

from __future__ import annotations

import asyncio
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_GET

from sessions_app import access
from sessions_app.connections import Connection, Reading, Row, timeline
from sessions_app.connections.connection import FIRST_LOOK
from sessions_app.connections.renewals import why_not_renewed
from sessions_app.forms import KINDS
from sessions_app.heads import is_head
from sessions_app.live.following import is_silent
from sessions_app.models import Record
from sessions_app.views import listing as listings
from sessions_app.views.columns import columns
from sessions_app.views.course import course_of, tab_of
from sessions_app.views.facts import facts_of
from sessions_app.views.guards import PortalRequest, connected, page
from sessions_app.views.lines import lines_html
from sessions_app.views.notices import asked_notice
from sessions_app.views.stats import slots_of, strip_context


@require_GET
@connected
async def listing(request: PortalRequest, connection: Connection) -> HttpResponse:
    """Show the person's sessions; answer 204 to a fragment that would show what is shown already."""
    wanted = listings.Filter.of(request.GET)
    strip: dict[str, Any] = {} if request.htmx else await strip_context(connection)
    if strip:
        reading, slots = strip["slots_reading"], strip["slots"]
    else:
        reading, limits = await asyncio.gather(connection.rows(), connection.context(patience=FIRST_LOOK))
        slots = slots_of(reading, limits)
    shown = listings.shown(reading.value or (), wanted)
    reason, advice = listings.trouble(reading)
    searching = sorted(connection.searching.values())
    never_sent = connection.lately_never_sent()
    away = listings.away(reading)
    version = listings.version(
        request.get_full_path(),
        shown.face,
        shown.tabs,
        shown.ended,
        reason,
        searching,
        connection.listing.not_understood,
        connection.listing.beyond,
        len(never_sent),
        slots,
        away,
    )
    if request.htmx and request.headers.get(listings.VERSION_HEADER) == version:
        return HttpResponse(status=204)
    context = {
        "reading": reading,
        "shown": shown,
        "lines_html": mark_safe("".join(lines_html(shown.lines, away=away))),  # noqa: S308
        "slots": slots,
        "away": away,
        "columns": columns(wanted),
        "wanted": wanted,
        "kinds": KINDS,
        "reason": reason,
        "advice": advice,
        "signed_out": listings.signed_out(reading),
        "searching": searching,
        "never_sent": never_sent,
        "not_understood": connection.listing.not_understood,
        "beyond": connection.listing.beyond,
        "kept": len(reading.value or ()),
        "version": version,
        "previous_address": wanted.address(page=max(1, wanted.page - 1)),
        "ended_address": wanted.address(ended="" if wanted.hides_ended else "hide", page=1),
        "next_address": wanted.address(page=wanted.page + 1),
        "interval": _interval(reading),
    }
    if not request.htmx:
        context |= {"notice": await asked_notice(request)}
    return page(request, "sessions/list", strip | context)


@require_GET
@connected
async def detail(request: PortalRequest, connection: Connection, slug: str) -> HttpResponse:
    """Show one session: what it is, what it does, and its log and events as they come."""
    record = await access.record_for(request.person, slug)
    reading = await connection.rows()
    # Reading the list may have changed it.
    await record.arefresh_from_db()
    events = [] if request.htmx else await _events(connection, record, asks=not is_head(request))
    row = next((row for row in reading.value or () if row.slug == slug), None)
    reason, advice = listings.trouble(reading)
    state = _state(record, row, reading)
    tab, explanation = tab_of(record, state), timeline.explained(record, state)
    facts, course = await facts_of(record, row, state), course_of(record, state)
    is_over = state in {"gone", "completed", "failed"}
    asks = not (request.htmx or is_head(request))
    # Once it runs, how it came to that is folded away in the timeline.
    shows_phases = state == "pending" or (is_over and facts.run.began is None and bool(record.events))
    phases = course.phases if shows_phases else ()
    shown = (row and row.face, state, record.reason, reason, tab, explanation, facts, phases)
    version = listings.version(slug, *shown)
    if request.htmx and request.headers.get(listings.VERSION_HEADER) == version:
        return HttpResponse(status=204)
    cannot_start = state == "pending" and explanation.cannot_start
    context: dict[str, Any] = {
        "record": record,
        "row": row,
        "session": row or record,
        "state": state,
        "why": (row.reason if row else "") or record.reason or explanation.sentence,
        "explanation": explanation,
        "cannot_start": cannot_start,
        "can_launch_again": record.kind != "desktop-app"
        and not cannot_start
        and (is_over or explanation.needs_somebody),
        "has_page": record.kind not in {"headless", "desktop-app"},
        "open_address": request.build_absolute_uri(reverse("sessions:open", args=[slug])),
        "offers_number": settings.PLATFORM_IS_LOCAL and state == "running",
        "is_over": is_over,
        "can_renew": not reason
        and not explanation.needs_somebody
        and not why_not_renewed(record.kind, state, record.started, record.expires),
        "facts": facts,
        "launched": course.began,
        "course": course,
        "shows_phases": shows_phases,
        # Whether there is anything to show in the room of a log: what waits has written nothing.
        "log_text": "none" if state == "pending" or record.log_lines == 0 else "some",
        "log_silent": asks
        and row is not None
        and await is_silent(request.person, record, state, row.cores_in_use),
        "reading": reading,
        "reason": reason,
        "advice": advice,
        "signed_out": listings.signed_out(reading),
        "version": version,
        "interval": _interval(reading),
        "slug": slug,
        "events": events,
    } | tab
    return page(request, "sessions/detail", context)


def _state(record: Record, row: Row | None, reading: Reading[tuple[Row, ...]]) -> str:
    """Return what to call the session: as listed, or as last known, or gone."""
    if row is not None:
        return row.state
    if record.gone is not None:
        return "gone"
    return record.state


def _interval(reading: Reading[tuple[Row, ...]]) -> int:
    """Return how many seconds until the page looks again: while nothing moves, as often as there can be news."""
    if reading.current and not any(row.in_transition for row in reading.value or ()):
        return max(2, min(5, round(settings.QUIET_FRESHNESS)))
    return 2


async def _events(connection: Connection, record: Record, *, asks: bool) -> list[dict[str, Any]]:
    if asks and record.gone is None:
        await connection.refresh_events(record)
    return await connection.timeline_of(record)
