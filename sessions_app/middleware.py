"""Middleware that stays async.

Django runs each of its own synchronous steps on a thread, and every such hop costs more than the step. Where a step
only touches memory it is called here directly; where it may wait (the session row) it is awaited.
"""

from __future__ import annotations

import gzip
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.decorators import async_only_middleware

from sessions_app import access
from sessions_app.frame import milliseconds
from sessions_app.heads import is_head
from sessions_app.live.askers import known

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponse]]

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
# What takes a form before anybody is known, and how long it may be in bytes: a form that was kept comes along.
SMALL_FORMS = {"/signin", "/welcome", "/signout", "/theme"}
MOST_OF_SMALL_FORM = 256 * 1024
# How hard pages are packed, from how many bytes on, and how many bytes of padding they get at most.
PACKING = 3
WORTH_PACKING = 200
LONGEST_PADDING = 100
# The flag of a gzip header that says that a file name stands behind it.
NAME_FOLLOWS = b"\x08"


def _unused(request: HttpRequest) -> HttpResponse:
    """Stand where Django's middleware wants the next one; only its single steps are called here."""
    raise AssertionError("Django's own chain is not used here.")


@async_only_middleware
def secure_responses(get_response: GetResponse) -> GetResponse:
    """Add the headers that keep a page, its address and its data to itself."""

    async def middleware(request: HttpRequest) -> HttpResponse:
        response = await get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if settings.SECURE:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        # What may be kept says so itself.
        response.headers.setdefault("Cache-Control", "private, no-store")
        if "no-store" in response.headers["Cache-Control"]:
            response.headers["X-Server-Time"] = str(milliseconds())
            patch_vary_headers(response, ["Cookie", "HX-Request"])
        return response

    return middleware


@async_only_middleware
def answer_for_nobody(get_response: GetResponse) -> GetResponse:
    """Answer what is no page of the portal before it is asked who is there: nothing of a person can be in it."""

    async def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(f"/{settings.STATIC_URL.strip('/')}/"):
            return _plainly(404, "There is nothing at this address.")
        if request.path_info == "/healthz" and request.method in SAFE:
            return _plainly(200, "ok")
        if request.path_info in SMALL_FORMS and _declared(request) > MOST_OF_SMALL_FORM:
            return _plainly(400, "This is too long for a name, a password or a token, so it was not tried.")
        try:
            request.get_host()
        except DisallowedHost:
            logger.warning("security: event=unknown_host host=%r", request.headers.get("host", "")[:100])
            return _plainly(400, "This portal does not answer to the name that it was asked by.")
        return await get_response(request)

    return middleware


def _declared(request: HttpRequest) -> int:
    length = request.headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def _plainly(status: int, words: str) -> HttpResponse:
    return HttpResponse(f"{words}\n", status=status, content_type="text/plain; charset=utf-8")


@async_only_middleware
def name_the_portal(get_response: GetResponse) -> GetResponse:
    """Send a visit to 127.0.0.1 to `localhost`: the bare address is left to sessions, whose pages are not trusted."""

    async def middleware(request: HttpRequest) -> HttpResponse:
        host, _, port = request.headers.get("host", "").partition(":")
        if host == "127.0.0.1" and settings.PORTAL_HOST == "localhost" and request.method in SAFE:
            here = f"http://localhost{':' + port if port.isdigit() else ''}{request.get_full_path()}"
            return HttpResponsePermanentRedirect(here)
        return await get_response(request)

    return middleware


@async_only_middleware
def compress_pages(get_response: GetResponse) -> GetResponse:
    """Compress pages, but not what is sent in pieces: of those Django makes a gzip member each, which browsers stop at.

    Django's own step packs as tightly as it can, which costs a page of the list four times as much for a tenth less.
    """

    async def middleware(request: HttpRequest) -> HttpResponse:
        response = await get_response(request)
        if response.streaming or len(response.content) < WORTH_PACKING or "Content-Encoding" in response:
            return response
        patch_vary_headers(response, ["Accept-Encoding"])
        if "gzip" in request.headers.get("accept-encoding", ""):
            packed = _packed(response.content)
            if len(packed) < len(response.content):
                response.content = packed
                response.headers["Content-Encoding"] = "gzip"
                response.headers["Content-Length"] = str(len(packed))
        return response

    return middleware


def _packed(content: bytes) -> bytes:
    """Return content as gzip, padded as Django does against guessing secrets by length: with a file name."""
    packed = gzip.compress(content, compresslevel=PACKING, mtime=0)
    name = b"a" * secrets.randbelow(LONGEST_PADDING) + b"\0"
    return packed[:3] + NAME_FOLLOWS + packed[4:10] + name + packed[10:]


@async_only_middleware
def load_session(get_response: GetResponse) -> GetResponse:
    """Load the browser's session once, before anything asks for it; save it only when it changed."""
    sessions = SessionMiddleware(_unused)

    async def middleware(request: HttpRequest) -> HttpResponse:
        sessions.process_request(request)
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            await request.session.aget(SESSION_KEY)
        response = await get_response(request)
        if is_head(request):
            # A session that is kept for whoever only looks at heads would be one for each look.
            return response
        if request.session.modified:
            return await sync_to_async(sessions.process_response)(request, response)
        return sessions.process_response(request, response)

    return middleware


@async_only_middleware
def check_forgery(get_response: GetResponse) -> GetResponse:
    """Refuse a change that another site asks for: by token, and by what the browser says of its origin."""
    forgery = CsrfViewMiddleware(_unused)

    async def middleware(request: HttpRequest) -> HttpResponse:
        forgery.process_request(request)
        refused = _from_elsewhere(forgery, request)
        # The sign-in page may be older than its session, and what is typed there is never shown again.
        if not refused and not _signs_in_from_here(request):
            refused = forgery.process_view(request, _unused, (), {})
        response = refused or await get_response(request)
        return cast(HttpResponse, forgery.process_response(request, response))

    return middleware


def _signs_in_from_here(request: HttpRequest) -> bool:
    """Whether somebody signs in, on a page that the browser vouches for as ours."""
    is_from_here = request.headers.get("sec-fetch-site") == "same-origin"
    return is_from_here and request.path in {reverse(settings.LOGIN_URL), reverse("signin:welcome")}


def _from_elsewhere(forgery: CsrfViewMiddleware, request: HttpRequest) -> HttpResponse | None:
    """Refuse what the browser says comes from another site; an older one says nothing and the token decides."""
    if request.method in SAFE or not (reason := _foreign(request)):
        return None
    refused: HttpResponse = forgery._reject(request, reason)  # type: ignore[attr-defined]
    return refused


def _foreign(request: HttpRequest) -> str:
    """Return why a change was not asked for by a page of ours, as far as the browser tells, or nothing."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return "The request comes from another site."
    # Neither a form nor a script of ours asks so; a page elsewhere can, without being allowed to see the answer.
    if request.headers.get("sec-fetch-mode", "navigate") == "no-cors":
        return "The request comes from no form."
    if request.content_type == "text/plain":
        return "The request holds no form."
    referer = request.headers.get("referer")
    if referer and "origin" not in request.headers and not _is_ours(request, referer):
        return "The request comes from a page of another site."
    return ""


def _is_ours(request: HttpRequest, address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return (parts.scheme, parts.netloc) == (request.scheme, request.get_host())


@async_only_middleware
def know_the_person(get_response: GetResponse) -> GetResponse:
    """Set ``request.person`` to who is signed in, or None, so that no template or view has to wait for it."""

    async def middleware(request: HttpRequest) -> HttpResponse:
        request.person = person = await access.person_of(request.session)  # type: ignore[attr-defined]
        if person is not None and (key := request.session.session_key):
            known().learn(key, person.pk)
        return await get_response(request)

    return middleware
