"""A session's log to keep: whole as the platform has it, or what the portal kept of it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from sessions_app import access, limiter
from sessions_app.client import errors
from sessions_app.connections import Connection
from sessions_app.connections.redaction import Passing, Redactor
from sessions_app.guarding import PortalRequest, connected, to_signin
from sessions_app.heads import is_head
from sessions_app.live.fetching import Fetched
from sessions_app.live.per_loop import PerLoop
from sessions_app.live.places import NoPlaceError, Place, Places
from sessions_app.live.questions import AskedWrongError, extent_of, flag, number, query_of
from sessions_app.live.reading import kept_of, pieces_of
from sessions_app.live.searching import QueryError, Step, search
from sessions_app.live.spool import Extent, Kept
from sessions_app.live.staying import break_off_of, while_signed_in
from sessions_app.live.turns import BusyError, turns
from sessions_app.models import Person, Record
from sessions_app.plain_text import CONTENT_TYPE, as_text, dressed

MOST_BYTES = 64 * 1024 * 1024
PIECE = 256 * 1024
# Downloads under way at once: of one person, and of all. Each may hold a file of the size above.
EACH, IN_ALL = 4, 32
TOO_MANY_OF_YOURS = "You have several downloads under way. Try again when one has ended."
TOO_MANY_IN_ALL = "The portal hands over as many downloads as it can at this moment. Try again in a moment."
places: PerLoop[Places] = PerLoop(lambda: Places(EACH, IN_ALL))


@require_GET
@connected
async def log(
    request: PortalRequest, connection: Connection, slug: str
) -> HttpResponse | StreamingHttpResponse:
    """Hand over the whole log as the platform has it now, else what is kept; ids are taken out."""
    record = await access.record_for(request.person, slug)
    if is_head(request):
        # Whether the platform has the log now is not asked for a head.
        return as_text("", record, "log")
    try:
        place = places().take(request.person, break_off_of(request))
    except NoPlaceError as full:
        return _busy(request, own=full.own)
    with _given_back_unless_begun(place):
        pieces, failure = await _text_of(connection, record)
    if pieces is None and failure is not None:
        place.give_back()
        return as_text(f"{failure} {failure.advice}\n", record, "log", status=502)
    passed_on = while_signed_in(request, _holding(place, pieces or _nothing()))
    answer = StreamingHttpResponse(passed_on, content_type=CONTENT_TYPE)
    return dressed(answer, record, "log")


async def _text_of(
    connection: Connection, record: Record
) -> tuple[AsyncIterator[bytes] | None, errors.PlatformError | None]:
    """Return the platform's text, else what is kept, and what went wrong with the platform."""
    failure: errors.PlatformError | None = None
    try:
        pieces = await _from_platform(connection, record)
    except errors.PlatformError as error:
        pieces, failure = None, error
    # While the platform may have more than is kept, what is kept is not the log.
    if pieces is None and (record.keeps("log") or not failure or isinstance(failure, errors.NotFoundError)):
        kept = await kept_of(record)
        pieces = _all_of(kept) if kept is not None and kept.extents else None
    return pieces, failure


@contextmanager
def _given_back_unless_begun(place: Place) -> Iterator[None]:
    """Give the place back when no answer begins: an error holds its frames, and what is in them, for a while."""
    try:
        yield
    except BaseException:
        place.give_back()
        raise


async def _from_platform(connection: Connection, record: Record) -> AsyncIterator[bytes] | None:
    """Return the platform's text; None when it is empty, as it is of a session that the platform forgot."""
    text = Fetched(connection.stream_log(record, MOST_BYTES), settings.DATA_DIR)
    try:
        if await text.begun():
            return _without_ids(connection.redactor, text)
    except BaseException:
        await text.close()
        raise
    await text.close()
    return None


async def _holding(place: Place, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass the pieces on, and give the place back at their end."""
    try:
        async with aclosing(pieces) as passed_on:  # type: ignore[type-var]
            async for piece in passed_on:
                yield piece
                place.moved()
    finally:
        place.give_back()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


@require_GET
async def log_kept(request: PortalRequest, slug: str) -> HttpResponseBase:
    """Hand over a range of the kept lines, or those of them in which something is found."""
    if request.person is None:
        return to_signin(request)
    record = await access.record_for(request.person, slug)
    try:
        place = places().take(request.person, break_off_of(request))
        with _given_back_unless_begun(place):
            chunks = await _asked_for(request, record)
    except NoPlaceError as full:
        return _busy(request, own=full.own)
    except (AskedWrongError, QueryError) as error:
        return _instead(request, 422, str(error))
    except limiter.LimitedError as limited:
        return limited.dressed(_instead(request, 429, str(limited)))
    except BusyError:
        return _instead(request, 429, "You have several searches under way. Try again when one has ended.")
    passed_on = while_signed_in(request, _holding(place, chunks))
    return dressed(StreamingHttpResponse(passed_on, content_type=CONTENT_TYPE), record, "log-kept")


async def _asked_for(request: PortalRequest, record: Record) -> AsyncIterator[bytes]:
    kept = await kept_of(record)
    extent = extent_of(kept, number(request, "e"))
    numbered = flag(request, "numbers") or False
    if kept is None or extent is None:
        raise AskedWrongError("Nothing of this log is kept here, or no longer.")
    low, high = number(request, "from") or 1, number(request, "to")
    wanted = Extent(
        extent.epoch, max(low, extent.first), extent.last if high is None else min(high, extent.last)
    )
    if wanted.first > wanted.last:
        raise AskedWrongError(
            f"None of these lines is kept; there are lines {extent.first:,} to {extent.last:,}."
        )
    if not request.GET.get("q"):
        return _range(kept, wanted, numbered=numbered)
    query = query_of(request)
    if is_head(request):
        return _nothing()
    await limiter.count(limiter.SEARCHES, request.person, "You searched a lot within a minute.")

    def step_behind(after: int) -> Step:
        return search(kept, wanted, after, query)

    # The first step is taken before the answer begins, so that it can still be another one.
    first = await turns().run(request.person, lambda: step_behind(wanted.first - 1))
    return _found(request.person, first, step_behind, numbered=numbered)


async def _range(kept: Kept, wanted: Extent, *, numbered: bool) -> AsyncIterator[bytes]:
    line = wanted.first
    async for stretch in pieces_of(kept, wanted, PIECE):
        yield _written(enumerate(stretch.lines, line), numbered=numbered)
        line += len(stretch)


async def _found(
    person: Person, step: Step, step_behind: Callable[[int], Step], *, numbered: bool
) -> AsyncIterator[bytes]:
    while True:
        yield _written(((hit.line, hit.text) for hit in step.hits), numbered=numbered)
        if step.end:
            return
        after = step.upto
        step = await _next_step(person, functools.partial(step_behind, after))
        if step.upto <= after:
            return  # Its lines were dropped meanwhile.


async def _next_step(person: Person, work: Callable[[], Step]) -> Step:
    """Wait for a turn as long as it takes: the answer has begun."""
    while True:
        with contextlib.suppress(BusyError):
            return await turns().run(person, work)


def _written(lines: Iterable[tuple[int, str]], *, numbered: bool) -> bytes:
    return "".join(f"{number}\t{line}\n" if numbered else f"{line}\n" for number, line in lines).encode()


def _busy(request: PortalRequest, *, own: bool) -> HttpResponse:
    answer = _instead(request, 429, TOO_MANY_OF_YOURS if own else TOO_MANY_IN_ALL)
    answer.headers["Retry-After"] = "5"
    return answer


def _instead(request: PortalRequest, status: int, sentence: str) -> HttpResponse:
    context = {"title": "There is nothing to download", "sentence": sentence}
    return render(request, "error.html", context, status=status)


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


async def _without_ids(redactor: Redactor, text: Fetched) -> AsyncIterator[bytes]:
    """Pass the text on without ids, also where one lies across two pieces."""
    passing = Passing(redactor)
    async with aclosing(text.pieces()) as pieces:  # type: ignore[type-var]
        async for chunk in pieces:
            if piece := passing.feed(chunk):
                yield piece
        yield passing.finish()
        if text.truncated:
            yield f"\n[The log goes on; this download ends after {MOST_BYTES // 2**20} MiB.]\n".encode()
