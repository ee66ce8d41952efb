"""The platform's table of events, read line by line.

A row has the columns TYPE REASON MESSAGE FIRST-TIME LAST-TIME, padded with blanks to the header's offsets. A message
may itself hold runs of blanks and even line breaks, so a row is recognised by its first two columns standing where
the header says, its times are taken from its end, and any other line continues the message before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from .quantities import PLACEHOLDERS, is_time, moment
from .texts import plain

MOST_ROWS = 10_000
LONGEST_MESSAGE = 4000
_WORD = re.compile(r"\S+")


@dataclass(slots=True)
class RawRow:
    """A row as it was written, its message still in lines."""

    type: str
    reason: str
    message: list[str] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None

    @property
    def text(self) -> str:
        """Return the message, line breaks kept."""
        lines = (plain(line, LONGEST_MESSAGE) for line in self.message)
        return "\n".join(line for line in lines if line)[:LONGEST_MESSAGE]


def rows(table: str) -> Iterator[RawRow]:
    """Yield the rows of a table."""
    lines = [line for line in table.splitlines() if line.strip()]
    offset = _reason_offset(lines[0]) if lines else None
    row: RawRow | None = None
    for line in lines[1 if offset is not None else 0 :][:MOST_ROWS]:
        if line.strip().lower() in PLACEHOLDERS:
            continue
        started = _started(line, offset)
        if started is None and row is None:
            continue
        if started is not None:
            if row is not None:
                yield row
            row, line = started
        assert row is not None
        _add(row, line)
    if row is not None:
        yield row


def _reason_offset(header: str) -> int | None:
    """Return where the second column begins, if this is a header."""
    words = list(_WORD.finditer(header))
    names = [word[0].upper() for word in words]
    return words[1].start() if names[:3] == ["TYPE", "REASON", "MESSAGE"] else None


def _started(line: str, offset: int | None) -> tuple[RawRow, str] | None:
    """Return a new row and the rest of its line, if a row begins here."""
    kind = _WORD.match(line)
    reason = _WORD.search(line, kind.end()) if kind else None
    if kind is None or reason is None or reason.start() - kind.end() < 2:
        return None
    if offset is not None and reason.start() != offset:
        return None
    rest = line[reason.end() :]
    # A second column is followed by more than one blank, or by nothing.
    if rest and not rest.startswith("  "):
        return None
    return RawRow(plain(kind[0], 60), plain(reason[0], 100)), rest


def _add(row: RawRow, line: str) -> None:
    """Take a piece of message into the row, and the times if they stand at its end."""
    parts = line.rsplit(None, 2)
    if len(parts) >= 2 and _is_time(parts[-1]) and _is_time(parts[-2]):
        row.first, row.last = moment(parts[-2]), moment(parts[-1])
        line = parts[0] if len(parts) == 3 else ""
    row.message.append(line.strip())


def _is_time(word: str) -> bool:
    return is_time(word) or (word.startswith("<") and word.lower() in PLACEHOLDERS)
