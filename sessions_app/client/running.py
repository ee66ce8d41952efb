"""What both drivers share: how a session wants things done, what a request has cost, effects other than HTTP."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .answers import Answer, error_of
from .credentials import AsyncTokens, Credential, Tokens
from .errors import NotSignedInError, PlatformError, SomeFailedError, TooSlowError
from .showing import show
from .wire import Report, Request, Show, Visit

logger = logging.getLogger("sessions_app.client")

# Waiting for a free place is no fault of the platform, so it has a bound of its own, in seconds.
PATIENCE = 60.0

TokensT = TypeVar("TokensT", AsyncTokens, Tokens)


@dataclass(frozen=True, slots=True)
class Manner(Generic[TokensT]):
    """How one session wants its operations run, and on whose behalf."""

    tokens: TokensT
    registry: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    raising: bool = False
    by_certificate: bool = False

    def credential(self, token: str | None) -> Credential:
        """Return who is calling, with this token."""
        return Credential(token, self.registry, self.by_certificate)


@dataclass(slots=True)
class Effort:
    """What a request has cost with all its attempts: time spent on the platform's side, and whether any byte left."""

    left: float = 0.0
    allowed: float = 0.0
    # Whether a part of the answer was handed on already.
    flowing: bool = False
    attempts: int = 0
    sent: bool = False
    token: str | None = field(default=None, repr=False)
    token_renewed: bool = False

    def begin(self, timeout: float) -> None:
        """Start on another request; the attempts of all are counted together."""
        self.left = self.allowed = timeout
        self.sent = self.flowing = self.token_renewed = False

    def renew(self) -> None:
        """Give the platform all its time again: something came, and a long text may take long."""
        self.left, self.flowing = self.allowed, True


def wants_new_token(result: object, effort: Effort) -> bool:
    """Whether the platform refused the token, and another was not asked for yet."""
    if effort.token_renewed or not isinstance(result, Answer) or result.status not in {400, 401}:
        return False
    return isinstance(error_of(result), NotSignedInError)


def too_slow(request: Request, effort: Effort) -> TooSlowError:
    """Return the error of a request whose time is over."""
    message = "The platform fell silent in the middle of its answer." if effort.flowing else ""
    return TooSlowError(message, request=request.label, sent=effort.sent)


def no_place(request: Request) -> TooSlowError:
    """Return the error of a request that found no free place."""
    message = "Too many requests to the platform were waiting already; nothing was sent."
    return TooSlowError(message, request=request.label)


def perform(effect: Report | Show | Visit, *, raising: bool = False) -> None:
    """Carry out what an operation wants done besides asking the platform."""
    match effect:
        case Show(text):
            show(text)
        case Visit(address):
            import webbrowser

            webbrowser.open_new_tab(address)
        case Report():
            _report(effect, raising=raising)


def _report(report: Report, *, raising: bool) -> None:
    failed = [outcome.error for outcome in report.outcomes if outcome.error is not None]
    if failed and raising:
        raise SomeFailedError(report.operation, report.results, report.outcomes)
    for error in failed:
        logger.warning("%s: %s", error.request or report.operation, error)


def settled(result: Answer | PlatformError) -> Answer:
    """Return the answer, or raise the error that took its place."""
    if isinstance(result, PlatformError):
        raise result
    return result
