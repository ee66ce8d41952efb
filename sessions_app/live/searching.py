"""Search the kept lines of a log, in steps that are bounded in bytes, hits and time, whatever is searched for.

Patterns are RE2's, which takes time in proportion to the text; a large pattern takes more for each character, so
its size is bounded as well.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import re2

from sessions_app.live.escapes import visible
from sessions_app.live.reading import read_now
from sessions_app.live.spool import Cursor, Extent, Kept

LONGEST_QUERY = 500
# The memory of one compiled pattern, in bytes, and how many instructions it may have: a repetition of
# repetitions has more than any question of a person, and takes as much longer.
PATTERN_MEMORY = 8 * 1024 * 1024
LARGEST_PROGRAM = 10_000
MOST_RANGES = 50
# What one step searches at most and answers at most, in bytes, and how long it takes, in seconds.
STEP = 4 * 1024 * 1024
MOST_HITS = 500
MOST_HIT_BYTES = 1024 * 1024
STEP_TIME = 1.0
PIECE = 256 * 1024
# What is written with letters in a pattern and stands for others: classes, anchors, codes, names and flags.
_NO_LETTERS = re.compile(
    r"\\[pP]\{[^}]*\}?|\\[pP].?|\\x\{[^}]*\}?|\\x[0-9A-Fa-f]{0,2}|\\.|\(\?P?<[^>]*>|\(\?[a-zA-Z-]+(?=[:)])|\[:\^?\w+:\]"
)


class QueryError(Exception):
    """This cannot be searched for; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line in which something was found: its number, where, the line as it is kept, its arrival and how it begins."""

    line: int
    ranges: list[list[int]]
    text: str
    second: int
    look: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step found, and how far it came."""

    hits: list[Hit]
    upto: int
    end: bool


class Query:
    """What is searched for."""

    def __init__(self, text: str, *, regex: bool = False, case: bool | None = None) -> None:
        """Take a plain text or a pattern; without ``case`` it tells upper case from lower if it has any upper.

        Raises ``QueryError`` for what is too long, and for a pattern that RE2 refuses.
        """
        if len(text) > LONGEST_QUERY:
            raise QueryError(f"This is too long to search for: {LONGEST_QUERY} characters at most.")
        letters = _NO_LETTERS.sub("", text) if regex else text
        sensitive = any(letter.isupper() for letter in letters) if case is None else case
        self.empty = not text
        self._pattern = _compiled(text if regex else re2.escape(text), sensitive)

    def ranges(self, text: str) -> list[list[int]]:
        """Return where it is found in a text: start and end in UTF-16 units, without the empty ones."""
        # Most lines have nothing; for them no offset needs to be counted.
        if self._pattern.search(text.encode(errors="replace")) is None:
            return []
        spans = (found.span() for found in self._pattern.finditer(text))
        found = list(islice((span for span in spans if span[0] < span[1]), MOST_RANGES))
        return [[_units(text, start), _units(text, end)] for start, end in found]


def _compiled(pattern: str, sensitive: bool) -> Any:
    options = re2.Options()
    options.max_mem = PATTERN_MEMORY
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = sensitive
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "it is not understood"
        raise QueryError(f"This pattern cannot be searched for: {reason}.") from error
    except UnicodeEncodeError as error:
        raise QueryError("This cannot be searched for: it holds half a character.") from error
    finally:
        # It would keep 128 patterns, each with its memory.
        re2.purge()
    if max(compiled.programsize, compiled.reverseprogramsize) > LARGEST_PROGRAM:
        raise QueryError("This pattern cannot be searched for: its repetitions make it too large.")
    return compiled


def _units(text: str, offset: int) -> int:
    """Return an offset in UTF-16 units, as browsers count."""
    before = text[:offset]
    return offset if before.isascii() else len(before.encode("utf-16-le", errors="replace")) // 2


def search(kept: Kept, extent: Extent, after: int, query: Query) -> Step:
    """Search behind line ``after`` as far as one step goes. Takes time, so not for the event loop."""
    if query.empty:
        return Step([], extent.last, end=True)
    deadline = time.monotonic() + STEP_TIME
    hits: list[Hit] = []
    upto, searched, answered = max(after, extent.first - 1), 0, 0
    for number, text, second, look in _lines(kept, extent, upto):
        ranges = query.ranges(visible(text))
        if ranges:
            hits.append(Hit(number, ranges, text, second, look))
            answered += len(text)
        upto, searched = number, searched + len(text) + 1
        full = len(hits) >= MOST_HITS or answered >= MOST_HIT_BYTES or searched >= STEP
        if full or time.monotonic() > deadline:
            break
    return Step(hits, upto, end=upto >= extent.last)


def _lines(kept: Kept, extent: Extent, after: int) -> Iterator[tuple[int, str, int, str]]:
    while after < extent.last:
        stretch = read_now(kept, Cursor(extent.epoch, after), PIECE).first(extent.last - after)
        if not stretch:
            return
        for index, (text, second) in enumerate(zip(stretch.lines, stretch.seconds, strict=True)):
            after += 1
            yield after, text, second, stretch.look(index)
