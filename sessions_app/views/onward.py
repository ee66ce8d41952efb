"""The way on after a form: a page of ours that leads there by itself, with or without scripts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def onward(request: HttpRequest, where: str, title: str) -> HttpResponse:
    """Answer a form with a page that goes on to ``where``, a path of ours.

    Never a redirect: Chromium holds every hop after a form against `form-action 'self'`, and drops without a word a
    chain that ends elsewhere, as `/s/<slug>/open` does. What a page begins is a navigation of its own.
    """
    return render(request, "onward.html", {"where": where, "title": title})
