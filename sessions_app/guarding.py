"""What stands before a view of a page or of a text: a person who is signed in."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from sessions_app import kept
from sessions_app.client import errors
from sessions_app.connections import Connection, connection_for
from sessions_app.models import Person

P = ParamSpec("P")


class PortalRequest(HttpRequest):
    """A request as our middleware hands it on."""

    person: Person
    htmx: HtmxDetails


View = Callable[Concatenate[PortalRequest, P], Coroutine[Any, Any, HttpResponseBase]]
ConnectedView = Callable[Concatenate[PortalRequest, Connection, P], Awaitable[HttpResponseBase]]


def connected(view: ConnectedView[P]) -> View[P]:
    """Hand the person's connection to a view; whoever has none is sent to sign in and back."""

    @functools.wraps(view)
    async def guarded(request: PortalRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.person is None:
            return to_signin(request)
        try:
            connection = await connection_for(request.person)
        except errors.NotSignedInError:
            return to_signin(request)
        try:
            answer = await view(request, connection, *args, **kwargs)
        except errors.NotSignedInError:
            return to_signin(request, expired=True)
        # What was asked in vain is nothing to look at; what was done has an answer of its own, which leads here later.
        if connection.refused and request.method in {"GET", "HEAD"}:
            return to_signin(request, expired=True)
        return answer

    return cast("View[P]", guarded)


def to_signin(request: PortalRequest, *, expired: bool = False) -> HttpResponse:
    """Send the browser to the sign-in page, with the way back; what a form holds goes along in the page."""
    if request.method == "POST":
        return kept.sign_in(request)
    back = request.get_full_path() if request.method == "GET" and not request.htmx else ""
    if request.htmx and request.htmx.current_url_abs_path:
        back = request.htmx.current_url_abs_path
    asked = ([f"next={quote(back)}"] if back not in {"", "/"} else []) + (["why=expired"] if expired else [])
    where = reverse(settings.LOGIN_URL) + (f"?{'&'.join(asked)}" if asked else "")
    if request.htmx:
        return HttpResponseClientRedirect(where)
    return redirect(where)
