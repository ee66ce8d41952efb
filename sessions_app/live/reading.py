"""The kept lines of a session for whoever asks by HTTP: the running feed's, else what the files hold."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from pathlib import Path

from django.conf import settings

from sessions_app.connections.redaction import redactor_of
from sessions_app.live.feeds import registry
from sessions_app.live.log_feed import LogFeed
from sessions_app.live.segments import NO_LINES, Stretch
from sessions_app.live.spool import Cursor, Extent, Kept, kept
from sessions_app.models import Record

# To open a spool is to read it once, and a search comes back for it many times.
MOST_OPEN = 16

Stamp = tuple[int, int, int]
_open: OrderedDict[Path, tuple[Stamp, Kept | None]] = OrderedDict()
_opening = threading.Lock()


async def kept_of(record: Record) -> Kept | None:
    """Return the record's kept lines as they are now; None where nothing is kept. Changes nothing."""
    feed = registry().feeds.get((record.pk, "log"))
    if isinstance(feed, LogFeed):
        found: Kept | None = feed.spool.snapshot()
    else:
        found = await asyncio.to_thread(_from_files, settings.DATA_DIR / "spool", record.slug)
    if found is not None:
        found.redactor = await redactor_of(record)
    return found


async def read(kept: Kept, epoch: int, first: int, to: int, budget: int) -> Stretch:
    """Return lines ``first`` to ``to`` of an epoch, as far as about ``budget`` bytes go; none if none are kept."""
    stretch = await asyncio.to_thread(read_now, kept, Cursor(epoch, first - 1), budget)
    return stretch.first(max(0, to - first + 1))


async def pieces_of(kept: Kept, extent: Extent, budget: int) -> AsyncIterator[Stretch]:
    """Yield the lines of an extent, piece by piece."""
    line = extent.first
    while line <= extent.last:
        stretch = await read(kept, extent.epoch, line, extent.last, budget)
        if not stretch:
            return
        yield stretch
        line += len(stretch)


def read_now(kept: Kept, cursor: Cursor, budget: int) -> Stretch:
    """Return lines behind the cursor; none when their file was dropped since."""
    try:
        return kept.without_ids(kept.read_after(cursor, budget))
    except FileNotFoundError:
        return NO_LINES


def _from_files(folder: Path, slug: str) -> Kept | None:
    path = folder / f"{slug}.json"
    try:
        said = path.stat()
    except OSError:
        return None
    stamp = (said.st_mtime_ns, said.st_ino, said.st_size)
    with _opening:
        known = _open.get(path)
        if known is not None and known[0] == stamp:
            _open.move_to_end(path)
            return known[1]
    found = kept(folder, slug)
    with _opening:
        _open[path] = (stamp, found)
        while len(_open) > MOST_OPEN:
            _open.popitem(last=False)
    return found
