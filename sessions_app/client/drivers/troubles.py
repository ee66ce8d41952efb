"""What comes between us and an answer, in our words. The libraries' own may hold the address, so they stay here."""

from __future__ import annotations

import socket
import ssl

import httpx

from ..errors import NotUnderstoodError, PlatformError, PlatformUnreachableError
from ..running import Effort, too_slow
from ..wire import Request

TROUBLE = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
TELL = "Trying again changes nothing: tell those who run this portal or the platform."
_NOT_TRUSTED = "is not accepted here"
# By what OpenSSL calls it (X509_V_ERR_…).
_WHY_NOT_TRUSTED = {
    9: "is not valid yet",
    10: "has expired",
    18: "vouches for itself only",
    19: "is signed by an authority that is not known here",
    20: "is signed by an authority that is not known here",
    62: "is for another name",
    64: "is for another address",
}
_BEFORE_SENDING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def trouble(problem: BaseException, request: Request, effort: Effort) -> PlatformError:
    """Return the error that a problem of the library's stands for."""
    if isinstance(problem, _BEFORE_SENDING):
        effort.sent = False
    if isinstance(problem, httpx.TimeoutException):
        return too_slow(request, effort)
    if _is_no_http(problem):
        message = f"{NotUnderstoodError.summary} It is not HTTP."
        return NotUnderstoodError(message, request=request.label, sent=effort.sent)
    words, advice = _words(problem)
    return PlatformUnreachableError(words, request=request.label, sent=effort.sent, advice=advice)


def _is_no_http(problem: BaseException) -> bool:
    if not isinstance(problem, httpx.RemoteProtocolError):
        return False
    return not str(problem).startswith(("Server disconnected", "peer closed"))


def _words(problem: BaseException) -> tuple[str, str]:
    """Return what happened, and what to do where that is not the usual."""
    causes = _causes(problem)
    if any(isinstance(each, httpx.ProxyError) for each in causes):
        return "The proxy on the way to the platform does not let us through, or cannot be reached.", TELL
    if any(isinstance(cause, ssl.CertificateError) for cause in causes):
        codes = [getattr(cause, "verify_code", None) for cause in causes]
        why = next((_WHY_NOT_TRUSTED[code] for code in codes if code in _WHY_NOT_TRUSTED), _NOT_TRUSTED)
        return f"No secure connection to the platform was made: its certificate {why}.", TELL
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "No secure connection to the platform could be made: its TLS is not accepted.", TELL
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "The platform cannot be reached: its name is not known.", ""
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "The platform cannot be reached: nothing answers at its address.", ""
    if isinstance(problem, _BEFORE_SENDING):
        return PlatformUnreachableError.summary, ""
    return "The connection to the platform broke off before the answer was whole.", ""


def _causes(problem: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    cause: BaseException | None = problem
    while cause is not None and len(causes) < 8:
        causes.append(cause)
        # aiohttp keeps what it was told by TLS beside the cause.
        told = getattr(cause, "certificate_error", None)
        if isinstance(told, BaseException):
            causes.append(told)
        # httpcore raises its own from None, and the cause is left as the context.
        is_httpcores = type(cause).__module__.startswith("httpcore")
        cause = cause.__context__ if is_httpcores else cause.__cause__
    return causes
