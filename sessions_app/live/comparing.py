"""What is new in a text that can only be had whole.

The platform hands over the whole log again and again. Where we stopped is a *place*: how many bytes were
seen, the first few of them and the last few. Each re-read is held against it while it streams by. Position
decides, never the content of a line: a log may say the same a thousand times and mean it each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from tempfile import SpooledTemporaryFile
from typing import IO

HEAD = 4 * 1024
WINDOW = 64 * 1024
# A rotated text must still begin with at least this much of what was seen to be taken for the same text.
LEAST_OVERLAP = 256
# While it is open whether a text was rotated or begun anew, it waits in a file of at most this size.
SCRATCH = 64 * 1024 * 1024
PIECE = 64 * 1024


class Restarted(Enum):
    """Stands in the stream of news where another text begins."""

    RESTARTED = "restarted"


RESTARTED = Restarted.RESTARTED
News = bytes | Restarted


class Verdict(Enum):
    """How a re-read ended."""

    SAME = "same"
    NEWS = "news"
    # It ended before the place where we were: cut short by the platform, or begun anew with the same words.
    SHORT = "short"
    EMPTY = "empty"
    # The text changed behind its first bytes: it must be read once more, searching.
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are in a text."""

    seen: int = 0
    head: bytes = b""
    tail: bytes = b""

    def after(self, chunk: bytes, window: int = WINDOW) -> Place:
        """Return the place behind ``chunk``."""
        head = self.head if len(self.head) >= HEAD else (self.head + chunk[:HEAD])[:HEAD]
        tail = chunk[-window:] if len(chunk) >= window else (self.tail + chunk)[-window:]
        return Place(self.seen + len(chunk), head, tail)


class Comparison:
    """One re-read of the whole text, held against the place where we were."""

    def __init__(
        self,
        place: Place,
        *,
        searching: bool = False,
        window: int = WINDOW,
        least_overlap: int = LEAST_OVERLAP,
        scratch: int = SCRATCH,
    ) -> None:
        self._old = replace(place, tail=place.tail[-window:])
        self._window = window
        self._least_overlap = least_overlap
        self._most_scratch = scratch
        self._here = Place()
        self._searching = searching
        self._scratch: IO[bytes] | None = None
        self._taken = False
        self._changed = False
        if searching:
            self._open_scratch()

    @property
    def place(self) -> Place:
        """Where we are now: behind what was handed out, or where we were if nothing was."""
        return self._here if self._taken else self._old

    def feed(self, chunk: bytes) -> Iterator[News]:
        """Take the next bytes of the re-read; yield those that are new, and where a new text begins."""
        if self._changed:
            return
        before = self._here.seen
        self._here = self._here.after(chunk, self._window)
        if self._searching:
            yield from self._search(chunk)
        elif before >= self._old.seen:
            yield from self._take(chunk)
        elif self._agrees(chunk, before):
            yield from self._take(chunk[self._old.seen - before :])
        elif before <= len(self._old.head):
            # Everything before this chunk was equal to the head that is kept, so nothing is lost for the
            # search.
            self._searching = True
            self._open_scratch().write(self._old.head[:before])
            yield from self._search(chunk)
        else:
            self._changed = True

    def finish(self) -> Iterator[News]:
        """End the re-read: settle what is still open."""
        if self._scratch is not None:
            yield from self._settle()

    def verdict(self) -> Verdict:
        """Say how it ended; asked after ``finish``."""
        if self._changed:
            return Verdict.AGAIN
        if self._old.seen and not self._here.seen:
            return Verdict.EMPTY
        if self._here.seen < self._old.seen and not self._searching:
            return Verdict.SHORT
        return Verdict.NEWS if self._taken else Verdict.SAME

    def close(self) -> None:
        """Let go of the scratch file."""
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def _take(self, fresh: bytes) -> Iterator[News]:
        if fresh:
            self._taken = True
            yield fresh

    def _agrees(self, chunk: bytes, at: int) -> bool:
        """Whether the chunk, which begins at ``at``, repeats what is kept of the text seen before."""
        old = self._old
        return _same(chunk, at, old.head, 0) and _same(chunk, at, old.tail, old.seen - len(old.tail))

    def _search(self, chunk: bytes) -> Iterator[News]:
        if self._scratch is None:
            yield from self._take(chunk)
            return
        self._scratch.write(chunk)
        # Text is only ever dropped from its beginning, so what we know cannot come later than it did.
        if self._here.seen >= min(self._old.seen, self._most_scratch):
            yield from self._settle()

    def _settle(self) -> Iterator[News]:
        assert self._scratch is not None
        start = self._find_start(self._scratch)
        if not self._here.seen:
            self.close()
            return
        # Even when all of it is known, the place is now counted in the new text.
        self._taken = True
        if start is None:
            yield RESTARTED
        self._scratch.seek(start or 0)
        while piece := self._scratch.read(PIECE):
            yield piece
        self.close()

    def _find_start(self, scratch: IO[bytes]) -> int | None:
        """Return where the unknown begins in a rotated text; None if nothing of it is known."""
        tail, old = self._old.tail, self._old
        if not tail:
            return 0
        at = last_occurrence(scratch, tail, old.seen - len(tail))
        if at is not None:
            return at + len(tail)
        scratch.seek(0)
        return overlap(tail, scratch.read(len(tail)), self._least_overlap)

    def _open_scratch(self) -> IO[bytes]:
        self._scratch = SpooledTemporaryFile(max_size=1024 * 1024)  # noqa: SIM115 - closed by `close`
        return self._scratch


def _same(chunk: bytes, at: int, kept: bytes, kept_at: int) -> bool:
    """Whether two stretches of one text are equal where they lie over each other."""
    low, high = max(at, kept_at), min(at + len(chunk), kept_at + len(kept))
    return low >= high or chunk[low - at : high - at] == kept[low - kept_at : high - kept_at]


def last_occurrence(file: IO[bytes], wanted: bytes, latest: int) -> int | None:
    """Return where ``wanted`` begins last in ``file``, not behind ``latest``.

    Searched from behind, reversed: Python's forward search is linear even in text made to be slow, `rfind` is
    not.
    """
    backwards = wanted[::-1]
    file.seek(0, 2)
    end = min(file.tell(), latest + len(wanted))
    step = max(4 * len(wanted), PIECE)
    while end >= len(wanted):
        begin = max(0, end - step)
        file.seek(begin)
        found = file.read(end - begin)[::-1].find(backwards)
        if found >= 0:
            return end - found - len(wanted)
        if begin == 0:
            return None
        end = begin + len(wanted) - 1
    return None


def overlap(tail: bytes, text: bytes, least: int) -> int | None:
    """Return how long the longest end of ``tail`` is that ``text`` begins with, if at least ``least``."""
    least = max(1, least)
    longest = min(len(tail), len(text))
    if longest < least or text[:least] not in tail:
        return None
    # The border of `text + separator + tail`, in one linear pass (Knuth, Morris and Pratt).
    joined = [*text[:longest], -1, *tail[-longest:]]
    borders = [0] * len(joined)
    for index in range(1, len(joined)):
        length = borders[index - 1]
        while length and joined[index] != joined[length]:
            length = borders[length - 1]
        borders[index] = length + (joined[index] == joined[length])
    return borders[-1] if borders[-1] >= least else None
