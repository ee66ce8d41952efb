"""Answers that are plain text to keep: nothing in them is ever taken for a page."""

from __future__ import annotations

import re
from typing import TypeVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from sessions_app.models import Record

CONTENT_TYPE = "text/plain; charset=utf-8"

R = TypeVar("R", bound=HttpResponseBase)


def as_text(body: str, record: Record, what: str, *, status: int = 200) -> HttpResponse:
    """Return ``body`` as a file to keep."""
    return dressed(HttpResponse(body, content_type=CONTENT_TYPE, status=status), record, what)


def dressed(response: R, record: Record, what: str) -> R:
    """Name the file after the session, and let nothing in it act."""
    name = re.sub(r"[^a-z0-9-]", "", record.name.lower()) or "session"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{what}.txt"'
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
