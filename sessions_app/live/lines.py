"""Bytes to lines: UTF-8, carriage returns, a line that is not whole yet, and a secret to be hidden."""

from __future__ import annotations

import codecs
from typing import Any

from sessions_app.connections.redaction import hidden

# A longer line is shown as several, so that one frame never holds more than a viewer may be sent.
LONGEST = 16 * 1024
# A provisional line is sent anew whenever it changes, so less of it is shown.
LONGEST_PARTIAL = 4 * 1024


class Liner:
    """Cuts a stream of bytes into lines, at the same places however the bytes are dealt out."""

    def __init__(self, secret: str = "", kept: dict[str, Any] | None = None) -> None:
        kept = kept or {}
        self._secret = secret
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder.setstate((bytes.fromhex(kept.get("undecoded", "")), 0))
        self._pending: str = kept.get("pending", "")
        # A carriage return was read. It ends a line if a newline follows, else what follows replaces the
        # line.
        self._returned: bool = kept.get("returned", False)

    @property
    def partial(self) -> str:
        """The line that is not whole yet, without an end that could become the secret."""
        shown = self._hide(self._pending)
        shown = shown[: len(shown) - self._held_back(shown)]
        return shown[:LONGEST_PARTIAL]

    def kept(self) -> dict[str, Any]:
        """Return what is to be kept for going on later."""
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
            lines.append(self._hide(self._pending))
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
        return [self._hide(line) for line in lines]

    def _run(self, text: str, lines: list[str]) -> None:
        """Take text without a newline; what follows a carriage return replaces what stood before it."""
        if not text:
            return
        for index, part in enumerate(text.split("\r")):
            self._returned = self._returned or index > 0
            if part:
                self._pending = part if self._returned else self._pending + part
                self._returned = False
                self._break_up(lines)

    def _break_up(self, lines: list[str]) -> None:
        while len(self._pending) > LONGEST + len(self._secret):
            cut = self._safe_cut()
            lines.append(self._pending[:cut])
            self._pending = self._pending[cut:]

    def _safe_cut(self) -> int:
        """Return where to break an over-long line so that the secret does not fall on both sides."""
        if not self._secret:
            return LONGEST
        reach = len(self._secret) - 1
        found = self._pending.find(self._secret, LONGEST - reach, LONGEST + reach)
        return LONGEST if found < 0 else found

    def _hide(self, text: str) -> str:
        return hidden(text, self._secret)

    def _held_back(self, text: str) -> int:
        for length in range(min(len(self._secret) - 1, len(text)), 0, -1):
            if text.endswith(self._secret[:length]):
                return length
        return 0
