"""Writing what sessions wrote to standard output, where a terminal would obey it."""

from __future__ import annotations

import re
import sys

# Colours and weights alone change nothing but looks; what cannot be read as such is shown, not obeyed.
_COLOURS = re.compile(r"\x1b\[[0-9;:]{0,60}m")
# All control characters but tab and line feed, and what turns the direction of a text round.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def show(text: str) -> None:
    """Write to standard output: as it is to a file or a pipe, harmless to a terminal, and in any encoding."""
    out = sys.stdout
    if out is None:
        # A program without a console.
        return
    # What a program puts in its place need not have more than ``write``.
    if getattr(out, "isatty", bool)():
        text = harmless(text)
    try:
        out.write(text)
    except UnicodeEncodeError:
        encoding = getattr(out, "encoding", None) or "ascii"
        out.write(text.encode(encoding, "backslashreplace").decode(encoding))


def harmless(text: str) -> str:
    """Return the text for a terminal: nothing in it moves, erases, renames, copies or answers.

    >>> harmless("\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07 10%\\r20%\\r\\n")
    'red \\\\x1b]0;title\\\\x07 10%\\n20%\\n'
    """
    # A carriage return would write over what stands there: what follows gets a line of its own.
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _OBEYED.sub(_written_out, _COLOURS.sub("", lines))


def _written_out(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
