"""Choose which sessions a page shows: filters in the address, counts beside them, a hundred to a page."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from sessions_app.client import errors
from sessions_app.connections import Reading, Row, refusals
from sessions_app.forms import KIND_TITLES
from sessions_app.models.record import OVER
from sessions_app.views import groups, ordering
from sessions_app.views.groups import Group

PAGE_SIZE = 100
VERSION_HEADER = "X-Shown-Version"
STATES = ("running", "pending", "failed", "completed", "ending", "unknown")
MOST_OPEN = 20


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address asks for."""

    kind: str = ""
    state: str = ""
    search: str = ""
    group: str = ""
    sort: str = ""
    hides_ended: bool = False
    # The groups whose sessions are shown below them.
    opened: tuple[str, ...] = ()
    page: int = 1

    @classmethod
    def of(cls, query: QueryDict) -> Filter:
        """Read the address; what it does not know is left out."""
        kind, state, page = query.get("kind", ""), query.get("state", ""), query.get("page", "1")
        return cls(
            kind=kind if kind in KIND_TITLES else "",
            state=state if state in STATES else "",
            search=query.get("q", "").strip()[:80],
            group=query.get("group", "").strip()[:120],
            sort=ordering.known(query.get("sort", "")),
            hides_ended=query.get("ended") == "hide",
            opened=tuple(dict.fromkeys(key[:120] for key in query.getlist("open")[:MOST_OPEN] if key)),
            page=max(1, int(page)) if page.isdecimal() and len(page) < 6 else 1,
        )

    @property
    def narrows(self) -> bool:
        """Whether anything is left out."""
        return bool(self.kind or self.state or self.search or self.group or self.hides_ended)

    def address(self, **changes: Any) -> str:
        """Return the query string of this filter with some parts changed."""
        values: dict[str, Any] = {
            "kind": self.kind,
            "state": self.state,
            "q": self.search,
            "group": self.group,
            "sort": self.sort,
            "ended": "hide" if self.hides_ended else "",
            "open": self.opened,
            "page": self.page,
        } | changes
        kept = {key: value for key, value in values.items() if value and (key, value) != ("page", 1)}
        return f"?{urlencode(kept, doseq=True)}" if kept else "?"

    def toggling(self, key: str) -> str:
        """Return the address in which that group is opened, or closed where it is open."""
        others = tuple(each for each in self.opened if each != key)
        return self.address(open=others if key in self.opened else (*others, key))

    def lets(self, row: Row, *, whatever_state: bool = False) -> bool:
        """Say whether a session passes."""
        return (
            (not self.kind or row.kind == self.kind)
            and (not self.group or groups.belongs(row, self.group))
            and (not self.search or self.search.lower() in row.name.lower())
            and (whatever_state or self._lets_state(row))
        )

    def _lets_state(self, row: Row) -> bool:
        if self.state:
            return row.state == self.state
        return not self.hides_ended or row.state not in OVER


@dataclass(frozen=True, slots=True)
class Tab:
    """One state to choose, with how many sessions are in it."""

    state: str
    title: str
    count: int
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the list: a session, alone or below its group, or a group."""

    item: Row | Group
    toggle: str = ""
    is_open: bool = False
    is_member: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One page of a filtered list."""

    lines: Sequence[Line]
    # How many sessions pass, in as many lines as there are when no group is open.
    total: int
    all_lines: int
    ended: int
    pages: int
    first: int
    last: int
    tabs: tuple[Tab, ...]
    # What of the lines can be seen, at the precision in which it is shown, as a short name.
    face: str
    # All of the one group that is shown, if it is one.
    group: Group | None = None


# What was shown last, by the very list it was made of: that list stays one object until there is news.
_latest: OrderedDict[tuple[int, Filter], tuple[Sequence[Row], Shown]] = OrderedDict()
MOST_LATEST = 24


def shown(rows: Sequence[Row], wanted: Filter) -> Shown:
    """Return the page of ``rows`` that ``wanted`` asks for; most looks are for what was shown before."""
    key = (id(rows), wanted)
    if key not in _latest:
        # The list is kept beside it, so that no other one can have its place in memory.
        _latest[key] = (rows, _shown(rows, wanted))
        if len(_latest) > MOST_LATEST:
            _latest.popitem(last=False)
    return _latest[key][1]


def _shown(rows: Sequence[Row], wanted: Filter) -> Shown:
    counted = [row for row in rows if wanted.lets(row, whatever_state=True)]
    passing = [row for row in counted if wanted.lets(row)]
    items = _items(passing, wanted)
    pages = max(1, -(-len(items) // PAGE_SIZE))
    start = (min(wanted.page, pages) - 1) * PAGE_SIZE
    part = items[start : start + PAGE_SIZE]
    lines = [line for item in part for line in _lines(item, wanted)]
    return Shown(
        lines=lines,
        face=version([(line.toggle, line.is_open, _face(line.item)) for line in lines]),
        total=len(passing),
        all_lines=len(items),
        ended=sum(row.state in OVER for row in counted),
        pages=pages,
        first=start + 1,
        last=start + len(part),
        tabs=_tabs(counted, wanted),
        group=_whole_group(counted, wanted),
    )


def _items(rows: Sequence[Row], wanted: Filter) -> list[Row | Group]:
    if wanted.group:
        numbered = ordering.by_number(rows)
        return ordering.ordered(numbered, wanted.sort) if wanted.sort else numbered
    return ordering.ordered(groups.folded(rows), wanted.sort)


def _lines(item: Row | Group, wanted: Filter) -> list[Line]:
    if not isinstance(item, Group):
        return [Line(item)]
    is_open = item.key in wanted.opened
    head = Line(item, wanted.toggling(item.key), is_open)
    return [head, *(Line(row, is_member=True) for row in item.rows)] if is_open else [head]


def _whole_group(rows: Sequence[Row], wanted: Filter) -> Group | None:
    if not wanted.group or not rows:
        return None
    stem = groups.stem_of(rows[0].name)
    return Group(wanted.group, stem, tuple(row for row in rows if isinstance(row, Row)))


def _face(item: Row | Group) -> object:
    return (item.face, item.began, item.expires, item.ended) if isinstance(item, Group) else item.face


def _tabs(rows: Iterable[Row], wanted: Filter) -> tuple[Tab, ...]:
    """Return the states to choose from; each counts what its address shows."""
    counts = Counter(row.state for row in rows)
    everything = sum(count for state, count in counts.items() if not wanted.hides_ended or state not in OVER)
    tabs = [Tab("", "All", everything, wanted.address(state="", page=1), not wanted.state)]
    for state in STATES:
        if counts[state] or state == wanted.state or state in {"running", "pending", "failed"}:
            address = wanted.address(state=state, page=1)
            tabs.append(Tab(state, state.capitalize(), counts[state], address, wanted.state == state))
    return tuple(tabs)


def version(*parts: object) -> str:
    """Return a short name for what a fragment would show, so that an unchanged one is not sent again."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=9).hexdigest()


def signed_out(reading: Reading[Any]) -> bool:
    """Say whether it takes a new credential to go on."""
    return isinstance(reading.error, errors.NotSignedInError)


def trouble(reading: Reading[Any]) -> tuple[str, str]:
    """Return the reason why what is shown is not new, and what to do; two empty strings where it is."""
    if reading.error is not None:
        return refusals.sentence(reading.error), reading.error.advice
    if reading.slow:
        return "The platform is slow to answer.", "It is still being asked; this page goes on by itself."
    return "", ""


def away(reading: Reading[Any]) -> str:
    """Return why nothing can be done to the sessions at the moment, or nothing where it can."""
    if reading.error is None:
        return ""
    if signed_out(reading):
        return "Off until you have signed in again."
    return "Off until the platform answers."
