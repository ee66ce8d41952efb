"""A session's log to keep: whole as the platform has it, or what the portal kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from sessions_app import access
from sessions_app.client import errors
from sessions_app.connections import Connection
from sessions_app.connections.connection import LogText
from sessions_app.connections.redaction import HIDDEN
from sessions_app.guarding import PortalRequest, connected
from sessions_app.live.reading import kept_of, pieces_of
from sessions_app.live.spool import Kept
from sessions_app.models import Record
from sessions_app.plain_text import CONTENT_TYPE, as_text, dressed

MOST_BYTES = 64 * 1024 * 1024
PIECE = 256 * 1024


@require_GET
@connected
async def log(
    request: PortalRequest, connection: Connection, slug: str
) -> HttpResponse | StreamingHttpResponse:
    """Hand over the whole log as the platform has it now, else what is kept; the session's id is taken out."""
    record = await access.record_for(request.person, slug)
    stack = AsyncExitStack()
    try:
        chunks = await stack.enter_async_context(connection.stream_log(record, MOST_BYTES))
    except errors.PlatformError as error:
        kept = await _kept_instead(record, error)
        if kept is not None:
            return dressed(StreamingHttpResponse(_all_of(kept), content_type=CONTENT_TYPE), record, "log")
        return as_text(f"{error} {error.advice}\n", record, "log", status=502)
    pieces = _without(connection.id_of(record).encode(), chunks, stack)
    return dressed(StreamingHttpResponse(pieces, content_type=CONTENT_TYPE), record, "log")


async def _kept_instead(record: Record, error: errors.PlatformError) -> Kept | None:
    """Return what is kept of a log that the platform has no more; while it may have it, that is not enough."""
    if not (record.keeps("log") or isinstance(error, errors.NotFoundError)):
        return None
    kept = await kept_of(record)
    return kept if kept is not None and kept.extents else None


async def _all_of(kept: Kept) -> AsyncIterator[bytes]:
    """Yield every kept line, and before them what is missing there."""
    oldest = kept.extents[0]
    if kept.lost and oldest.first == 1:
        yield b"[Earlier parts of this log are no longer kept.]\n"
    elif kept.lost:
        yield f"[Lines before line {oldest.first:,} of this log are no longer kept.]\n".encode()
    for place, extent in enumerate(kept.extents):
        if place:
            yield b"[The log began anew here.]\n"
        async for stretch in pieces_of(kept, extent, PIECE):
            yield "".join(f"{line}\n" for line in stretch.lines).encode()


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
