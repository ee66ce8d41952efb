"""Numbered lines of one log on disk, capped, with what is needed to go on after a restart.

Lines are numbered from 1 within an *epoch*; a log that began anew is a new epoch. They lie in segments, files
that are only appended to and dropped whole, oldest first. Before each line stands the second of its arrival, in
hexadecimal and always as wide, and where it does not begin plain the look with which it does. A small state file
says how much of the segments counts and where in the platform's text they end; it is replaced in one step after the
lines were written, so that a process killed in between repeats the same work with the same numbers.

``Kept`` is what is there to read, ``Spool`` writes as well. A spool has one writer, the feed; whoever else wants
its lines takes a ``Kept`` from ``Spool.snapshot`` or, where no feed runs, from ``kept``, which changes nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessions_app.connections.redaction import Redactor
from sessions_app.live import looks
from sessions_app.live.segments import BLOCK, LATEST_SECOND, NO_LINES, STAMP, Segment, Stretch, written

# Files of another format are not read: what they hold is read from the platform again.
FORMAT = 2
CAP = 64 * 1024 * 1024
SEGMENTS = 8
# Epochs that follow each other quickly make small segments; their number is bounded as well.
MOST_SEGMENTS = 64
# What most viewers ask for next is kept in memory, up to this many characters.
RECENT = 256 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The last line that a viewer has: its epoch and number."""

    epoch: int
    line: int


@dataclass(frozen=True, slots=True)
class Extent:
    """The lines ``first`` to ``last`` of an epoch that are kept; none where last is less than first."""

    epoch: int
    first: int
    last: int


class Kept:
    """What is kept of one session's log, to read."""

    def __init__(self, epoch: int, segments: list[Segment]) -> None:
        self.epoch = epoch
        self._segments = segments
        # What the last reader said of a text that will not grow any more.
        self.frozen: dict[str, Any] | None = None
        # Whether lines had to be dropped for want of room.
        self.lost = False
        # What hides ids that were not known yet when lines were kept.
        self.redactor: Redactor | None = None
        # The look with which the line behind the last one will begin.
        self.look = ""
        # The UNIX second at which the last line arrived, for the one who writes; None where this text has no line yet.
        self.last_second: int | None = None

    @property
    def last(self) -> Cursor:
        """The last line there is."""
        newest = self._segments[-1] if self._segments else None
        return Cursor(self.epoch, newest.last if newest and newest.epoch == self.epoch else 0)

    @property
    def holds_text(self) -> bool:
        """Whether any line was ever kept."""
        return any(segment.last for segment in self._segments)

    @property
    def size(self) -> int:
        """How many bytes the lines take, without the seconds that were added to them."""
        return sum(segment.size - STAMP * segment.count for segment in self._segments)

    @property
    def extents(self) -> list[Extent]:
        """The epochs of which lines are kept, oldest first."""
        epochs = dict.fromkeys(segment.epoch for segment in self._segments)
        found = [Extent(epoch, self.first_of(epoch) or 1, self.last_of(epoch)) for epoch in epochs]
        return [extent for extent in found if extent.first <= extent.last]

    def first_of(self, epoch: int) -> int | None:
        """Return the number of the first line still kept of an epoch; None if the epoch is not known."""
        found = next((segment.first for segment in self._segments if segment.epoch == epoch), None)
        return 1 if found is None and epoch == self.epoch else found

    def last_of(self, epoch: int) -> int:
        """Return the number of an epoch's last line."""
        return max((segment.last for segment in self._segments if segment.epoch == epoch), default=0)

    def epoch_after(self, epoch: int) -> int | None:
        """Return the next epoch that is kept."""
        return next((segment.epoch for segment in self._segments if segment.epoch > epoch), None)

    def read_after(self, cursor: Cursor, budget: int = BLOCK) -> Stretch:
        """Return lines of the cursor's epoch behind it, about ``budget`` bytes; none where none are kept."""
        line = cursor.line + 1
        for segment in self._segments:
            if segment.epoch == cursor.epoch and segment.first <= line <= segment.last:
                return segment.read(line, budget)
        return NO_LINES

    def without_ids(self, stretch: Stretch) -> Stretch:
        """Return the lines as they may be shown."""
        if self.redactor is None:
            return stretch
        return Stretch(self.redactor.hide_lines(stretch.lines), stretch.seconds, stretch.looks)

    def snapshot(self) -> Kept:
        """Return what is kept now, to be read on another thread; a file may be dropped under it, though."""
        found = Kept(self.epoch, [segment.copy() for segment in self._segments])
        found.frozen, found.lost, found.redactor = self.frozen, self.lost, self.redactor
        return found


def kept(folder: Path, slug: str) -> Kept | None:
    """Return what is kept of a session's log without changing anything; None where nothing is.

    Reads every segment once, up to the cap, so not for the event loop.
    """
    if not slug.isalnum():
        raise ValueError("A slug is letters and digits.")
    state = _state_in(folder, slug)
    if state is None or not all(segment.scan() for segment in state.segments):
        return None
    found = Kept(state.epoch, state.segments)
    state.tell(found)
    return found


@dataclass(frozen=True, slots=True)
class _State:
    """What a state file says."""

    epoch: int
    serial: int
    segments: list[Segment]
    progress: dict[str, Any]
    frozen: dict[str, Any] | None
    lost: bool

    def tell(self, kept: Kept) -> None:
        """Hand over what concerns readers."""
        kept.frozen, kept.lost = self.frozen, self.lost


def _state_in(folder: Path, slug: str) -> _State | None:
    """Return what the state file says; None if there is none of this format."""
    try:
        said = json.loads((folder / f"{slug}.json").read_text())
        if said.get("format") != FORMAT:
            return None
        segments = [Segment(folder / name, *rest) for name, *rest in said["segments"]]
        if not segments:
            return None
        return _State(said["epoch"], said["serial"], segments, said["progress"], said["frozen"], said["lost"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


class Spool(Kept):
    """The kept lines of one session's log, and the way to add to them."""

    def __init__(self, folder: Path, slug: str, *, cap: int | None = None) -> None:
        if not slug.isalnum():
            raise ValueError("A slug is letters and digits.")
        super().__init__(0, [])
        self._folder, self._slug, self._cap = folder, slug, cap or CAP
        self._serial = 0
        self._dropped: list[Path] = []
        self._recent: list[str] = []
        self._recent_seconds: list[int] = []
        self._recent_looks: list[str] = []
        self._recent_size = 0
        self.progress: dict[str, Any] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._load()

    def append(self, lines: list[str], second: int) -> None:
        """Add lines that arrived at this UNIX second to the present epoch, dropping the oldest beyond the cap."""
        second = min(max(second, 0), LATEST_SECOND)
        for part in _parts(lines, self._cap // SEGMENTS):
            begun, self.look = looks.over(self.look, part)
            self._room_for_more().append(written(part, second, begun).encode(), len(part))
            self._remember(part, second, begun)
            self.last_second = second
        self._drop_oldest()

    def begin_epoch(self) -> None:
        """Go on with another text, numbered from 1."""
        self.epoch += 1
        self.look, self.last_second = "", None
        self._recent, self._recent_seconds, self._recent_looks, self._recent_size = [], [], [], 0
        self._new_segment(first=1)
        self._drop_oldest()

    def read_after(self, cursor: Cursor, budget: int = BLOCK) -> Stretch:
        """Return lines of the cursor's epoch behind it, about ``budget`` bytes; none where none are kept."""
        behind = self.last.line - cursor.line
        if cursor.epoch == self.epoch and behind <= len(self._recent):
            return _up_to(Stretch(self._recent, self._recent_seconds, self._recent_looks), behind, budget)
        return super().read_after(cursor, budget)

    def save(self, progress: dict[str, Any], frozen: dict[str, Any] | None = None) -> None:
        """Make what was appended count, together with ``progress``, in one step.

        With ``frozen`` the text is whole: what is said in it is kept for who reads the text later.
        """
        state = {
            "format": FORMAT,
            "epoch": self.epoch,
            "serial": self._serial,
            "segments": [[s.path.name, s.epoch, s.first, s.count, s.size] for s in self._segments],
            "progress": progress,
            "frozen": frozen,
            "lost": self.lost,
        }
        fresh = self._state_path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(state, file)
        fresh.replace(self._state_path)
        self.progress, self.frozen = progress, frozen
        self._unlink_dropped()

    @property
    def _state_path(self) -> Path:
        return self._folder / f"{self._slug}.json"

    def _load(self) -> None:
        state = _state_in(self._folder, self._slug)
        whole = state is not None and all(segment.recover() for segment in state.segments)
        if state is not None and whole:
            self.epoch, self._serial, self._segments = state.epoch, state.serial, state.segments
            self.progress = state.progress
            state.tell(self)
            self._go_on_behind_the_last()
        self._remove_strays()
        if not whole:
            # No cursor of an earlier life may seem to fit.
            self.epoch = int(time.time())
            self._new_segment(first=1)

    def _go_on_behind_the_last(self) -> None:
        found = super().read_after(Cursor(self.epoch, self.last.line - 1)) if self.last.line else NO_LINES
        if found:
            self.look, self.last_second = looks.after(found.look(-1), found.lines[-1]), found.seconds[-1]

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
            # The state file still counts it; until the next one, a process that takes over needs it.
            oldest = self._segments.pop(0)
            self._dropped.append(oldest.path)
            self.lost = self.lost or oldest.count > 0

    def _unlink_dropped(self) -> None:
        for path in self._dropped:
            path.unlink(missing_ok=True)
        self._dropped.clear()

    def _remember(self, lines: list[str], second: int, begun: list[str]) -> None:
        self._recent += lines
        self._recent_seconds += [second] * len(lines)
        self._recent_looks += begun
        self._recent_size += sum(len(line) + 1 for line in lines)
        drop = 0
        while self._recent_size > RECENT and drop < len(self._recent) - 1:
            self._recent_size -= len(self._recent[drop]) + 1
            drop += 1
        del self._recent[:drop]
        del self._recent_seconds[:drop]
        del self._recent_looks[:drop]


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


def _up_to(recent: Stretch, count: int, budget: int) -> Stretch:
    """Return the first of the last ``count`` lines: about ``budget`` characters, but one line at least."""
    end_of_all = len(recent)
    start = end = end_of_all - max(count, 0)
    while end < end_of_all:
        budget -= STAMP + len(recent.lines[end]) + 1
        if budget < 0 and end > start:
            break
        end += 1
    begun = recent.looks[start:end]
    return Stretch(recent.lines[start:end], recent.seconds[start:end], begun if any(begun) else ())


def prune(
    folder: Path,
    *,
    oldest: float = 30 * 86400.0,
    most: int = 1024 * 1024 * 1024,
    busy: Collection[str] = (),
) -> list[str]:
    """Remove spools that were not written for ``oldest`` seconds, and the oldest beyond ``most`` bytes.

    Those of the slugs in ``busy`` are being written and stay. Returns the slugs of the others.
    """
    groups: dict[str, list[Path]] = {}
    for path in folder.glob("*.*"):
        groups.setdefault(path.name.partition(".")[0], []).append(path)
    aged = sorted(((_newest(paths), slug) for slug, paths in groups.items()), reverse=True)
    total, removed = 0, []
    for changed, slug in aged:
        total += sum(_size_of(path) for path in groups[slug])
        if slug not in busy and (total > most or time.time() - changed > oldest):
            removed.append(slug)
            for path in groups[slug]:
                path.unlink(missing_ok=True)
    return removed


def _newest(paths: list[Path]) -> float:
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
