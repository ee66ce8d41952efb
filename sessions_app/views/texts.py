"""A session's events as plain text, to read without scripts or to keep."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from sessions_app import access
from sessions_app.connections import Connection
from sessions_app.heads import is_head
from sessions_app.plain_text import as_text
from sessions_app.views.guards import PortalRequest, connected


@require_GET
@connected
async def events(request: PortalRequest, connection: Connection, slug: str) -> HttpResponse:
    """Hand over the events that were seen, one to a line."""
    record = await access.record_for(request.person, slug)
    if not is_head(request):
        await connection.refresh_events(record)
    lines = [
        "\t".join(str(event.get(part) or "") for part in ("last", "type", "reason", "message"))
        for event in record.events
    ]
    return as_text("".join(f"{line}\n" for line in lines), record, "events")
