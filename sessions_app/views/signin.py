"""Sign in with the one-time link or a pasted token, and out."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sessions_app import connections
from sessions_app.client import errors
from sessions_app.models import Credential, Person, WelcomeKey
from sessions_app.views.guards import PortalRequest

LONGEST_TOKEN = 16 * 1024
# The form's secret lives in a session of its own until somebody signs in.
ANONYMOUS_SECONDS = 3600
_TOKEN = re.compile(r"[\x21-\x7e]+")


@require_http_methods(["GET", "POST"])
@sensitive_variables("token")
async def start(request: PortalRequest) -> HttpResponse:
    """Show the sign-in form; sign in whom the platform recognises by the pasted token."""
    back = own_path(request.POST.get("next") or request.GET.get("next") or "")
    if request.method == "GET":
        if request.person is None:
            await request.session.aset_expiry(ANONYMOUS_SECONDS)
        return render(request, "signin/start.html", {"next": back, "is_local": settings.PLATFORM_IS_LOCAL})
    token = request.POST.get("token", "").strip().removeprefix("Bearer ").strip()
    try:
        name = await _whose(token)
    except (ValueError, errors.PlatformError) as error:
        context = {"next": back, "error": _refusal(error), "is_local": settings.PLATFORM_IS_LOCAL}
        return render(request, "signin/start.html", context, status=_status(error))
    person = await Person.objects.aenter(settings.PLATFORM_KEY, name)
    await Credential.objects.akeep(person, token)
    connections.forget(person)
    await enter(request, person)
    return redirect(back or "sessions:list")


@require_GET
async def welcome(request: PortalRequest) -> HttpResponse:
    """Sign in by the one-time link that `manage.py up` prints."""
    person = await WelcomeKey.objects.ause(request.GET.get("key", ""))
    if person is None:
        if request.person is not None:
            return redirect("sessions:list")
        return render(request, "signin/used.html", status=410)
    await enter(request, person)
    return redirect("sessions:list")


@require_POST
async def leave(request: PortalRequest) -> HttpResponse:
    """Sign out: the browser's session ends and the kept credential goes, so that no other browser can use it either."""
    person = request.person
    await request.session.aflush()
    if person is not None:
        await Credential.objects.adrop(person)
        connections.forget(person)
    response = redirect("signin:start")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


async def enter(request: HttpRequest, person: Person) -> None:
    """Begin a new browser session for this person; nothing of an earlier one is carried over."""
    await request.session.aflush()
    await request.session.aset(SESSION_KEY, str(person.pk))
    await request.session.aset(BACKEND_SESSION_KEY, "")
    await request.session.aset(HASH_SESSION_KEY, "")
    await sync_to_async(request.session.save)()


def own_path(wanted: str) -> str:
    """Return ``wanted`` when it is a path of this portal, else nothing.

    It starts with a single slash, has no backslash, no control or blank character and no host once it is taken apart.
    """
    if not wanted.startswith("/") or wanted.startswith("//") or len(wanted) > 2000:
        return ""
    if re.search(r"[\\\x00-\x20\x7f-\xa0]", wanted):
        return ""
    parts = urlsplit(wanted)
    return "" if parts.scheme or parts.netloc or parts.path.startswith("//") else wanted


async def _whose(token: str) -> str:
    if not token:
        raise ValueError("Paste a token.")
    if len(token) > LONGEST_TOKEN:
        raise ValueError("This is too long to be a token.")
    if not _TOKEN.fullmatch(token):
        raise ValueError("A token has no spaces, line breaks or accented letters. Copy it again, whole.")
    return await connections.identify(token)


def _refusal(error: Exception) -> str:
    if isinstance(error, errors.NotSignedInError):
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
