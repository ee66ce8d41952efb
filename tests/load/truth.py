"""What a log's text is, said simply, and what a viewer was told of it: the two are held against each other.

This model is made from the contract alone and shares nothing with the portal: the whole text is at hand here, so
nothing has to be remembered between pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# A line is broken up behind this many characters once it is longer by more than the second number; of a longer line
# than the third a viewer is told the beginning, and has the rest when it asks for it.
LONGEST, MARGIN, SHOWN = 1024 * 1024, 16 * 1024, 16 * 1024


def lines_of(data: bytes) -> list[str]:
    """Return what a viewer is told of a whole text: bad bytes replaced, returns overwritten, long lines cut.

    The last one counts even without a newline.
    """
    *whole, rest = data.decode("utf-8", "replace").split("\n")
    lines = [piece for line in whole for piece in _shown(line)]
    *before, last = _shown(rest)
    return [line[:SHOWN] for line in ([*lines, *before, last] if last else [*lines, *before])]


def _shown(line: str) -> list[str]:
    """Return what is seen of one line; a progress bar that overran is seen in its full parts."""
    pieces, last = [], ""
    for part in filter(None, line.split("\r")):
        last = part
        while len(last) > LONGEST + MARGIN:
            pieces.append(last[:LONGEST])
            last = last[LONGEST:]
    return [*pieces, last]


class WrongError(Exception):
    """A viewer was told something that cannot be."""


@dataclass
class Part:
    """What was told of one epoch; a line that was said to be left out is None."""

    epoch: int
    why: str
    lines: list[str | None] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def differs_from(self, truth: list[str]) -> str:
        """Return the first difference in words; an empty text where there is none."""
        for number, (told, true) in enumerate(zip(self.lines, truth, strict=False), 1):
            if told not in (None, true):
                return f"epoch {self.epoch}, line {number}: told {_short(told)}, written {_short(true)}"
        if len(self.lines) != len(truth):
            longer = self.lines if len(self.lines) > len(truth) else truth
            more = _short(longer[min(len(self.lines), len(truth))])
            counts = f"told {len(self.lines)} lines, written {len(truth)}"
            return f"epoch {self.epoch}: {counts}; the first too many is {more}"
        return ""


def _short(text: str | None) -> str:
    return repr(text) if text is None or len(text) <= 120 else f"{text[:120]!r}… ({len(text)} characters)"


class Transcript:
    """All that one viewer was told of a log, over however many sockets; holes and doubles are refused."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.rereads = 0
        self.partial: str | None = None
        self.state: dict[str, Any] = {}

    @property
    def place(self) -> dict[str, int | None]:
        """Where it goes on, as a ``follow`` says it."""
        if not self.parts:
            return {"epoch": None, "after": None}
        return {"epoch": self.parts[-1].epoch, "after": len(self.parts[-1].lines)}

    @property
    def gaps(self) -> int:
        """How many gaps were told."""
        return sum(len(part.gaps) for part in self.parts)

    def take(self, message: dict[str, Any]) -> None:
        """Take one frame in."""
        match message["t"]:
            case "epoch":
                self._turn(message)
            case "gap":
                self._skip(message)
            case "log":
                self._add(message)
            case "state":
                self.state = message
            case "denied":
                raise WrongError(f"It was denied: {message}")

    def _turn(self, message: dict[str, Any]) -> None:
        if message["why"] == "reread":
            # Everything is shown anew; a page takes away what it had.
            self.parts.clear()
            self.rereads += 1
        if self.parts and message["e"] <= self.parts[-1].epoch:
            raise WrongError(f"After epoch {self.parts[-1].epoch} came {message}")
        if message["why"] == "start" and self.parts:
            raise WrongError(f"It began twice: {message}")
        self.parts.append(Part(message["e"], message["why"]))

    def _skip(self, message: dict[str, Any]) -> None:
        part = self._here(message)
        part.gaps.append((message["from"], message["to"]))
        part.lines += [None] * (message["to"] - message["from"] + 1)

    def _add(self, message: dict[str, Any]) -> None:
        self._here(message).lines += message["lines"]
        self.partial = message["partial"]

    def _here(self, message: dict[str, Any]) -> Part:
        if not self.parts or message["e"] != self.parts[-1].epoch:
            raise WrongError(f"At {self.place} came lines of epoch {message['e']}")
        if message["from"] != len(self.parts[-1].lines) + 1:
            raise WrongError(f"At {self.place} came lines from {message['from']} on")
        return self.parts[-1]
