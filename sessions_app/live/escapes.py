"""Take escape sequences out of a line: what a person sees of it, and so what a search is to look through.

The page decides the same in ``static/js/behaviours/log/ansi.js``, where colours become classes as well; both are held
against ``tests/live/escapes.json``. What a sequence is, `connections/seen.py` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sessions_app.connections.seen import SEQUENCE

_BEGINNING = re.compile(r"[\x1b\x90\x98\x9b\x9d-\x9f]")
# Controls, and what turns the direction of writing. A tab stays a tab.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TURNS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_SYMBOLS = {chr(code): chr(0x2400 + code) for code in range(0x20) if code != 0x09} | {"\x7f": "\u2421"}
_SYMBOLS |= dict.fromkeys([*map(chr, range(0x80, 0xA0)), *_TURNS], "\u2426")
_CONTROLS = frozenset(_SYMBOLS)
# A longer text is gone through in pieces of about this size, which bounds what its sequences take meanwhile.
_BLOCK = 64 * 1024


def visible(text: str) -> str:
    """Return what a person sees of a line, with symbols for controls that are no part of a sequence.

    A sequence that never ends, or ends only behind more than 4096 characters, is no sequence. Takes time
    linear in the length of the text.

    >>> visible("\\x1b[1;31mred\\x1b[0m, \\x1b]0;title\\x07\\x00")
    'red, ␀'
    """
    # Most lines are printable, which Python finds out faster than anything else; the others may hold a tab.
    if text.isprintable() or _CONTROL.search(text) is None:
        return text
    return _shown(text) if len(text) <= _BLOCK else "".join(map(_shown, _pieces(text)))


def _shown(piece: str) -> str:
    rest = SEQUENCE.sub("", piece)
    if rest.isprintable():
        return rest
    # The controls of a text are many, their kinds are few.
    for control in _CONTROLS.intersection(rest):
        rest = rest.replace(control, _SYMBOLS[control])
    return rest


def _pieces(text: str) -> Iterator[str]:
    """Cut a text where sequences begin, or end by ``ESC \\``: that is never inside of one."""
    at = 0
    while found := _BEGINNING.search(text, at + _BLOCK):
        cut = found.start() + (2 if text.startswith("\x1b\\", found.start()) else 0)
        yield text[at:cut]
        at = cut
    yield text[at:]
