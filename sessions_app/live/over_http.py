"""Logs and events for requests: what a socket brings, where there is none; and the lines that it leaves out."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from sessions_app import access, limiter
from sessions_app.guarding import PortalRequest
from sessions_app.heads import is_head
from sessions_app.live import messages
from sessions_app.live.bodies import BODY, SHOWN, compact, fitting
from sessions_app.live.excerpts import behind
from sessions_app.live.feeds import FeedBrokenError, FeedsFullError
from sessions_app.live.following import begin, broken
from sessions_app.live.messages import HIGHEST, TAIL, Follow, Topic
from sessions_app.live.questions import AskedWrongError, extent_of, flag, number, query_of
from sessions_app.live.reading import kept_of, read
from sessions_app.live.searching import Hit, Query, QueryError, Step, search
from sessions_app.live.segments import NO_LINES
from sessions_app.live.spool import Extent, Kept
from sessions_app.live.turns import BusyError, turns
from sessions_app.live.waiting import Answer, Seen, TooManyError, frames_for
from sessions_app.models import Record

RecordView = Callable[[PortalRequest, Record], Awaitable[HttpResponseBase]]
SlugView = Callable[..., Coroutine[Any, Any, HttpResponseBase]]

SEARCHED = "You searched a lot within a minute."
BUSY = "You have too many requests of this kind open. Close other tabs, or try again in a moment."


def for_script(view: RecordView) -> SlugView:
    """Hand a view the record that its address names, and answer in JSON whatever is wrong."""

    @require_GET
    @functools.wraps(view)
    async def guarded(request: PortalRequest, slug: str) -> HttpResponseBase:
        if request.person is None:
            return _error(401, "You are not signed in any more. Sign in, and load the page again.")
        record = await access.record_for(request.person, slug)
        try:
            return await view(request, record)
        except (AskedWrongError, QueryError) as error:
            return _error(422, str(error))
        except (TooManyError, BusyError):
            return _error(429, BUSY)
        except limiter.LimitedError as limited:
            return limited.dressed(_error(429, str(limited)))

    return guarded


@for_script
async def log_since(request: PortalRequest, record: Record) -> HttpResponse:
    """Return what a socket at this place in the log would get, or wait for it."""
    place = (number(request, "e"), number(request, "after"))
    tail = number(request, "tail") or TAIL
    return await _since(request, record, Follow(Topic(record.slug, "log"), *place, tail))


@for_script
async def events_since(request: PortalRequest, record: Record) -> HttpResponse:
    """Return what a socket that follows the events would get, or wait for it."""
    return await _since(request, record, Follow(Topic(record.slug, "events")))


@for_script
async def log_lines(request: PortalRequest, record: Record) -> HttpResponse:
    """Return kept lines by their numbers."""
    epoch, begin_at = number(request, "e"), max(1, number(request, "from") or 1)
    to = number(request, "to")
    kept = await kept_of(record)
    extent = extent_of(kept, epoch)
    first = max(begin_at, extent.first) if extent else begin_at
    stretch = NO_LINES
    if kept is not None and extent is not None:
        stretch = await read(kept, extent.epoch, first, HIGHEST if to is None else to, BODY)
    _, body = fitting(stretch, whole=flag(request, "whole") or False)
    shown, low, high = (extent.epoch, extent.first, extent.last) if extent else (epoch, None, None)
    return _json(
        f'{{"e":{compact(shown)},"from":{first},{body},"first":{compact(low)},"last":{compact(high)}}}'
    )


@for_script
async def log_search(request: PortalRequest, record: Record) -> HttpResponse:
    """Search kept lines one step further, and say where the next step begins."""
    query = query_of(request)
    epoch, after = number(request, "e"), number(request, "after") or 0
    if is_head(request):
        return _json("")
    if not after:
        await limiter.count(limiter.SEARCHES, request.person, SEARCHED)
    kept = await kept_of(record)
    extent = extent_of(kept, epoch)
    hits: list[list[Any]] = []
    step = Step([], after, end=True)
    if kept is not None and extent is not None:
        step, hits = await turns().run(request.person, lambda: _searched(kept, extent, after, query))
    shown = extent.epoch if extent else epoch
    epochs = [each.epoch for each in kept.extents] if kept is not None and shown is not None else []
    answer = {
        "hits": hits,
        "e": shown,
        "upto": step.upto,
        "end": step.end,
        "next_e": next((each for each in epochs if each > (shown or 0)), None),
        "previous_e": next((each for each in reversed(epochs) if each < (shown or 0)), None),
    }
    return _json(compact(answer))


def _searched(kept: Kept, extent: Extent, after: int, query: Query) -> tuple[Step, list[list[Any]]]:
    step = search(kept, extent, after, query)
    return step, [_hit(hit) for hit in step.hits]


def _hit(hit: Hit) -> list[Any]:
    """Return what was found; of a long line its beginning, how long it is, and what was found behind that."""
    found = [hit.line, hit.ranges, hit.text[:SHOWN], hit.second]
    is_long = len(hit.text) > SHOWN
    more = [
        len(hit.text) if is_long else None,
        hit.look,
        behind(hit.text, hit.ranges, SHOWN) if is_long else [],
    ]
    while more and not more[-1]:
        more.pop()
    return found + more


async def _since(request: PortalRequest, record: Record, follow: Follow) -> HttpResponse:
    if is_head(request):
        return _json("")
    seen = Seen(request.GET.get("seen", ""))
    browser = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    try:
        answer = await frames_for(request.person, browser, lambda: begin(record, follow), seen)
    except FeedBrokenError:
        answer = Answer([broken(follow)])
    except FeedsFullError:
        answer = Answer([messages.frame("denied", s=record.slug, w=follow.topic.what, why="busy")])
    again = f',"again":{answer.again:.2f}' if answer.again else ""
    return _json(f'{{"frames":[{",".join(answer.frames)}],"seen":{compact(seen.token)}{again}}}')


def _json(body: str, *, status: int = 200) -> HttpResponse:
    return HttpResponse(body, content_type="application/json", status=status)


def _error(status: int, sentence: str) -> HttpResponse:
    answer = _json(compact({"error": sentence}), status=status)
    if status == 429:
        answer.headers["Retry-After"] = "5"
    return answer
