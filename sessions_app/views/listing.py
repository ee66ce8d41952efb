"""Choose which sessions a page shows: filters in the address, counts beside them, a hundred to a page."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from sessions_app.client import errors
from sessions_app.connections import Reading, Row
from sessions_app.forms import KIND_TITLES
from sessions_app.templatetags.portal import moment_html, span

PAGE_SIZE = 100
VERSION_HEADER = "X-Shown-Version"
STATES = ("running", "pending", "failed", "completed", "ending", "unknown")


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address asks for."""

    kind: str = ""
    state: str = ""
    search: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: QueryDict) -> Filter:
        """Read the address; what it does not know is left out."""
        kind, state, page = query.get("kind", ""), query.get("state", ""), query.get("page", "1")
        return cls(
            kind=kind if kind in KIND_TITLES else "",
            state=state if state in STATES else "",
            search=query.get("q", "").strip()[:80],
            page=max(1, int(page)) if page.isdecimal() and len(page) < 6 else 1,
        )

    @property
    def narrows(self) -> bool:
        """Whether anything is left out."""
        return bool(self.kind or self.state or self.search)

    def address(self, **changes: str | int) -> str:
        """Return the query string of this filter with some parts changed."""
        values = {"kind": self.kind, "state": self.state, "q": self.search, "page": self.page, **changes}
        kept = {key: value for key, value in values.items() if value and (key, value) != ("page", 1)}
        return f"?{urlencode(kept)}" if kept else "?"

    def lets(self, row: Row, *, whatever_state: bool = False) -> bool:
        """Say whether a session passes."""
        return (
            (not self.kind or row.kind == self.kind)
            and (whatever_state or not self.state or row.state == self.state)
            and (not self.search or self.search.lower() in row.name.lower())
        )


@dataclass(frozen=True, slots=True)
class Tab:
    """One state to choose, with how many sessions are in it."""

    state: str
    title: str
    count: int
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One page of a filtered list."""

    rows: Sequence[Row]
    total: int
    pages: int
    first: int
    tabs: tuple[Tab, ...]

    @property
    def last(self) -> int:
        """The position of the page's last row, from 1."""
        return self.first + len(self.rows) - 1


def shown(rows: Sequence[Row], wanted: Filter) -> Shown:
    """Return the page of ``rows`` that ``wanted`` asks for."""
    counted = [row for row in rows if wanted.lets(row, whatever_state=True)]
    passing = [row for row in counted if not wanted.state or row.state == wanted.state]
    pages = max(1, -(-len(passing) // PAGE_SIZE))
    start = (min(wanted.page, pages) - 1) * PAGE_SIZE
    return Shown(
        rows=passing[start : start + PAGE_SIZE],
        total=len(passing),
        pages=pages,
        first=start + 1,
        tabs=_tabs(counted, wanted),
    )


def _tabs(rows: Iterable[Row], wanted: Filter) -> tuple[Tab, ...]:
    counts = Counter(row.state for row in rows)
    tabs = [Tab("", "All", counts.total(), wanted.address(state="", page=1), not wanted.state)]
    for state in STATES:
        if counts[state] or state == wanted.state or state in {"running", "pending", "failed"}:
            address = wanted.address(state=state, page=1)
            tabs.append(Tab(state, state.capitalize(), counts[state], address, wanted.state == state))
    return tuple(tabs)


def rows_html(rows: Sequence[Row]) -> list[SafeString]:
    """Return each row's markup. Rendering them is most of what a page costs, and most of them are as they were."""
    now = datetime.now(UTC)
    return [_row_html(row, _age(row, now), _left(row, now)) for row in rows]


def _age(row: Row, now: datetime) -> str:
    return span((now - (row.started or row.seen)).total_seconds())


def _left(row: Row, now: datetime) -> str:
    if row.expires is None or row.state not in {"running", "pending"}:
        return "—"
    seconds = (row.expires - now).total_seconds()
    return span(seconds) if seconds > 0 else "now"


@lru_cache(maxsize=5000)
def _row_html(row: Row, age: str, left: str) -> SafeString:
    """Render a row for these words; nothing in it depends on who looks."""
    context = {
        "row": row,
        "age": moment_html(row.started or row.seen, "age", age),
        "left": left if left == "—" or row.expires is None else moment_html(row.expires, "left", left),
    }
    return render_to_string("sessions/_row.html", context)


def version(*parts: object) -> str:
    """Return a short name for what a fragment would show, so that an unchanged one is not sent again."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=9).hexdigest()


def signed_out(reading: Reading[Any]) -> bool:
    """Say whether it takes a new credential to go on."""
    return isinstance(reading.error, errors.NotSignedInError)


def trouble(reading: Reading[Any]) -> tuple[str, str]:
    """Return the reason why what is shown is not new, and what to do; two empty strings where it is."""
    if reading.error is not None:
        return str(reading.error), reading.error.advice
    if reading.slow:
        return "The platform is slow to answer.", "It is still being asked; this page goes on by itself."
    return "", ""
