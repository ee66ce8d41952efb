"""The order of the list: what is under way first, or by the column that the address names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sessions_app.connections import Row
from sessions_app.views.groups import ACTIVE, Group, number_of, stem_of

Item = Row | Group
_STATES = ("running", "pending", "ending", "unknown", "failed", "completed", "gone")
_NEVER = datetime.max.replace(tzinfo=UTC)


def _cores(item: Item) -> float:
    used, asked = item.cores if isinstance(item, Group) else (item.cores_in_use, item.requested_cores)
    return used if used is not None else asked or 0.0


def _ram(item: Item) -> float:
    used, asked = item.ram if isinstance(item, Group) else (item.ram_in_use_gib, item.requested_ram_gib)
    return used if used is not None else asked or 0.0


def _name(item: Item) -> tuple[str, int, str]:
    """Order fit-2 before fit-10."""
    stem = item.stem if isinstance(item, Group) else stem_of(item.name) or item.name
    number = 0 if isinstance(item, Group) else number_of(item.name)
    return stem.lower(), number, item.name


_KEYS: dict[str, Callable[[Item], Any]] = {
    "name": _name,
    "kind": lambda item: item.kind,
    "state": lambda item: _STATES.index(item.state) if item.state in _STATES else len(_STATES),
    "image": lambda item: item.image.rpartition("/")[2],
    # The youngest have the smallest age.
    "age": lambda item: -item.began.timestamp(),
    "ends": lambda item: item.expires if item.expires and item.state in ACTIVE else _NEVER,
    "cores": _cores,
    "ram": _ram,
}
COLUMNS = frozenset(_KEYS)


def known(sort: str) -> str:
    """Return a column's name, with a minus for the other way round; nothing where there is no such column."""
    return sort if sort.removeprefix("-") in COLUMNS else ""


def ordered(items: Sequence[Item], sort: str) -> list[Item]:
    """Return the sessions in the order of that column; without one what is under way first, then the newest."""
    usual = sorted(items, key=lambda item: (item.state not in ACTIVE, -item.began.timestamp(), _name(item)))
    if not sort:
        return usual
    return sorted(usual, key=_KEYS[sort.removeprefix("-")], reverse=sort.startswith("-"))


def by_number(rows: Sequence[Row]) -> list[Item]:
    """Return the sessions of one group as they are numbered."""
    return sorted(rows, key=_name)
