"""What a person reads in a text once everything that is not seen is taken out, and where in the text that stands.

The same escape sequences are taken out where lines are searched (`live/escapes.py`): those of ECMA-48, 5.3 to 5.6. One
holds no control character, apart from those that begin and end it: as in a terminal, one aborts it. So no two
sequences overlap, however many begin, and every look-ahead is linear.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import re2


def _quick(pattern: bytes) -> Any:
    """Return a pattern that is looked for in time linear in the text, whatever is in it."""
    options = re2.Options()
    options.encoding, options.never_capture, options.dot_nl = re2.Options.Encoding.LATIN1, True, True
    return re2.compile(pattern, options)


# Longer ones are not hidden: text that ends up behind the beginning of a sequence by chance is shown.
_STRING = r"[^\x07\x18\x1a\x1b\x80-\x9f]{0,4096}+(?:\x07|\x1b\\|\x9c)"
_CONTROL_SEQUENCE = r"[0-?]{0,128}+[ -/]{0,4}+[@-~]"
# Each way to begin stands alone, for then the engine leaps from one possible beginning to the next.
_ESCAPED = rf"\x1b(?:\[{_CONTROL_SEQUENCE}|[PX\]^_]{_STRING}|[0-OQ-WYZ\\`-~]|[ -/]{{1,4}}+[0-~])"
_LATIN = rf"|\x9b{_CONTROL_SEQUENCE}" + "".join(
    rf"|{begins}{_STRING}" for begins in (r"\x90", r"\x98", r"\x9d", r"\x9e", r"\x9f")
)
SEQUENCE = re.compile(_ESCAPED + _LATIN)
# The same for bytes of several lines: no sequence goes on over the end of its line.
_IN_BYTES = re.compile((_ESCAPED + _LATIN).replace(r"[^\x07", r"[^\n\x07").encode())
_BEGINS = re.compile(rb"[\x1b\x90\x98\x9b\x9d-\x9f]")
_TURNS = b"\x08\r"
_UNSEEN = bytes({*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A})
_UNSEEN_BUT_TURNS = bytes(set(_UNSEEN) - set(_TURNS))
# Letters of an id with sequences between them, or an escape that begins none of the usual kind.
_CONTROLS = rb"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
_USUAL = rb"\x1b\[[0-?]*[ -/]*[@-~]"
_JOINS = _quick(
    rb"[0-9A-Za-z._-]%(controls)s*%(usual)s(?:%(usual)s|%(controls)s)*[0-9A-Za-z._-]"
    rb"|\x1b(?:[^\[]|\[[0-?]*[ -/]*(?:[^ -~]|[ -/][0-?]))" % {b"controls": _CONTROLS, b"usual": _USUAL}
)
# What goes back in its line: backspaces, and a return behind which the line goes on.
_GOES_BACK = re.compile(rb"\x08|\r(?![\r\n]|\Z)")
_STROKES = re.compile(rb"(\x08+|\r|\n)")
# So many kinds of foreign letters are exchanged kind by kind, which is quicker than letter by letter.
FEW_KINDS = 24
_ASCII = bytes(range(0x80))
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
# Letters without any ink.
_FILLERS = "\u115f\u1160\u2065\u3164\uffa0" + "".join(map(chr, range(0xFFF0, 0xFFF9)))


def readings(text: str) -> Iterator[bytes]:
    """Yield the text, of any number of lines, in each way it can be read; quickly.

    That is its letters, the letters without escape sequences, and those that stay where later ones are written over
    earlier ones, as a terminal does. Each is in ASCII.
    """
    data = _folded(text)
    yield data.translate(None, _UNSEEN)
    if _has_sequences(data) and (_goes_back(data) or _brings_together(data)):
        data = _IN_BYTES.sub(b"", data)
        yield data.translate(None, _UNSEEN)
    if _goes_back(data):
        drawn = bytearray()
        _draw(data.translate(None, _UNSEEN_BUT_TURNS), drawn, bytearray())
        yield bytes(drawn)


def places(text: str) -> Iterator[tuple[bytes, list[int]]]:
    """Yield each reading with the index in ``text`` of every letter; slowly."""
    data = _folded(text)
    yield _picked(data, range(len(data)), _UNSEEN)
    kept: Sequence[int] = range(len(data))
    if _has_sequences(data):
        at, kept = 0, []
        for found in _IN_BYTES.finditer(data):
            kept += range(at, found.start())
            at = found.end()
        kept += range(at, len(data))
        yield _picked(data, kept, _UNSEEN)
    if _goes_back(data):
        strokes, of_strokes = _picked(data, kept, _UNSEEN_BUT_TURNS)
        drawn: list[int] = []
        _draw(strokes, drawn, [], of_strokes)
        yield bytes(data[index] for index in drawn), drawn


def _has_sequences(data: bytes) -> bool:
    # By far most texts have none, which is quickly known.
    return b"\x1b" in data or (not data.isascii() and _BEGINS.search(data) is not None)


def _brings_together(data: bytes) -> bool:
    """Say whether letters may come together that stand apart otherwise, once sequences are taken out.

    Most often they are colours between words, where none do.
    """
    return not data.isascii() or _JOINS.search(data) is not None


def _goes_back(data: bytes) -> bool:
    return b"\x08" in data or (b"\r" in data and _GOES_BACK.search(data) is not None)


def _picked(data: bytes, indexes: Sequence[int], unseen: bytes) -> tuple[bytes, list[int]]:
    kept = [index for index in indexes if data[index] not in unseen]
    return bytes(data[index] for index in kept), kept


def _draw(strokes: bytes, drawn: Any, line: Any, values: Sequence[int] | None = None) -> None:
    """Write strokes as a terminal does, into ``drawn`` what stays of them; or of values that stand for them."""
    at, place = 0, 0
    for part in _STROKES.split(strokes):
        value = part if values is None else values[place : place + len(part)]
        place += len(part)
        if part == b"\n":
            drawn += line
            drawn += value
            del line[:]
            at = 0
        elif part == b"\r":
            at = 0
        elif part[:1] == b"\x08":
            at = max(0, at - len(part))
        else:
            line[at : at + len(part)] = value
            at += len(part)
    drawn += line


def _folded(text: str) -> bytes:
    """Return a byte for each character: itself, the letter it looks like, a control for what is not seen, or ``?``."""
    if text.isascii():
        return text.encode()
    letters = _letters()
    foreign = text.encode(errors="surrogatepass").translate(None, _ASCII)
    kinds = set(foreign.decode(errors="surrogatepass"))
    if len(kinds) > FEW_KINDS:
        return _FOREIGN.sub(lambda found: found[0].translate(letters), text).encode("latin-1", "replace")
    for kind in kinds:
        text = text.replace(kind, letters[ord(kind)])
    return text.encode("latin-1", "replace")


class _Letters(dict[int, str]):
    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if code >= 0x20000:
            return "\0" if 0xE0000 <= code < 0xE1000 else "?"
        if code < 0xA0:
            found = letter
        elif unicodedata.category(letter) in {"Cf", "Mn", "Me"} or letter in _FILLERS:
            found = "\0"
        else:
            plain = unicodedata.normalize("NFKC", letter)
            found = plain if len(plain) == 1 and plain.isascii() and plain.isalnum() else "?"
        self[code] = found
        return found


@cache
def _letters() -> _Letters:
    return _Letters()
