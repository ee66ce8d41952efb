"""Pages for what went wrong: what happened, what still holds, what to do. No detail of the inside."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def forgery(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form was not ours or too old."""
    sentence = "This form is no longer valid, so nothing was done. Go back, reload the page and try again."
    return _page(request, 403, "Nothing was done", sentence)


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
    """Say that the mistake is the portal's."""
    sentence = "Your sessions are untouched. Try again; if it stays, tell who runs this portal."
    return _page(request, 500, "The portal made a mistake", sentence)


def _page(request: HttpRequest, status: int, title: str, sentence: str) -> HttpResponse:
    context = {"title": title, "sentence": sentence, "area": ""}
    return render(request, "error.html", context, status=status)
