"""Sign in with the one-time link, a password or a pasted token, and out."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest, HttpResponse, QueryDict
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from sessions_app import access, connections, kept, limiter
from sessions_app.client import errors
from sessions_app.models import Credential, Person, WelcomeKey
from sessions_app.pasted import first_strange, token_of, trimmed
from sessions_app.views.guards import PortalRequest
from sessions_app.views.onward import onward, own_path

logger = logging.getLogger(__name__)

# Seconds that the platform has to say who somebody is.
PATIENCE = 7.0
TOO_SLOW = "The platform did not say in time who you are."
# It travels in a header, and servers take 8 KiB of all headers together.
LONGEST_TOKEN = 7000
LONGEST_NAME = 150
LONGEST_KEY = 100
LONGEST_PASSWORD = 1024
# The form's secret lives in a session of its own until somebody signs in.
ANONYMOUS_SECONDS = 3600
# How long the old browser session of somebody who signs in anew is still theirs, in seconds.
LAST_MOMENTS = 10
_TOKEN = re.compile(r"[\x21-\x7e]+")


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("token", "password", "kept")
@sensitive_variables("token")
async def start(request: PortalRequest) -> HttpResponse:
    """Show the sign-in page; sign in whom the platform recognises by their password or by the pasted token."""
    back = own_path(request.POST.get("next") or request.GET.get("next") or "")
    if request.method == "GET":
        if request.person is None:
            await request.session.aset_expiry(ANONYMOUS_SECONDS)
        return _form(request, back)
    try:
        await limiter.count_signin(request)
        # Not the client's own patience: whoever signs in waits for the answer, and looks at nothing else.
        async with asyncio.timeout(PATIENCE):
            token = await _token(request.POST)
            name = await connections.identify(token)
    except TimeoutError:
        return _form(request, back, errors.TooSlowError(TOO_SLOW, advice="Try again in a minute."))
    except limiter.LimitedError as limited:
        logger.warning("security: event=signin_limited address=%s", limiter.address_of(request))
        return limited.dressed(_form(request, back, limited))
    except (ValueError, errors.PlatformError) as error:
        return _form(request, back, error)
    person = await Person.objects.aenter(settings.PLATFORM_KEY, name)
    await Credential.objects.akeep(person, token)
    connections.forget(person)
    await enter(request, person)
    if asked := kept.of_text(request.POST.get("kept", "")):
        request.person = person
        return kept.go_on(request, asked)
    # Where somebody asked to go may lead out of the portal.
    return onward(request, back, "You are signed in") if back else redirect("sessions:list")


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("key")
@sensitive_variables("key")
async def welcome(request: PortalRequest) -> HttpResponse:
    """Sign in by the one-time link that `manage.py up` prints: it shows for whom, and a button does it.

    A link that signed in by itself could put somebody else's account before a person who follows it.
    """
    try:
        await limiter.count_link(request)
    except limiter.LimitedError as limited:
        return limited.dressed(HttpResponse(f"{limited}\n", content_type="text/plain"))
    key = (request.POST if request.method == "POST" else request.GET).get("key", "")[:LONGEST_KEY]
    if request.method == "GET" and (name := await WelcomeKey.objects.afor(key)):
        if request.person is None:
            await request.session.aset_expiry(ANONYMOUS_SECONDS)
        return render(request, "signin/welcome.html", {"key": key, "name": name, "area": ""})
    person = await WelcomeKey.objects.ause(key) if request.method == "POST" else None
    if person is None:
        if request.person is not None:
            return redirect("sessions:list")
        return render(request, "signin/used.html", status=410)
    connections.forget(person)
    await enter(request, person)
    return redirect("sessions:list")


@require_POST
async def leave(request: PortalRequest) -> HttpResponse:
    """Sign out: every browser session of this person ends, and the kept credential goes."""
    person = request.person
    await request.session.aflush()
    if person is not None:
        await access.sign_out(person)
        connections.forget(person)
    response = redirect("signin:start")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


async def enter(request: HttpRequest, person: Person) -> None:
    """Begin a new browser session for this person; nothing of an earlier one is carried over."""
    await _leave_behind(request, person)
    await request.session.aset(SESSION_KEY, str(person.pk))
    await request.session.aset(BACKEND_SESSION_KEY, "")
    await request.session.aset(HASH_SESSION_KEY, person.get_session_auth_hash())
    # A page that is answered now has forms of the new session.
    rotate_token(request)
    await sync_to_async(request.session.save)()


async def _leave_behind(request: HttpRequest, person: Person) -> None:
    """End the browser session that there was; of the same person it lasts for moments more.

    Their other tabs ask with its cookie until they have the new one, and would be led to sign in.
    """
    before = await access.person_of(request.session)
    if before is None or before.pk != person.pk:
        await request.session.aflush()
        return
    await request.session.aset_expiry(LAST_MOMENTS)
    await sync_to_async(request.session.save)()
    request.session = type(request.session)()


def _form(request: PortalRequest, back: str, error: Exception | None = None) -> HttpResponse:
    """Show the ways in; after a refusal with the reason and the name that was typed, never with a secret."""
    by_password = "password" in request.POST
    context = kept.ways_in(
        kept.of_text(request.POST.get("kept", "")),
        next=back,
        has_expired=request.GET.get("why") == "expired",
        username=request.POST.get("username", "")[:LONGEST_NAME],
        password_error=_refusal(error) if error and by_password else "",
        token_error=_refusal(error, "token") if error and not by_password else "",
    )
    return render(request, "signin/start.html", context, status=_status(error) if error else 200)


@sensitive_variables("token", "password")
async def _token(typed: QueryDict) -> str:
    """Return the token that was pasted, or that the platform gives for the name and password."""
    if settings.PLATFORM_LOGIN and "password" in typed:
        name, password = trimmed(typed.get("username", "")), typed.get("password", "")
        if not name or not password:
            raise ValueError("Type your name and your password.")
        if len(name) > LONGEST_NAME or len(password) > LONGEST_PASSWORD:
            raise ValueError("This is too long to be a name and a password.")
        await limiter.count_account(f"name {name.casefold()}")
        return _checked(await connections.login(name, password))
    token = _checked(token_of(typed.get("token", "")))
    await limiter.count_account(f"token {hashlib.sha256(token.encode()).hexdigest()}")
    return token


def _checked(token: str) -> str:
    if not token:
        raise ValueError("Paste a token.")
    if len(token) > LONGEST_TOKEN:
        raise ValueError("This is too long to be a token.")
    if strange := first_strange(token):
        raise ValueError(f"There is {strange}, which no token has. Copy it again, whole.")
    if not _TOKEN.fullmatch(token):
        raise ValueError("A token has no spaces, line breaks or accented letters. Copy it again, whole.")
    return token


def _refusal(error: Exception, given: str = "") -> str:
    if isinstance(error, errors.NotSignedInError):
        if given != "token":
            return "The platform does not know this name with this password. Look at both and try again."
        return (
            "The platform does not accept this token. It may have expired; get a new one and paste it here."
        )
    if isinstance(error, errors.PlatformError):
        return f"{error} {error.advice}".strip()
    return str(error)


def _status(error: Exception) -> int:
    if isinstance(error, errors.NotSignedInError | errors.NotAllowedError):
        return 401
    return 502 if isinstance(error, errors.PlatformError) else 400
