"""Numbered lines of one log on disk, capped, with what is needed to go on after a restart.

Lines are numbered from 1 within an *epoch*; a log that began anew is a new epoch. They lie in segments, files
that are only appended to and dropped whole, oldest first. A small state file says how much of them counts and
where in the platform's text they end; it is replaced in one step after the lines were written, so that a
process killed in between repeats the same work with the same numbers.
"""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

CAP = 64 * 1024 * 1024
SEGMENTS = 8
# Epochs that follow each other quickly make small segments; their number is bounded as well.
MOST_SEGMENTS = 64
BLOCK = 64 * 1024
# What most viewers ask for next is kept in memory, up to this many characters.
RECENT = 256 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The last line that a viewer has: its epoch and number."""

    epoch: int
    line: int


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
        try:
            with self.path.open("r+b") as file:
                if file.seek(0, os.SEEK_END) < self.size:
                    return False
                file.truncate(self.size)
                file.seek(0)
                size, self.size, self.newlines = self.size, 0, [0]
                while block := file.read(BLOCK):
                    self._count_blocks(block)
                    self.size += len(block)
        except OSError:
            return False
        return self.size == size

    def read(self, line: int, budget: int) -> list[str]:
        """Return lines from number ``line`` on, at least one, at most about ``budget`` bytes."""
        skip = line - self.first
        block = max(0, bisect_left(self.newlines, skip) - 1) if skip else 0
        with self.path.open("rb") as file:
            file.seek(block * BLOCK)
            data = _behind_newlines(file, skip - self.newlines[block], budget, self.size - block * BLOCK)
        return data.decode().split("\n")[:-1]

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


class Spool:
    """The kept lines of one session's log."""

    def __init__(self, folder: Path, slug: str, *, cap: int = CAP) -> None:
        if not slug.isalnum():
            raise ValueError("A slug is letters and digits.")
        self._folder, self._slug, self._cap = folder, slug, cap
        self._segments: list[Segment] = []
        self._serial = 0
        self._recent: list[str] = []
        self._recent_size = 0
        self.epoch = 0
        self.progress: dict[str, Any] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._load()

    @property
    def last(self) -> Cursor:
        """The last line there is."""
        return Cursor(self.epoch, self._segments[-1].last)

    @property
    def holds_text(self) -> bool:
        """Whether any line was ever kept."""
        return any(segment.last for segment in self._segments)

    def first_of(self, epoch: int) -> int | None:
        """Return the number of the first line still kept of an epoch; None if the epoch is not known."""
        return next((segment.first for segment in self._segments if segment.epoch == epoch), None)

    def last_of(self, epoch: int) -> int:
        """Return the number of an epoch's last line."""
        return max((segment.last for segment in self._segments if segment.epoch == epoch), default=0)

    def epoch_after(self, epoch: int) -> int | None:
        """Return the next epoch that is kept."""
        return next((segment.epoch for segment in self._segments if segment.epoch > epoch), None)

    def append(self, lines: list[str]) -> None:
        """Add lines to the present epoch, dropping the oldest ones beyond the cap."""
        for part in _parts(lines, self._cap // SEGMENTS):
            self._room_for_more().append("".join(f"{line}\n" for line in part).encode(), len(part))
        self._remember(lines)
        self._drop_oldest()

    def begin_epoch(self) -> None:
        """Go on with another text, numbered from 1."""
        self.epoch += 1
        self._recent, self._recent_size = [], 0
        self._new_segment(first=1)
        self._drop_oldest()

    def read_after(self, cursor: Cursor, budget: int = BLOCK) -> list[str]:
        """Return lines of the cursor's epoch behind it, about ``budget`` bytes; none where none are kept."""
        line = cursor.line + 1
        if cursor.epoch == self.epoch and line > self.last.line - len(self._recent):
            return _up_to(self._recent[line - self.last.line - 1 :] if line <= self.last.line else [], budget)
        for segment in self._segments:
            if segment.epoch == cursor.epoch and segment.first <= line <= segment.last:
                return segment.read(line, budget)
        return []

    def save(self, progress: dict[str, Any]) -> None:
        """Make what was appended count, together with ``progress``, in one step."""
        self.progress = progress
        state = {
            "epoch": self.epoch,
            "serial": self._serial,
            "segments": [[s.path.name, s.epoch, s.first, s.count, s.size] for s in self._segments],
            "progress": progress,
        }
        fresh = self._state_path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(state, file)
        fresh.replace(self._state_path)

    @property
    def _state_path(self) -> Path:
        return self._folder / f"{self._slug}.json"

    def _load(self) -> None:
        try:
            state = json.loads(self._state_path.read_text())
            segments = [Segment(self._folder / name, *rest) for name, *rest in state["segments"]]
            whole = bool(segments) and all(segment.recover() for segment in segments)
            if whole:
                self.epoch, self._serial = state["epoch"], state["serial"]
                self._segments, self.progress = segments, state["progress"]
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        self._remove_strays()
        if not whole:
            # No cursor of an earlier life may seem to fit.
            self.epoch = int(time.time())
            self._new_segment(first=1)

    def _remove_strays(self) -> None:
        known = {segment.path for segment in self._segments}
        for path in self._folder.glob(f"{self._slug}.*.log"):
            if path not in known:
                path.unlink(missing_ok=True)

    def _room_for_more(self) -> Segment:
        if self._segments[-1].size >= self._cap // SEGMENTS:
            self._new_segment(first=self.last.line + 1)
        return self._segments[-1]

    def _new_segment(self, first: int) -> None:
        self._serial += 1
        path = self._folder / f"{self._slug}.{self._serial}.log"
        segment = Segment(path, self.epoch, first)
        segment.append(b"", 0)
        self._segments.append(segment)

    def _drop_oldest(self) -> None:
        while len(self._segments) > 1 and (
            sum(segment.size for segment in self._segments) > self._cap or len(self._segments) > MOST_SEGMENTS
        ):
            self._segments.pop(0).path.unlink(missing_ok=True)

    def _remember(self, lines: list[str]) -> None:
        self._recent += lines
        self._recent_size += sum(len(line) + 1 for line in lines)
        drop = 0
        while self._recent_size > RECENT and drop < len(self._recent) - 1:
            self._recent_size -= len(self._recent[drop]) + 1
            drop += 1
        del self._recent[:drop]


def _parts(lines: list[str], size: int) -> Iterator[list[str]]:
    """Deal lines out so that no part is much longer than ``size``."""
    part: list[str] = []
    length = 0
    for line in lines:
        part.append(line)
        length += len(line) + 1
        if length >= size:
            yield part
            part, length = [], 0
    if part:
        yield part


def _up_to(lines: list[str], budget: int) -> list[str]:
    size = 0
    for index, line in enumerate(lines):
        size += len(line) + 1
        if size > budget:
            return lines[: max(1, index)]
    return lines


def prune(folder: Path, *, oldest: float = 30 * 86400.0, most: int = 1024 * 1024 * 1024) -> None:
    """Remove spools that were not written for ``oldest`` seconds, and the oldest beyond ``most`` bytes."""
    groups: dict[str, list[Path]] = {}
    for path in folder.glob("*.*"):
        groups.setdefault(path.name.partition(".")[0], []).append(path)
    aged = sorted(((_newest(paths), paths) for paths in groups.values()), reverse=True)
    total = 0
    for changed, paths in aged:
        total += sum(path.stat().st_size for path in paths if path.exists())
        if total > most or time.time() - changed > oldest:
            for path in paths:
                path.unlink(missing_ok=True)


def _newest(paths: list[Path]) -> float:
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)
