"""What this process knows of a platform that it started itself: that it stopped, and what is done about it."""

from __future__ import annotations

from sessions_app.client import errors

_word: tuple[str, str] | None = None


def away(reason: str, advice: str) -> None:
    """Note that the platform stopped, in a sentence, and another one on what that means for a person."""
    global _word
    _word = (reason, advice)


def back() -> None:
    """Note that the platform answers again."""
    global _word
    _word = None


def explained(error: errors.PlatformError | None) -> errors.PlatformError | None:
    """Return an error with what is known here in place of "cannot be reached"."""
    known = _word
    if known is None or not isinstance(error, errors.PlatformUnreachableError):
        return error
    reason, advice = known
    return errors.PlatformUnreachableError(
        reason, status=error.status, request=error.request, sent=error.sent, advice=advice
    )
