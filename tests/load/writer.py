"""What the sessions of the load tests run: writers that say the same for the same seed.

`phases SEED LINES PHASES SECONDS FOLDER` writes a difficult log in phases; behind each it waits until a file with that
phase's number is in the folder. `stamps SECONDS PER_SECOND FILLER` writes the time of day, `flood SECONDS MEGABYTES`
so much a second, `long MEGABYTES SECONDS PER_SECOND` so much at once and then the time of day. Nothing but the
standard library: sessions have their own environment.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

PATIENCE = 600.0
# More than a log may still grow behind a phase; a part of it, which is less, is enough to be known again.
HALF_LINE = 12_000
HALF_SEEN = 5_000


def pieces(chance: random.Random, begin: int, end: int) -> Iterator[bytes]:
    """Yield what is written at once: whole lines, or parts of them at any byte."""
    number = begin
    while number < end:
        burst = min(end - number, chance.choice((1, 1, 5, 50, 400)))
        raw = b"".join(line(chance, number + each) for each in range(burst))
        number += burst
        while raw and chance.random() < 0.3:
            cut = chance.randint(1, len(raw))
            yield raw[:cut]
            raw = raw[cut:]
        if raw:
            yield raw


def line(chance: random.Random, number: int) -> bytes:
    """Return one line: mostly a plain one, sometimes one of those that are easily lost or doubled."""
    match chance.randrange(40):
        case 0 | 1 | 2 | 3 | 4:
            return b"the same line again\n"
        case 5 | 6:
            return b"\n"
        case 7 | 8:
            return b"".join(b"\r%06d %3d %%" % (number, part) for part in range(0, 101, 10)) + b"\n"
        case 9:
            return b"%06d windows\r\n" % number
        case 10:
            return b"%06d bad \xff\xe2\x82 bytes \xf0\x9f\n" % number
        case 11:
            return f"{number:06} é→\U0001d6fc \u2028 \x85 not ends of lines \x1b[31mred\x1b[0m\n".encode()
        case 12 if chance.random() < 0.02:
            return b"%06d " % number + b"long " * 9_000 + b"\n"
    return b"%06d %s\n" % (number, b"x" * chance.randint(10, 120))


@dataclass(frozen=True)
class Play:
    """A whole performance: so many numbered lines in phases, then some that nobody waits for."""

    seed: int
    lines: int
    phases: int
    seconds: float

    def phase(self, number: int) -> Iterator[bytes]:
        """Yield the pieces of one phase; it begins with the half line that the one before ended in."""
        if number > 1:
            yield b" whole\n"
        begin, end = self.lines * number // self.phases, self.lines * (number + 1) // self.phases
        yield from pieces(random.Random(f"{self.seed} {number}"), begin, end)
        yield b"end of phase %d\n" % number

    def half(self, number: int) -> bytes:
        """Return the half line that stands behind a phase."""
        return b"half %d %d " % (self.seed, number) + b"-" * HALF_LINE

    def sizes(self) -> list[tuple[int, int]]:
        """Return of each phase how many pieces and bytes it has."""
        found = []
        for number in range(self.phases):
            lengths = [len(piece) for piece in self.phase(number)]
            found.append((len(lengths), sum(lengths)))
        return found

    def log_size(self) -> int:
        """Return a size that no phase reaches by itself, and each of them once it is filled up."""
        return max(size for _, size in self.sizes()) + 2 * HALF_LINE

    def filling(self, number: int, size: int) -> bytes:
        """Return lines that bring a part of the log of this size right below the size of a log."""
        missing = self.log_size() - size - HALF_LINE // 2
        return b"".join(b"fill %d %05d %s\n" % (number, each, b"+" * 85) for each in range(missing // 100))

    def runs(self) -> list[bytes]:
        """Return what stands between two places at which the log may begin anew."""
        found = []
        for number in range(self.phases):
            before = self.half(number - 1) if number > 1 else b""
            text = before + b"".join(self.phase(number))
            found.append(text + (self.filling(number, len(text)) if self.turns(number) else b""))
        return found

    def turns(self, number: int) -> bool:
        """Say whether the log is rotated behind this phase."""
        return 0 < number < self.phases - 1

    def seen_before(self, number: int) -> bool:
        """Say whether the half line is read before the log is rotated: then it is known again."""
        return number % 2 == 0

    def wild(self) -> Iterator[bytes]:
        """Yield the lines at the end, which are written while the log is rotated again and again."""
        count = int(2.5 * self.log_size() / 100) + 1
        yield from (b"wild %07d %s\n" % (each, b"~" * 86) for each in range(count))

    def perform(self, folder: str) -> None:
        """Write phase after phase; behind the first one the log begins anew."""
        unit = self.seconds / sum(count for count, _ in self.sizes()) / 4
        chance = random.Random(self.seed)
        for number in range(self.phases):
            size = len(self.half(number - 1)) if number > 1 else 0
            for piece in self.phase(number):
                write(piece)
                size += len(piece)
                # Half lines stand for long, so that a good part of all reads ends in one.
                time.sleep(unit * (chance.choice((0, 0, 1, 3)) if piece.endswith(b"\n") else 12))
            if self.turns(number):
                write(self.filling(number, size))
            wait_for(folder, f"{number}")
            if number == 0:
                # What a program does that opens its log anew.
                os.ftruncate(1, 0)
            elif self.turns(number):
                half = self.half(number)
                if self.seen_before(number):
                    write(half[:HALF_SEEN])
                    wait_for(folder, f"{number}.seen")
                    half = half[HALF_SEEN:]
                write(half)
                wait_for(folder, f"{number}.turned")
        for line in self.wild():
            write(line)
            if line[10:12] == b"00":
                time.sleep(0.1)


def write(data: bytes) -> None:
    """Write it all; a write may take a part only."""
    while data:
        data = data[os.write(1, data) :]


def wait_for(folder: str, name: str) -> None:
    """Wait until somebody says that we may go on."""
    end = time.monotonic() + PATIENCE
    while not os.path.exists(os.path.join(folder, name)):
        if time.monotonic() > end:
            sys.exit(f"Nobody said {name}.")
        time.sleep(0.05)


def stamps(seconds: float, per_second: float, filler: int) -> None:
    """Write the time of day once in a while, each line with so many bytes behind it."""
    end = time.time() + seconds
    while (now := time.time()) < end:
        write(b"@%.4f@%s\n" % (now, b"." * filler))
        time.sleep(max(0.0, 1 / per_second))


def flood(seconds: float, megabytes: float) -> None:
    """Write so many megabytes a second, with the time of day in every 500th line."""
    begun, written, block = time.time(), 0, (b"." * 99 + b"\n") * 499
    while (passed := time.time() - begun) < seconds:
        while written < passed * megabytes * 1e6:
            write((b"@%.4f@" % time.time()).ljust(99, b".") + b"\n" + block)
            written += 100 * 500
        time.sleep(0.02)


def long(megabytes: float, seconds: float, per_second: float) -> None:
    """Write so much at once, which does not pack to nothing, and then the time of day."""
    chance, left, number = random.Random(0), int(megabytes * 1e6), 0
    while left > 0:
        rows = [b"%08d %b\n" % (number + row, chance.randbytes(45).hex().encode()) for row in range(1000)]
        write(b"".join(rows))
        number, left = number + 1000, left - 100 * 1000
    stamps(seconds, per_second, 80)


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "phases":
        Play(int(given[0]), int(given[1]), int(given[2]), float(given[3])).perform(given[4])
    elif what == "stamps":
        stamps(float(given[0]), float(given[1]), int(given[2]))
    elif what == "flood":
        flood(float(given[0]), float(given[1]))
    elif what == "long":
        long(float(given[0]), float(given[1]), float(given[2]))
