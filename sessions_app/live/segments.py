"""Files of consecutive lines, each with the second of its arrival before it, and how it looks where it begins.

That stands between two returns, of which no line has any, and only where it says something: most lines begin plain.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

BLOCK = 64 * 1024
# How many digits the second of a line's arrival takes; enough until the year 2106.
STAMP = 8
LATEST_SECOND = 16**STAMP - 1
_LOOK = re.compile(r"\r([0-9;]*)\r")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive lines, the UNIX second at which each was taken, and the look with which each begins (`looks.py`)."""

    lines: list[str]
    seconds: list[int]
    # None at all where every line begins plain.
    looks: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.lines)

    def first(self, count: int) -> Stretch:
        """Return its first lines."""
        if count >= len(self):
            return self
        return Stretch(self.lines[:count], self.seconds[:count], self.looks[:count])

    def look(self, index: int) -> str:
        """Return the look with which a line begins."""
        return self.looks[index] if self.looks else ""

    def runs(self) -> list[list[int]]:
        """Return the seconds as runs ``[index, second]``: the line of that index and those behind it."""
        return _runs(self.seconds)

    def look_runs(self) -> list[list[Any]]:
        """Return the looks as runs ``[index, look]``; before the first of them the lines begin plain."""
        return _runs(self.looks, "")


def _runs(values: Sequence[Any], before: Any = None) -> list[list[Any]]:
    return [
        [index, value]
        for index, value in enumerate(values)
        if value != (values[index - 1] if index else before)
    ]


NO_LINES = Stretch([], [])


@dataclass(slots=True)
class Segment:
    """One file of consecutive lines of one epoch."""

    path: Path
    epoch: int
    first: int
    count: int = 0
    size: int = 0
    # How many newlines stand before each block of the file: finds a line without an index of all lines.
    newlines: list[int] = field(default_factory=lambda: [0])

    @property
    def last(self) -> int:
        """The number of its last line; one less than its first when it is empty."""
        return self.first + self.count - 1

    def append(self, data: bytes, count: int) -> None:
        """Write whole lines at its end."""
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600), "r+b") as file:
            file.seek(self.size)
            file.write(data)
        self._count_blocks(data)
        self.count += count
        self.size += len(data)

    def recover(self) -> bool:
        """Bring the file back to what the state says; false if it holds less than that."""
        if not self.scan():
            return False
        try:
            if self.path.stat().st_size > self.size:
                os.truncate(self.path, self.size)
        except OSError:
            return False
        return True

    def scan(self) -> bool:
        """Learn where the lines of the file are, as far as the state says; false if it holds less than that."""
        size, self.size, self.newlines = self.size, 0, [0]
        try:
            with self.path.open("rb") as file:
                while block := file.read(min(BLOCK, size - self.size)):
                    self._count_blocks(block)
                    self.size += len(block)
        except OSError:
            return False
        return self.size == size and self.newlines[-1] == self.count

    def copy(self) -> Segment:
        """Return the segment as it is now, for a reader beside the one who writes."""
        return replace(self, newlines=self.newlines.copy())

    def read(self, line: int, budget: int) -> Stretch:
        """Return lines from number ``line`` on, at least one, at most about ``budget`` bytes."""
        skip = line - self.first
        block = max(0, bisect_left(self.newlines, skip) - 1) if skip else 0
        with self.path.open("rb") as file:
            file.seek(block * BLOCK)
            data = _behind_newlines(file, skip - self.newlines[block], budget, self.size - block * BLOCK)
        return _taken_apart(data.decode())

    def _count_blocks(self, data: bytes) -> None:
        """Keep count of the newlines before each block, for data about to stand at the end."""
        at, total = 0, self.newlines.pop()
        while at < len(data):
            room = BLOCK - (self.size + at) % BLOCK
            if room == BLOCK:
                self.newlines.append(total)
            total += data.count(b"\n", at, at + room)
            at += room
        self.newlines.append(total)


def written(lines: list[str], second: int, looks: Sequence[str] = ()) -> str:
    """Return lines as they are stored."""
    stamp = f"{second:0{STAMP}x}"
    if not any(looks):
        stored = "".join(f"{stamp}{line}\n" for line in lines)
        if "\r" not in stored:
            return stored
        looks = [""] * len(lines)
    marks = (
        f"\r{look}\r" if look or line[:1] == "\r" else "" for look, line in zip(looks, lines, strict=True)
    )
    return "".join(f"{stamp}{mark}{line}\n" for mark, line in zip(marks, lines, strict=True))


def _taken_apart(stored: str) -> Stretch:
    """Return the lines that are stored so."""
    whole = stored.split("\n")[:-1]
    lines, seconds = [each[STAMP:] for each in whole], [int(each[:STAMP], 16) for each in whole]
    if "\r" not in stored:
        return Stretch(lines, seconds)
    marks = [_LOOK.match(line) for line in lines]
    looks = [mark[1] if mark else "" for mark in marks]
    return Stretch(
        [line[mark.end() :] if mark else line for line, mark in zip(lines, marks, strict=True)],
        seconds,
        looks,
    )


def _behind_newlines(file: IO[bytes], skip: int, budget: int, available: int) -> bytes:
    """Return whole lines behind ``skip`` newlines, about ``budget`` bytes of them but one line at least."""
    found = b""
    while available > 0:
        block = file.read(min(BLOCK, available))
        available -= len(block)
        at = 0
        while skip and (newline := block.find(b"\n", at)) >= 0:
            at, skip = newline + 1, skip - 1
        if skip:
            continue
        found += block[at:]
        end = found.rfind(b"\n", 0, budget) if len(found) >= budget or available <= 0 else -1
        if end < 0 and len(found) >= budget:
            end = found.find(b"\n")
        if end >= 0:
            return found[: end + 1]
    return found
