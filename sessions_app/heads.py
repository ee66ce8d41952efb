"""HEAD: what GET would answer, without its body and without anything that GET does beside answering."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@async_only_middleware
def answer_head(get_response: GetResponse) -> GetResponse:
    """Let every view answer HEAD as GET; where that would do something, the view asks ``is_head``."""

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method != "HEAD":
            return await get_response(request)
        request.method = "GET"
        request.is_head = True  # type: ignore[attr-defined]
        return _without_body(await get_response(request))

    return middleware


def is_head(request: HttpRequest) -> bool:
    """Whether nothing but the head of the answer is wanted, so that nothing may come of it."""
    return bool(getattr(request, "is_head", False))


def _without_body(answer: HttpResponseBase) -> HttpResponseBase:
    if not answer.streaming:
        whole = cast(HttpResponse, answer)
        # A 204 has no length at all.
        if whole.content:
            whole.headers["Content-Length"] = str(len(whole.content))
        whole.content = b""
        return whole
    # What comes in pieces is never begun.
    head = HttpResponse(status=answer.status_code)
    head.headers, head.cookies = answer.headers, answer.cookies
    answer.close()
    return head
