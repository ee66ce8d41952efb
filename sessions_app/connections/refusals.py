"""What a platform refused, in a person's words: its own are for those who run it, and may hold a part of an id."""

from __future__ import annotations

import re

from sessions_app.client import errors
from sessions_app.connections.redaction import HIDDEN

# What only those who run a platform can read: names of classes, stack traces, structures.
_JARGON = re.compile(
    r"Principal|Exception|Error:|\bat [a-z]+\.[a-z]+|java[.x]|[{}\[\]<>]|uidNumber|\bpod\b|kube",
    re.IGNORECASE,
)
_WHO = re.compile(r"\w*Principal\s*\[[^\]]*\]?")
# The client cuts an id that it knows to two letters and three dots.
_ID_PARTS = re.compile(r"\b[0-9a-z]{2}…")
_KNOWN = (
    (re.compile(r"no active job", re.IGNORECASE), "It cannot be renewed: it has ended or not begun."),
    (re.compile(r"has reached the maximum of", re.IGNORECASE), str(errors.QuotaError.summary)),
)
# A request line or its headers that a server between here and the sessions does not take.
_TOO_LONG_STATUS = {413, 414, 431}
_TOO_LONG_WORDS = re.compile(
    r"\b(?:request|uri|url|header)\b.{0,60}\btoo (?:large|long)|too (?:large|long).{0,40}\b(?:header|uri)",
    re.IGNORECASE | re.DOTALL,
)
TOO_LONG = (
    "This is too long for the platform, which takes command, arguments and variables in one line of a request. "
    "Put the longer part into a file of your storage and run that."
)


def is_too_long(error: Exception | None) -> bool:
    """Say whether a request was refused because its line or headers are too long."""
    status, detail = getattr(error, "status", None), getattr(error, "detail", "")
    return status in _TOO_LONG_STATUS or (status == 400 and bool(_TOO_LONG_WORDS.search(detail)))


def sentence(error: Exception | None) -> str:
    """Return what went wrong; the platform's own words only where a person can read them."""
    if is_too_long(error):
        return TOO_LONG
    detail = getattr(error, "detail", "")
    if not detail:
        return str(error)
    for pattern, words in _KNOWN:
        if pattern.search(detail):
            return words
    if isinstance(error, errors.NotFoundError):
        return "The platform no longer lists it."
    if _JARGON.search(detail) or _ID_PARTS.search(detail):
        return str(getattr(error, "summary", "The platform did not do this."))
    return str(error)


def said(error: Exception | None) -> str:
    """Return an error as a sentence with what to do."""
    words, advice = sentence(error), getattr(error, "advice", "")
    if (
        isinstance(error, errors.NotFoundError)
        or words == TOO_LONG
        or words in {known for _, known in _KNOWN[:1]}
    ):
        return words
    return f"{words} {advice}".strip() if advice and advice not in words else words


def raw(error: Exception | None, *secrets: str) -> str:
    """Return the platform's own words where the sentence leaves them out, without anybody's id."""
    detail = str(getattr(error, "detail", ""))
    if not detail or detail in sentence(error):
        return ""
    return words(error, *secrets)


def words(error: Exception | None, *secrets: str) -> str:
    """Return what the platform itself said, without anybody's id."""
    detail = str(getattr(error, "detail", ""))
    for secret in secrets:
        detail = detail.replace(secret, HIDDEN) if secret else detail
    return _ID_PARTS.sub(HIDDEN, _WHO.sub("you", detail))[:700]
