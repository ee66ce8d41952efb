"""Bytes to lines: UTF-8, carriage returns, a line that is not whole yet, and ids to be hidden."""

from __future__ import annotations

import codecs
from typing import Any

from sessions_app.connections.redaction import HIDDEN, Redactor
from sessions_app.live.looks import lasting

# A longer line is kept as several: one line may not take all the room there is.
LONGEST = 1024 * 1024
# So much of what follows is waited for where such a line is cut, so that no id falls on both sides.
MARGIN = 16 * 1024
# A provisional line is sent anew whenever it changes, so less of it is shown.
LONGEST_PARTIAL = 4 * 1024


class Liner:
    """Cuts a stream of bytes into lines, at the same places however the bytes are dealt out."""

    def __init__(self, redactor: Redactor | None = None, kept: dict[str, Any] | None = None) -> None:
        kept = kept or {}
        self._redactor = Redactor() if redactor is None else redactor
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder.setstate((bytes.fromhex(kept.get("undecoded", "")), 0))
        self._pending: str = kept.get("pending", "")
        # A carriage return was read. It ends a line if a newline follows, else what follows replaces the
        # line.
        self._returned: bool = kept.get("returned", False)

    @property
    def partial(self) -> str:
        """The line that is not whole yet, without an end that could become an id."""
        # What is cut off is looked at as well, for an id may lie across the cut.
        shown = self._redactor.hide(self._pending[: LONGEST_PARTIAL + MARGIN])
        if len(shown) <= LONGEST_PARTIAL:
            shown = shown[: self._redactor.begun(shown)]
        return shown[:LONGEST_PARTIAL]

    def kept(self) -> dict[str, Any]:
        """Return what is to be kept for going on later. It may hold ids, so it is to be sealed."""
        return {
            "pending": self._pending,
            "returned": self._returned,
            "undecoded": self._decoder.getstate()[0].hex(),
        }

    def feed(self, data: bytes) -> list[str]:
        """Take bytes, return the lines that became whole."""
        return self._cut(self._decoder.decode(data))

    def finish(self) -> list[str]:
        """End the text: what is pending is its last line."""
        lines = self._cut(self._decoder.decode(b"", final=True))
        if self._pending:
            lines.append(self._redactor.hide(self._pending))
        self._decoder.reset()
        self._pending, self._returned = "", False
        return lines

    def _cut(self, text: str) -> list[str]:
        *whole, rest = text.split("\n")
        lines: list[str] = []
        for line in whole:
            self._run(line, lines)
            lines.append(self._pending)
            self._pending, self._returned = "", False
        self._run(rest, lines)
        return self._redactor.hide_lines(lines)

    def _run(self, text: str, lines: list[str]) -> None:
        """Take text without a newline; what follows a carriage return replaces what stood before it."""
        if not text:
            return
        for index, part in enumerate(text.split("\r")):
            self._returned = self._returned or index > 0
            if part:
                # The colours of what is replaced stay, as in a terminal.
                self._pending = (lasting(self._pending) if self._returned else self._pending) + part
                self._returned = False
                self._break_up(lines)

    def _break_up(self, lines: list[str]) -> None:
        while len(self._pending) > LONGEST + MARGIN:
            shown = self._redactor.hide(self._pending)
            cut = _beside_what_is_hidden(shown)
            lines.append(shown[:cut])
            self._pending = shown[cut:]


def _beside_what_is_hidden(text: str) -> int:
    """Return where to break an over-long line, so that it says on one side that something is hidden."""
    reach = len(HIDDEN) - 1
    found = text.find(HIDDEN, LONGEST - reach, LONGEST + reach)
    return LONGEST if found < 0 else found
