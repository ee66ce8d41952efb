"""Numbers, sizes and times in every spelling that platforms have used. What is not understood is None."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

GIB_IN_GB = 1.073741824
# Older platforms write these where they mean nothing.
NOTHING = frozenset({"", "<none>", "<nil>", "none", "null", "not-applicable", "<unset>", "<unknown>"})

_NUMBER = re.compile(r"([0-9]{1,30}(?:\.[0-9]{0,30})?)\s{0,4}([A-Za-z]{0,3})")
_CORE_UNITS = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_GB_UNITS = {
    "": 1.0,
    "b": 1e-9,
    "k": 1e-6,
    "m": 1e-3,
    "g": 1.0,
    "t": 1e3,
    "ki": 1024 / 1e9,
    "mi": 1024**2 / 1e9,
    "gi": GIB_IN_GB,
    "ti": 1024**4 / 1e9,
}


def cores(raw: Any) -> float | None:
    """Return a number of cores.

    >>> cores("0.500"), cores("3456789123n"), cores("<none>")
    (0.5, 3.456789123, None)
    """
    return _measured(raw, _CORE_UNITS, fold=False)


def gigabytes(raw: Any) -> float | None:
    """Return a size in decimal gigabytes; a bare number is taken as such.

    >>> gigabytes("8.59"), gigabytes("1024.5G"), gigabytes("101M")
    (8.59, 1024.5, 0.101)
    """
    return _measured(raw, _GB_UNITS, fold=True)


def whole_gib(gb: float | None) -> int | None:
    """Return how many GiB were asked for, if the decimal gigabytes are that number, rounded.

    >>> whole_gib(8.59), whole_gib(8.7)
    (8, None)
    """
    if gb is None:
        return None
    gib = round(gb / GIB_IN_GB)
    return gib if abs(gib * GIB_IN_GB - gb) <= 0.0051 else None


def whole(raw: Any) -> int | None:
    """Return a whole number from 0 up, given as a number or as its text.

    >>> whole("5"), whole(2.0), whole(True)
    (5, 2, None)
    """
    number = _measured(raw, {"": 1.0}, fold=False)
    return int(number) if number is not None and number.is_integer() and number < 2**53 else None


def moment(raw: Any) -> datetime | None:
    """Return an ISO-8601 time in UTC, with seconds or without.

    >>> moment("2025-04-10T15:45Z").isoformat()
    '2025-04-10T15:45:00+00:00'
    """
    if not isinstance(raw, str) or not 16 <= len(raw) <= 40 or not raw.isascii():
        return None
    try:
        found = datetime.fromisoformat(raw)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _measured(raw: Any, units: dict[str, float], *, fold: bool) -> float | None:
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int | float):
        return _sound(raw)
    if not isinstance(raw, str):
        return None
    read = _NUMBER.fullmatch(raw.strip())
    if read is None:
        return None
    factor = units.get(read[2].lower() if fold else read[2])
    return None if factor is None else _sound(float(read[1]) * factor)


def _sound(number: float) -> float | None:
    try:
        found = float(number)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None
