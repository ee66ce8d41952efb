"""The columns of the list; each head is a link that sorts by it."""

from __future__ import annotations

from dataclasses import dataclass

from sessions_app.views.listing import Filter

# What it is called, how it is first sorted, and how wide it may be (the name of its style).
COLUMNS = (
    ("Name", "name", "name"),
    ("Kind", "kind", "kind"),
    ("State", "state", "state"),
    ("Image", "image", "image"),
    ("Age", "age", "age"),
    ("Ends", "ends", "ends"),
    ("Cores", "-cores", "number"),
    ("RAM GiB", "-ram", "number"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """One head of the table."""

    title: str
    style: str
    address: str
    # As aria-sort says it; nothing where the list is in another order.
    direction: str


def columns(wanted: Filter) -> list[Column]:
    """Return the heads; a second press turns the order round, a third gives the usual one back."""
    return [
        Column(
            title,
            style,
            wanted.address(sort=_next(wanted.sort, first), page=1),
            _direction(wanted.sort, first),
        )
        for title, first, style in COLUMNS
    ]


def _next(now: str, first: str) -> str:
    turned = first.removeprefix("-") if first.startswith("-") else f"-{first}"
    return {first: turned, turned: ""}.get(now, first)


def _direction(now: str, first: str) -> str:
    if now.removeprefix("-") != first.removeprefix("-"):
        return ""
    return "descending" if now.startswith("-") else "ascending"
