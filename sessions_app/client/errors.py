"""What can go wrong, as one small tree.

::

    PlatformError                     something was asked of the platform and did not work
    ├── NotSignedInError              401: the credential is missing, wrong or expired
    ├── NotAllowedError               403: this person may not
    ├── NotFoundError                 404: no such session, or not theirs
    ├── RefusedError                  any other 4xx, with the platform's reason
    │   └── QuotaError                as many sessions as this person may have
    ├── PlatformFailedError           500: the platform made a mistake
    ├── PlatformUnreachableError      no connection, a broken one, no name, no trust; 502 and 504
    │   └── PlatformUnavailableError  503: it says that it cannot now
    ├── TooSlowError                  the time given was not enough
    ├── NotUnderstoodError            an answer, but not one of this API
    ├── TooLargeError                 an answer beyond its byte cap
    └── SomeFailedError               some items of many, when a session was made with ``errors="raise"``

    InvalidArgumentError (ValueError) the caller's mistake, found before anything was sent

``str(error)`` is a sentence for a person and ``error.advice`` says what to do. No message holds a token, a whole
session id or the values of a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .wire import Outcome


class PlatformError(Exception):
    """Something was asked of the platform and did not work."""

    summary: ClassVar[str] = "The platform did not do this."
    usual_advice: ClassVar[str] = "Try again in a moment."

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        detail: str = "",
        request: str = "",
        sent: bool = False,
        retry_after: float | None = None,
        advice: str = "",
    ) -> None:
        said = message or self.summary
        super().__init__(f"{said} It says: {detail}" if detail else said)
        self.status = status
        """The HTTP status, where there was an answer."""
        self.detail = detail
        """The platform's own words, bounded and cleaned."""
        self.request = request
        """What was asked, such as ``GET session/hg…``."""
        self.sent = sent
        """Whether any of the request may have left: if so, a write may have been carried out."""
        self.retry_after = retry_after
        """Seconds after which the platform wants to be asked again, where it says."""
        self.advice = advice or self.usual_advice
        """One sentence on what to do."""


class NotSignedInError(PlatformError):
    """The credential is missing, wrong or expired."""

    summary = "The platform does not accept this sign-in."
    usual_advice = "Sign in again."


class NotAllowedError(PlatformError):
    """This person may not."""

    summary = "The platform does not allow this."
    usual_advice = "Ask those who run the platform whether your account may use it."


class NotFoundError(PlatformError):
    """There is no such session, or it belongs to somebody else: the platform does not tell which."""

    summary = "The platform knows of no such thing."
    usual_advice = "It may have ended; look at the list again."


class RefusedError(PlatformError):
    """The platform understood the request and refuses it, with a reason."""

    summary = "The platform refused."
    usual_advice = "Change what it names and try again."


class QuotaError(RefusedError):
    """This person has as many sessions as they may have."""

    summary = "You have as many sessions as the platform allows."
    usual_advice = "End one of your sessions, then try again."


class PlatformFailedError(PlatformError):
    """The platform made a mistake."""

    summary = "The platform failed at this."
    usual_advice = "Try again later; if it stays so, tell those who run the platform."


class PlatformUnreachableError(PlatformError):
    """No answer came through: no connection, a broken one, an unknown name, no trust, or a gateway's error."""

    summary = "The platform cannot be reached."


class PlatformUnavailableError(PlatformUnreachableError):
    """The platform says that it cannot do this now. For ``stats`` that is a normal answer."""

    summary = "The platform cannot do this at the moment."


class TooSlowError(PlatformError):
    """The time given was not enough."""

    summary = "The platform took too long to answer."


class NotUnderstoodError(PlatformError):
    """There was an answer, but not one of this API."""

    summary = "The platform's answer was not understood."
    usual_advice = "Try again; if it stays so, check that the address is that of a session service."


class TooLargeError(PlatformError):
    """The answer was longer than this call takes in."""

    summary = "The platform's answer is too large."
    usual_advice = "Ask for less; read a long log as a stream."


class SomeFailedError(PlatformError):
    """Some items of a call over many failed. Raised only by a session made with ``errors="raise"``."""

    def __init__(self, operation: str, results: Any, outcomes: Sequence[Outcome[Any]]) -> None:
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        first = failed[0].error if failed else None
        super().__init__(f"{len(failed)} of {len(outcomes)} failed in {operation}. First: {first}")
        self.operation = operation
        self.results = results
        """What the call would have returned."""
        self.outcomes = list(outcomes)
        """What became of each item, in order."""
        self.sent = any(outcome.error.sent for outcome in failed if outcome.error)
        self.advice = first.advice if first else self.advice


class InvalidArgumentError(ValueError):
    """An argument cannot be right; nothing was sent."""
