"""The way on after a form: a page of ours that leads there by itself, with or without scripts."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

# A link may carry a whole command; servers take a request line of 8 KiB, and it travels encoded once more.
LONGEST_PATH = 5000


def onward(request: HttpRequest, where: str, title: str) -> HttpResponse:
    """Answer a form with a page that goes on to ``where``, a path of ours.

    Never a redirect: Chromium holds every hop after a form against `form-action 'self'`, and drops without a word a
    chain that ends elsewhere, as `/s/<slug>/open` does. What a page begins is a navigation of its own.
    """
    return render(request, "onward.html", {"where": where, "title": title})


def own_path(wanted: str) -> str:
    """Return ``wanted`` when it is a path of this portal, else nothing.

    It starts with a single slash, has no backslash, no control or blank character and no host once it is taken apart.
    """
    if not wanted.startswith("/") or wanted.startswith("//") or len(wanted) > LONGEST_PATH:
        return ""
    if re.search(r"[\\\x00-\x20\x7f-\xa0]", wanted):
        return ""
    parts = urlsplit(wanted)
    return "" if parts.scheme or parts.netloc or parts.path.startswith("//") else wanted
