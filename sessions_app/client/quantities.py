"""Numbers, sizes and times in every spelling that platforms have used. What is not understood is None."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

GIB_IN_GB = 1.073741824
# Placeholders, which no person, session or image is called.
PLACEHOLDERS = frozenset({"", "<none>", "<nil>", "<null>", "<unset>", "<unknown>", "not-applicable"})
# Older platforms write these where they mean nothing; where anything may be written they may be names.
NOTHING = PLACEHOLDERS | {"none", "null"}

# What is beyond these is a mistake somewhere: whole platforms have less.
MOST_CORES = 1e6
MOST_GB = 1e8
MOST_WHOLE = 10**6
# A bare number of memory is in gigabytes, as the platform writes it, or else in bytes, as Kubernetes does.
LEAST_BARE_BYTES = 1e5
EARLIEST_YEAR, LATEST_YEAR = 2000, 2100

# Kubernetes' grammar of a quantity, with blanks before the unit, and with the decimal comma of some formatters.
_NUMBER = re.compile(
    r"\+?([0-9]{1,30}(?:\.[0-9]{0,30}|,[0-9]{1,2})?|\.[0-9]{1,30})(?:[eE]([+-]?[0-9]{1,3})|\s{0,4}([A-Za-z]{0,3}))"
)
_UNITS = {
    "": 1.0,
    **{unit: 10.0**power for unit, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)},
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)},
}
# Sizes as people and older platforms write them, in small letters. A lone small m stays a thousandth, as above.
_SIZES = {
    "b": "B",
    **{letter: letter.upper() for letter in "gtp"},
    "k": "k",
    "kb": "k",
    **{f"{letter}b": letter.upper() for letter in "mgtpe"},
    **{f"{letter}i{end}": f"{letter.upper()}i" for letter in "kmgtpe" for end in ("", "b")},
}
_BYTES = {**_UNITS, "B": 1.0}


def cores(raw: Any) -> float | None:
    """Return a number of cores.

    >>> cores("0.500"), cores("3456789123n"), cores("<none>")
    (0.5, 3.456789123, None)
    """
    number, unit = _read(raw, {})
    return None if number is None else _plausible(number * _UNITS[unit], MOST_CORES)


def gigabytes(raw: Any) -> float | None:
    """Return a size in decimal gigabytes; a bare number is taken as such, or as bytes if it is too large for that.

    >>> gigabytes("8.59"), gigabytes("1024.5G"), gigabytes("101M"), gigabytes("8589934592000m")
    (8.59, 1024.5, 0.101, 8.589934592)
    """
    number, unit = _read(raw, _SIZES)
    if number is None:
        return None
    if unit == "" and number < LEAST_BARE_BYTES:
        return _plausible(number, MOST_GB)
    size = number * _BYTES[unit]
    # Less than a byte is none.
    return _plausible(size / 1e9, MOST_GB) if size == 0 or size >= 1 else None


def largest_gib(raw: Any) -> float | None:
    """Return how much memory the largest session has, in GiB: that is what is meant whether G, Gi or nothing is said.

    >>> largest_gib("192G"), largest_gib("192Gi"), largest_gib("2048Mi")
    (192.0, 192.0, 2.0)
    """
    number, unit = _read(raw, _SIZES)
    if number is not None and unit in {"", "G", "Gi"} and number < LEAST_BARE_BYTES:
        return number
    size = gigabytes(raw)
    return None if size is None else size / GIB_IN_GB


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
    number, unit = _read(raw, {})
    if number is None or unit or not number.is_integer() or number > MOST_WHOLE:
        return None
    return int(number)


def moment(raw: Any) -> datetime | None:
    """Return an ISO-8601 time in UTC, with seconds or without; one of another age stands for none.

    >>> moment("2025-04-10T15:45Z").isoformat()
    '2025-04-10T15:45:00+00:00'
    >>> moment("0001-01-01T00:00:00Z")
    """
    found = _time(raw)
    try:
        found = found.astimezone(UTC) if found else None
    except OverflowError:
        return None
    return found if found and EARLIEST_YEAR <= found.year <= LATEST_YEAR else None


def is_time(raw: Any) -> bool:
    """Whether this is written as a time, also when it cannot be meant.

    >>> is_time("0001-01-01T00:00:00Z"), is_time("soon")
    (True, False)
    """
    return _time(raw) is not None


def _time(raw: Any) -> datetime | None:
    if not isinstance(raw, str) or not 16 <= len(raw) <= 40 or not raw.isascii():
        return None
    try:
        found = datetime.fromisoformat(raw)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _read(raw: Any, spellings: Mapping[str, str]) -> tuple[float | None, str]:
    """Return a number and its unit, which ``spellings`` may know by other letters; no number for what is none."""
    if isinstance(raw, str):
        return _spelled(raw, spellings)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None, ""
    try:
        return _sound(float(raw)), ""
    except OverflowError:
        return None, ""


def _spelled(raw: str, spellings: Mapping[str, str]) -> tuple[float | None, str]:
    read = _NUMBER.fullmatch(raw.strip())
    if read is None:
        return None, ""
    given = read[3] or ""
    unit = given if given in _UNITS else spellings.get(given.lower())
    if unit is None:
        return None, ""
    return _sound(float(f"{read[1].replace(',', '.')}e{read[2] or 0}")), unit


def _plausible(number: float | None, most: float) -> float | None:
    return number if number is not None and number <= most else None


def _sound(number: float) -> float | None:
    return number if math.isfinite(number) and number >= 0 else None
