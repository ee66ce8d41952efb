"""What is shown in place of a session that there is nothing to open of: why, what became of it, and what it wrote."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from sessions_app.connections import Connection, timeline
from sessions_app.heads import is_head
from sessions_app.live.ending import last_lines
from sessions_app.models import Record
from sessions_app.views.guards import PortalRequest

# How many of a log's lines tell of a failure.
LAST_LINES = 20
# Kinds whose sessions have no page, and why.
WITHOUT_A_PAGE = {
    "headless": "A batch session runs a command and writes a log; it has no page that could be opened.",
    "desktop-app": "An app of a desktop has no page of its own: it is on the desktop that started it.",
}
_PLAINLY = {
    "pending": "It has not begun yet.",
    "running": "It is running, and its log shows what it writes.",
    "completed": "It ended by itself, without an error.",
    "failed": "It failed.",
    "ending": "It is ending.",
    "gone": "The platform no longer lists it. What was kept of it is on its page.",
}


async def without_a_page(request: PortalRequest, connection: Connection, record: Record) -> HttpResponse:
    """Say why a session of this kind is never opened, how it is, and of one that failed how its log ends."""
    await connection.rows()
    # Reading the list may have changed it.
    await record.arefresh_from_db()
    state = "gone" if record.gone is not None else record.state
    more: dict[str, Any] = {"state": state}
    if state == "failed" and not is_head(request):
        await connection.refresh_events(record)
        more["last_lines"] = await last_lines(connection, record, LAST_LINES)
    explanation = timeline.explained(record, state)
    more |= {
        "explanation": explanation,
        "how": explanation.sentence or record.reason or _PLAINLY.get(state, ""),
    }
    return nowhere(request, record, WITHOUT_A_PAGE[record.kind], 409, **more)


def nowhere(request: PortalRequest, record: Record, sentence: str, status: int, **more: Any) -> HttpResponse:
    """Say that a session is not opened, and why; whoever waits on another page is led to the one that says so."""
    if request.htmx:
        return HttpResponseClientRedirect(reverse("sessions:open", args=[record.slug]))
    context = {
        "record": record,
        "slug": record.slug,
        "sentence": sentence,
        "offers_again": record.over and record.kind != "desktop-app",
        **more,
    }
    return render(request, "sessions/nowhere.html", context, status=status)
