"""A session's log and events as plain text, to read without scripts or to keep."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TypeVar

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from sessions_app import access
from sessions_app.client import errors
from sessions_app.connections import Connection
from sessions_app.connections.connection import LogText
from sessions_app.connections.redaction import HIDDEN
from sessions_app.models import Record
from sessions_app.views.guards import PortalRequest, connected

MOST_BYTES = 64 * 1024 * 1024


@require_GET
@connected
async def log(
    request: PortalRequest, connection: Connection, slug: str
) -> HttpResponse | StreamingHttpResponse:
    """Hand over the whole log as the platform has it now, with the session's id taken out."""
    record = await access.record_for(request.person, slug)
    stack = AsyncExitStack()
    try:
        chunks = await stack.enter_async_context(connection.stream_log(record, MOST_BYTES))
    except errors.PlatformError as error:
        return _text(f"{error} {error.advice}\n", record, "log", status=502)
    pieces = _without(connection.id_of(record).encode(), chunks, stack)
    return _dressed(StreamingHttpResponse(pieces, content_type="text/plain; charset=utf-8"), record, "log")


@require_GET
@connected
async def events(request: PortalRequest, connection: Connection, slug: str) -> HttpResponse:
    """Hand over the events that were seen, one to a line."""
    record = await access.record_for(request.person, slug)
    await connection.refresh_events(record)
    lines = [
        "\t".join(str(event.get(part) or "") for part in ("last", "type", "reason", "message"))
        for event in record.events
    ]
    return _text("".join(f"{line}\n" for line in lines), record, "events")


async def _without(secret: bytes, chunks: LogText, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    """Pass the text on without the secret, also where it lies across two pieces."""
    held = b""
    async with stack:
        async for chunk in chunks:
            held = (held + chunk).replace(secret, HIDDEN.encode())
            keep = len(secret) - 1
            yield held[:-keep]
            held = held[-keep:]
        yield held
        if chunks.truncated:
            yield f"\n[The log goes on; this download ends after {MOST_BYTES // 2**20} MiB.]\n".encode()


def _text(body: str, record: Record, what: str, *, status: int = 200) -> HttpResponse:
    response = HttpResponse(body, content_type="text/plain; charset=utf-8", status=status)
    return _dressed(response, record, what)


R = TypeVar("R", bound=HttpResponseBase)


def _dressed(response: R, record: Record, what: str) -> R:
    name = re.sub(r"[^a-z0-9-]", "", record.name.lower()) or "session"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{what}.txt"'
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
