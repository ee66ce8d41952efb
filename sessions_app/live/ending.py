"""How a log ends, as its viewer shows it."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice

from sessions_app.client import errors
from sessions_app.connections import Connection
from sessions_app.live import looks
from sessions_app.live.bodies import SHOWN
from sessions_app.live.lines import Liner
from sessions_app.live.reading import kept_of, read
from sessions_app.models import Record

# How much of a log is read for its last lines, and how long that may take in seconds.
MOST_READ = 64 * 1024 * 1024
PATIENCE = 3.0
PIECE = 256 * 1024

# What is seen of a line, as runs of equal look with their classes.
Runs = list[tuple[str, str]]


async def last_lines(connection: Connection, record: Record, count: int) -> list[Runs]:
    """Return the last lines of a session's log: as the platform has it now, else as it is kept; none if neither.

    Those at the end in which nothing is seen are left out.
    """
    lines = await _from_platform(connection, record, count)
    if lines is None:
        lines = await _from_what_is_kept(record, count)
    shown = [looks.runs(line[:SHOWN], look) for line, look in lines]
    while shown and not "".join(text for text, _ in shown[-1]).strip():
        shown.pop()
    return shown


async def _from_platform(connection: Connection, record: Record, count: int) -> list[tuple[str, str]] | None:
    liner, lines, size = Liner(connection.redactor), _Last(count), 0
    try:
        async with asyncio.timeout(PATIENCE), connection.stream_log(record, MOST_READ) as pieces:
            async for piece in pieces:
                lines.take(liner.feed(piece))
                size += len(piece)
                # A long text that is here already must not keep the loop from everybody else.
                await asyncio.sleep(0)
    except (errors.PlatformError, TimeoutError):
        return None
    lines.take(liner.finish())
    # What is longer was not read to its end.
    return list(lines.kept) if lines.kept and size < MOST_READ else None


class _Last:
    """The last lines of those that came, with the look with which each begins."""

    def __init__(self, count: int) -> None:
        self.kept = deque[tuple[str, str]](maxlen=count)
        self._look = ""

    def take(self, lines: list[str]) -> None:
        begun, self._look = looks.over(self._look, lines)
        self.kept.extend(zip(lines, begun, strict=True))


async def _from_what_is_kept(record: Record, count: int) -> list[tuple[str, str]]:
    kept = await kept_of(record)
    if kept is None or not kept.extents:
        return []
    newest = kept.extents[-1]
    found: list[tuple[str, str]] = []
    line = max(newest.first, newest.last - count + 1)
    while line <= newest.last:
        stretch = await read(kept, newest.epoch, line, newest.last, PIECE)
        if not stretch:
            break
        found += ((text, stretch.look(index)) for index, text in enumerate(stretch.lines))
        line += len(stretch)
    return list(islice(found, count))
