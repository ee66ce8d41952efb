"""What this process knows of a platform that it started itself: that it stopped, and what is done about it."""

from __future__ import annotations

import time

from sessions_app.client import errors

# Seconds for which an error may still be from before the platform came back.
AFTERWARDS = 10.0
CAME_BACK = (
    "The local platform stopped, and was started again.",
    "It is being asked now.",
)

_word: tuple[str, str] | None = None
_until = float("inf")


def away(reason: str, advice: str) -> None:
    """Note that the platform stopped, in a sentence, and another one on what that means for a person."""
    global _word, _until
    _word, _until = (reason, advice), float("inf")


def back() -> None:
    """Note that the platform answers again."""
    global _word, _until
    _word, _until = CAME_BACK, time.monotonic() + AFTERWARDS


def explained(error: errors.PlatformError | None) -> errors.PlatformError | None:
    """Return an error with what is known here in place of "cannot be reached"."""
    known = _word if time.monotonic() < _until else None
    if known is None or not isinstance(error, errors.PlatformUnreachableError):
        return error
    reason, advice = known
    return errors.PlatformUnreachableError(
        reason, status=error.status, request=error.request, sent=error.sent, advice=advice
    )
