"""Pages for what went wrong: what happened, what still holds, what to do. No detail of the inside."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import render

from sessions_app import kept
from sessions_app.log_lines import not_ours

RETRY_AFTER = "5"
UNBELIEVED = (
    "You reach this portal by https, but it was not told to believe the proxy that provides it, so nothing was done. "
    "Tell who runs it: CANFARWEB_BEHIND_TLS_PROXY=true has to be set, and the proxy has to send X-Forwarded-Proto."
)


def forgery(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form was not ours, or that the portal does not know how it is reached.

    One of ours that is older than the sign-in goes on with a press.
    """
    if hides_tls(request):
        return _page(request, 403, "Nothing was done", UNBELIEVED)
    if _is_ours(request, reason) and (answer := kept.too_old(request)):
        return answer
    sentence = "This form is no longer valid, so nothing was done. Go back, reload the page and try again."
    return _page(request, 403, "Nothing was done", sentence)


def _is_ours(request: HttpRequest, reason: str) -> bool:
    """Whether nothing speaks against a form but that its secret is of another session, and browsers say so, too."""
    is_of_another_session = reason == REASON_NO_CSRF_COOKIE or reason.startswith("CSRF token from ")
    is_from_here = request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
    return is_of_another_session and is_from_here and "csrfmiddlewaretoken" in request.POST


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that the request makes no sense."""
    return _page(
        request,
        400,
        "The portal does not understand this request",
        "Nothing was done. Check the address, or start from the sessions page.",
    )


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that this is not for the person."""
    return _page(request, 403, "You may not do this", "Nothing was done. Start from the sessions page.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that there is nothing: what is not yours looks the same as what is not there."""
    sentence = "There is nothing at this address, or it is not yours. Check the address, or look among your sessions."
    return _page(request, 404, "Nothing here", sentence)


def broken(request: HttpRequest) -> HttpResponse:
    """Say that the mistake is the portal's, or that it cannot write down anything at the moment."""
    if not_ours(sys.exc_info()[1]):
        return unavailable(request)
    sentence = "Your sessions are untouched. Try again; if it stays, tell who runs this portal."
    return _page(request, 500, "The portal made a mistake", sentence, person=None)


def unavailable(request: HttpRequest) -> HttpResponse:
    """Say that the database or the disk is not to be had; nothing of either is needed to say so."""
    sentence = (
        "The portal cannot read or write its own records at the moment, so nothing was done. "
        "Your sessions go on. Try again in a few seconds; if it stays, tell who runs this portal."
    )
    answer = _page(request, 503, "The portal cannot do this now", sentence, person=None)
    answer.headers["Retry-After"] = RETRY_AFTER
    if request.headers.get("HX-Request"):
        # What is shown stays; the sentence comes beside it.
        for name, value in (("Retarget", "#notices"), ("Reswap", "innerHTML"), ("Reselect", ".error")):
            answer.headers[f"HX-{name}"] = value
    return answer


def hides_tls(request: HttpRequest) -> bool:
    """Say whether the browser came by https, ended by a proxy that the portal was not told to believe."""
    origin = request.headers.get("origin") or request.headers.get("referer", "")
    return not request.is_secure() and f"{origin}/".startswith(f"https://{request.get_host()}/")


def _page(request: HttpRequest, status: int, title: str, sentence: str, **more: object) -> HttpResponse:
    context = {"title": title, "sentence": sentence, "area": ""} | more
    return render(request, "error.html", context, status=status)
