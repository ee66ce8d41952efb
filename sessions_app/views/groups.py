"""A launch of many is one row until it is opened: batch sessions that were launched together, or are numbered alike."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sessions_app.connections import Row

_NUMBERED = re.compile(r"(.+)-(\d{1,9})")
# The order in which a group's states are told and drawn.
ORDER = ("completed", "running", "pending", "ending", "failed", "unknown", "gone")
ACTIVE = frozenset({"pending", "running", "ending"})


@dataclass(frozen=True, slots=True)
class GroupFace:
    """What of a group its line shows, but for times. It is kept with the line's markup, so no session is in it."""

    key: str
    name: str
    kind: str
    image: str
    state: str
    size: int
    counts: tuple[tuple[str, int, int], ...]
    # In use and asked for, together, at the precision in which it is shown; memory in GiB.
    cores: tuple[float | None, float | None]
    ram: tuple[float | None, float | None]


@dataclass(frozen=True)
class Group:
    """Several sessions of one launch, shown as one."""

    key: str
    stem: str
    rows: tuple[Row, ...]

    @cached_property
    def name(self) -> str:
        """What it is called: “fit-1…40”."""
        numbers = sorted(number_of(row.name) for row in self.rows)
        return f"{self.stem}-{numbers[0]}…{numbers[-1]}"

    @cached_property
    def counts(self) -> list[tuple[str, int, int]]:
        """Each state with how many are in it, and how many come before them in the bar."""
        counted, found, before = Counter(row.state for row in self.rows), [], 0
        for state in ORDER:
            if counted[state]:
                found.append((state, counted[state], before))
                before += counted[state]
        return found

    @cached_property
    def state(self) -> str:
        """What it counts as among single sessions: it is active while any of it is."""
        states = {row.state for row in self.rows}
        return next(
            (state for state in ("running", "pending", "ending", "failed") if state in states), "completed"
        )

    @cached_property
    def kind(self) -> str:
        """The kind of all of them."""
        return self.rows[0].kind

    @cached_property
    def image(self) -> str:
        """The image of the first; what was launched together has one."""
        return self.rows[0].image

    @cached_property
    def began(self) -> datetime:
        """When the first of them began."""
        return min(row.began for row in self.rows)

    @cached_property
    def expires(self) -> datetime | None:
        """When the first of those that are still there ends."""
        return min((row.expires for row in self.rows if row.expires and row.state in ACTIVE), default=None)

    @cached_property
    def ended(self) -> datetime | None:
        """When the last of them ended, once all have."""
        if any(row.state in ACTIVE for row in self.rows):
            return None
        return max((row.ended for row in self.rows if row.ended), default=None)

    @cached_property
    def cores(self) -> tuple[float | None, float | None]:
        """The cores in use and asked for, together."""
        return _total(row.cores_in_use for row in self.rows), _total(row.requested_cores for row in self.rows)

    @cached_property
    def ram(self) -> tuple[float | None, float | None]:
        """The memory in use and asked for, together, in GiB."""
        return _total(row.ram_in_use_gib for row in self.rows), _total(
            row.requested_ram_gib for row in self.rows
        )

    @cached_property
    def face(self) -> GroupFace:
        """What its line shows of it."""
        return GroupFace(
            key=self.key,
            name=self.name,
            kind=self.kind,
            image=self.image,
            state=self.state,
            size=len(self.rows),
            counts=tuple(self.counts),
            cores=(_rounded(self.cores[0]), _rounded(self.cores[1])),
            ram=(_rounded(self.ram[0]), _rounded(self.ram[1])),
        )


def _total(amounts: Iterable[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _rounded(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 1)


def stem_of(name: str) -> str:
    """Return what a numbered name begins with, or nothing.

    >>> stem_of("fit-m31-12"), stem_of("fit")
    ('fit-m31', '')
    """
    found = _NUMBERED.fullmatch(name)
    return found[1] if found else ""


def number_of(name: str) -> int:
    """Return the number at the end of a name; 0 where there is none."""
    found = _NUMBERED.fullmatch(name)
    return int(found[2]) if found else 0


def keys_of(row: Row) -> frozenset[str]:
    """Return what a session's group can be called in an address: its stem, alone or with where it came from."""
    stem = stem_of(row.name)
    return frozenset({stem, f"{stem}~{_origin(row)}"}) if _groups(row) else frozenset()


def belongs(row: Row, key: str) -> bool:
    """Say whether a session is of the group that an address names."""
    return key in keys_of(row)


def folded(rows: Sequence[Row]) -> list[Row | Group]:
    """Return the rows with those that belong together as one, where the first of them stood."""
    members: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if _groups(row):
            members[_identity(row)].append(row)
    stems = Counter(stem for (stem, _), found in members.items() if len(found) > 1)
    shown: list[Row | Group] = []
    for row in rows:
        group = members.get(_identity(row), []) if _groups(row) else []
        if len(group) < 2:
            shown.append(row)
        elif group[0] is row:
            stem = stem_of(row.name)
            # What is done to one of two groups of that name must not be done to the other.
            key = f"{stem}~{_origin(row)}" if stems[stem] > 1 else stem
            shown.append(Group(key, stem, tuple(sorted(group, key=lambda each: number_of(each.name)))))
    return shown


def _groups(row: Row) -> bool:
    return (row.kind == "headless" or bool(row.launch)) and bool(stem_of(row.name))


def _identity(row: Row) -> tuple[str, str]:
    return stem_of(row.name), _origin(row)


def _origin(row: Row) -> str:
    """Return what tells its group from others of that stem: its launch, or its image if it was launched elsewhere."""
    return row.launch or f"of-{hashlib.blake2b(row.image.encode(), digest_size=6).hexdigest()}"
