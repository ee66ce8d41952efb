"""What happened to a session, as rows and as the table that the API shows (contract 5.2)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

NORMAL, WARNING = "Normal", "Warning"
HEADER = ("TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME")


@dataclass(slots=True)
class Event:
    """One thing that happened, or kept happening."""

    session: str
    number: int
    type: str
    reason: str
    message: str
    first: float
    last: float


def moment(at: float) -> str:
    """Write a time as RFC 3339 in whole seconds."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def one_line(text: str) -> str:
    """Keep a message on one row and in one column: readers split at runs of spaces."""
    return re.sub(r"\s+", " ", text).strip()[:500] or "-"


def table(events: list[Event]) -> str:
    """Draw the events as padded columns, as kubectl does."""
    if not events:
        return "<none>\n"
    rows = [HEADER, *((e.type, e.reason, e.message, moment(e.first), moment(e.last)) for e in events)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines) + "\n"
