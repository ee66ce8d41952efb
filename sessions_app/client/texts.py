"""Texts from outside made fit to be shown: decoded, bounded, without control characters, markup or secrets."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable

# Encodings a platform may name. Python knows stranger ones that are slow or are no text at all.
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1", "windows-1252"}
_UNSEEN_BLOCKS = re.compile(r"<(script|style|head)\b[^<>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"<[^<>]*>")
# More than this is never looked at when a sentence is made of an answer.
_LOOKED_AT = 8192
_SHORTEST_SECRET = 6


def decoded(body: bytes, content_type: str) -> str:
    """Decode a text as its Content-Type says, else as UTF-8, with U+FFFD for what does not fit."""
    named = re.search(r"charset=[\"']?([\w.:-]+)", content_type, re.IGNORECASE)
    charset = named[1].lower() if named else "utf-8"
    return body.decode(charset if charset in _CHARSETS else "utf-8", errors="replace")


def plain(text: str, limit: int = 500) -> str:
    """Return the text on one line, without control or direction characters, cut at ``limit``.

    >>> plain("no\\x1b[31m such\\n  thing")
    'no [31m such thing'
    """
    seen = text[:_LOOKED_AT]
    if not seen.isprintable():
        seen = "".join(_shown(character) for character in seen)
    line = " ".join(seen.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def sentence(body: bytes, content_type: str, secrets: Iterable[str] = ()) -> str:
    """Return what an answer's body says, as plain text: markup is taken out, secrets are made unreadable."""
    # One more than is looked at tells a body that was cut from one that was not.
    text = decoded(body[: 4 * _LOOKED_AT], content_type)[:_LOOKED_AT]
    if "html" in content_type.lower() or text.lstrip()[:1] == "<":
        text = without_markup(text)
    return plain(without(text, secrets))


def without_markup(text: str) -> str:
    """Return the readable part of a page. What looks like a tag after unescaping goes too."""
    visible = _TAGS.sub(" ", _UNSEEN_BLOCKS.sub(" ", text))
    return _TAGS.sub(" ", html.unescape(visible))


def without(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret cut down to its first characters."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, shortened(secret))
    return text


def shortened(secret: str) -> str:
    """Return enough of a secret to tell it from its neighbours, and no more.

    >>> shortened("hgd7k2mq")
    'hg…'
    """
    return f"{secret[:2]}…"


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    if category == "Cf":
        return ""
    return "\N{REPLACEMENT CHARACTER}" if category == "Cs" else character
