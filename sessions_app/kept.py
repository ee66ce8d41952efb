"""A form that arrived after its sign-in was over: what was typed goes on in the page itself, never on the server.

Who sent it signs in if need be, and goes on with one press. The fields travel as a form of ours, with their key, so
that nothing is done twice; only the page that is answered holds them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve

from sessions_app.kinds import KIND_TITLES

# What the button says; of each other form that it goes on.
DOES = {
    "sessions:launch": "Launch",
    "sessions:renew": "Renew",
    "sessions:destroy": "Destroy",
    "sessions:undo": "Undo",
    "sessions:again": "Launch again",
    "signin:leave": "Sign out",
}
# These have secrets in them, or are asked by a page and not by a person.
_NEVER = {"signin:start", "signin:welcome", "sessions:launch-check"}
# What is asked as somebody types disturbs nobody: the page says what is the matter.
_QUIET = {"sessions:launch-check"}
_OURS = re.compile(r"/(?:[\w-]+/)*[\w-]*(?:\?[^\s\\]*)?")
_TOKEN = "csrfmiddlewaretoken"  # noqa: S105
# The fresh secret for a page of the same person, which asks once more by itself.
TOKEN_HEADER = "X-Form-Token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a form was going, and what was typed into it."""

    path: str
    fields: tuple[tuple[str, str], ...]

    @property
    def view(self) -> str:
        """The name of the view that it was for; empty where there is none that goes on."""
        try:
            name = resolve(self.path.partition("?")[0]).view_name if _OURS.fullmatch(self.path) else ""
        except Resolver404:
            return ""
        return "" if name in _NEVER else name

    @property
    def does(self) -> str:
        """What the button says that goes on with it."""
        if dict(self.fields).get("redraw"):
            return "Go on"
        return DOES.get(self.view, "Go on")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What it is about, in words."""
        typed, chosen = dict(self.fields), [value for name, value in self.fields if name in {"s", "g"}]
        facts = [("Kind", KIND_TITLES.get(typed.get("kind", ""), "")), ("Name", typed.get("name", ""))]
        facts += [("Chosen", f"{len(chosen)} session{'' if len(chosen) == 1 else 's'}" if chosen else "")]
        return [(label, text) for label, text in facts if text]

    def as_text(self) -> str:
        """Return it as a field of the sign-in page holds it."""
        return json.dumps([self.path, self.fields])


def of_request(request: HttpRequest, changes: Mapping[str, str] | None = None) -> Kept:
    """Return what a request wants to have done, but for the secret of its form."""
    fields = [
        (name, str(value)) for name, values in request.POST.lists() for value in values if name != _TOKEN
    ]
    changes = changes or {}
    return Kept(request.get_full_path(), tuple((name, changes.get(name, value)) for name, value in fields))


def of_text(text: str) -> Kept | None:
    """Return what a sign-in page held; nothing where it is none of ours."""
    try:
        path, fields = json.loads(text)
        kept = Kept(str(path), tuple((str(name), str(value)) for name, value in fields))
    except (ValueError, TypeError):
        return None
    return kept if kept.view else None


def sign_in(request: HttpRequest, changes: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer a form of somebody who is not signed in (any more): the way in, with all that was typed."""
    kept = of_request(request, changes)
    if _is_quiet(request):
        return HttpResponse(status=401)
    if not kept.view:
        return redirect(settings.LOGIN_URL)
    if _is_fragment(request):
        return _in_dialog(request, kept, signed_out=True)
    return render(request, "signin/start.html", ways_in(kept), status=401)


def go_on(request: HttpRequest, kept: Kept, *, status: int = 200) -> HttpResponse:
    """Show what was typed as a form of ours with one button."""
    return render(request, "signin/go_on.html", {"kept": kept}, status=status)


def too_old(request: HttpRequest) -> HttpResponse | None:
    """Answer a form of ours that is older than the sign-in; nothing where there is no going on with it."""
    person = getattr(request, "person", None)
    kept = of_request(request)
    if _is_fragment(request) and (_is_of(request, person) or kept.view == "theme"):
        answer = HttpResponse(status=403)
        answer.headers[TOKEN_HEADER] = get_token(request)
        return answer
    if person is None:
        return redirect(settings.LOGIN_URL) if kept.view == "signin:leave" else sign_in(request)
    if _is_quiet(request):
        return HttpResponse(status=401)
    if not kept.view:
        return None
    return _in_dialog(request, kept) if _is_fragment(request) else go_on(request, kept, status=403)


def ways_in(kept: Kept | None, **more: Any) -> dict[str, Any]:
    """Return what the sign-in page shows."""
    return {
        "is_local": settings.PLATFORM_IS_LOCAL,
        "takes_passwords": bool(settings.PLATFORM_LOGIN),
        "kept": kept,
        **more,
    }


def _in_dialog(request: HttpRequest, kept: Kept, *, signed_out: bool = False) -> HttpResponse:
    context = {"kept": kept, "signed_out": signed_out, "heading": "h2"}
    answer = render(request, "signin/_go_on.html", context, status=422)
    answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#dialog-body", "innerHTML"
    return answer


def _is_fragment(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _is_quiet(request: HttpRequest) -> bool:
    asked = Kept(request.path, ())
    is_redraw = asked.view == "sessions:launch" and "redraw" in request.POST
    return _is_fragment(request) and (is_redraw or resolve(request.path).view_name in _QUIET)


def _is_of(request: HttpRequest, person: Any) -> bool:
    """Whether the page that asks was made for who is signed in now."""
    return person is not None and unquote(request.headers.get("X-Person", "")) == person.name
