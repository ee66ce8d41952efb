"""What comes between us and an answer, in our words. The libraries' own may hold the address, so they stay here."""

from __future__ import annotations

import socket
import ssl

import httpx

from ..errors import NotUnderstoodError, PlatformError, PlatformUnreachableError
from ..running import Effort, too_slow
from ..wire import Request

TROUBLE = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def trouble(problem: BaseException, request: Request, effort: Effort) -> PlatformError:
    """Return the error that a problem of the library's stands for."""
    if isinstance(problem, _BEFORE_SENDING):
        effort.sent = False
    if isinstance(problem, httpx.TimeoutException):
        return too_slow(request, effort)
    if _is_no_http(problem):
        message = f"{NotUnderstoodError.summary} It is not HTTP."
        return NotUnderstoodError(message, request=request.label, sent=effort.sent)
    return PlatformUnreachableError(_words(problem), request=request.label, sent=effort.sent)


def _is_no_http(problem: BaseException) -> bool:
    if not isinstance(problem, httpx.RemoteProtocolError):
        return False
    return not str(problem).startswith(("Server disconnected", "peer closed"))


def _words(problem: BaseException) -> str:
    causes: list[BaseException] = []
    cause: BaseException | None = problem
    while cause is not None and len(causes) < 8:
        causes.append(cause)
        # httpcore raises its own from None, and the cause is left as the context.
        is_httpcores = type(cause).__module__.startswith("httpcore")
        cause = cause.__context__ if is_httpcores else cause.__cause__
    if any(isinstance(cause, ssl.SSLError | ssl.CertificateError) for cause in causes):
        return (
            "No secure connection to the platform could be made: its certificate or its TLS is not accepted."
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "The platform cannot be reached: its name is not known."
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "The platform cannot be reached: nothing answers at its address."
    if isinstance(problem, _BEFORE_SENDING):
        return PlatformUnreachableError.summary
    return "The connection to the platform broke off before the answer was whole."
