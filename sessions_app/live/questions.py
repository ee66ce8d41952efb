"""What a request asks of a log: numbers, a search, a range of what is kept."""

from __future__ import annotations

from django.http import HttpRequest

from sessions_app.live.messages import HIGHEST
from sessions_app.live.searching import Query
from sessions_app.live.spool import Extent, Kept


class AskedWrongError(Exception):
    """The question cannot be answered; the text says why, for a person."""


def number(request: HttpRequest, name: str) -> int | None:
    """Return a whole number of the query; None when it is not there, ``AskedWrongError`` when it is none."""
    text = request.GET.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(HIGHEST)) and int(text) <= HIGHEST):
        raise AskedWrongError(f"“{name}” must be a whole number.")
    return int(text)


def extent_of(kept: Kept | None, epoch: int | None) -> Extent | None:
    """Return which lines are kept of an epoch, the newest if none is named."""
    extents = kept.extents if kept is not None else []
    if epoch is None:
        return extents[-1] if extents else None
    return next((extent for extent in extents if extent.epoch == epoch), None)


def flag(request: HttpRequest, name: str) -> bool | None:
    """Return whether the query says 1 or 0; None when it says nothing."""
    text = request.GET.get(name, "")
    if text not in {"", "0", "1"}:
        raise AskedWrongError(f"“{name}” must be 1 or 0.")
    return text == "1" if text else None


def query_of(request: HttpRequest) -> Query:
    """Return what is to be searched for; raises ``QueryError`` as well."""
    return Query(request.GET.get("q", ""), regex=flag(request, "regex") or False, case=flag(request, "case"))
