"""What came back: reading a body within bounds, and saying which error an answer stands for."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from .errors import (
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    NotUnderstoodError,
    PlatformError,
    PlatformFailedError,
    PlatformUnavailableError,
    PlatformUnreachableError,
    QuotaError,
    RefusedError,
    TooLargeError,
)
from .texts import decoded, sentence
from .wire import SMALL_LIMIT, Request

# Headers that mean something to us; the rest, cookies above all, is dropped where it arrives.
KEPT_HEADERS = frozenset(
    {"content-type", "content-encoding", "retry-after", "www-authenticate", "x-vo-authenticated"}
)
LONGEST_RETRY_AFTER = 3600.0
# A small text can hold millions of values. A platform's longest lists have some ten thousands.
MOST_JSON_VALUES = 200_000
_STEP = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of any status, its body inflated."""

    request: Request
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def content_type(self) -> str:
        """Return the Content-Type, or an empty string."""
        return self.headers.get("content-type", "")

    def text(self) -> str:
        """Return the body as text; a web page is not an answer of this API."""
        if "html" in self.content_type.lower():
            self.give_up("It is a web page.")
        return decoded(self.body, self.content_type)

    def json(self) -> Any:
        """Return the parsed body; anything that is not sound JSON is ``NotUnderstoodError``."""
        if sum(map(self.body.count, (b"{", b"[", b","))) > MOST_JSON_VALUES:
            raise TooLargeError(status=self.status, request=self.request.label, sent=True)
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            self.give_up("It is no sound JSON.")

    def give_up(self, why: str) -> NoReturn:
        """Raise ``NotUnderstoodError`` with the reason."""
        message = f"{NotUnderstoodError.summary} {why}"
        raise NotUnderstoodError(message, status=self.status, request=self.request.label, sent=True)

    def checked(self) -> Answer:
        """Return this answer if it is a success, else raise the error that it stands for."""
        if 200 <= self.status < 300:
            return self
        raise error_of(self)


def error_of(answer: Answer) -> PlatformError:
    """Return the error that an answer without success stands for."""
    kind = _kind_of(answer)
    message = ""
    if 300 <= answer.status < 400:
        message = "The platform answered with a redirect to another address, which is not followed."
    after = retry_after(answer.headers.get("retry-after", ""))
    secrets = (*answer.request.secrets, *answer.secrets)
    return kind(
        message,
        status=answer.status,
        detail="" if message else sentence(answer.body, answer.content_type, secrets),
        request=answer.request.label,
        sent=True,
        retry_after=after,
        advice=f"Try again in {after:.0f} seconds." if after and answer.status in {429, 503} else "",
    )


def _kind_of(answer: Answer) -> type[PlatformError]:
    by_status: dict[int, type[PlatformError]] = {
        401: NotSignedInError,
        403: NotAllowedError,
        404: NotFoundError,
        502: PlatformUnreachableError,
        503: PlatformUnavailableError,
        504: PlatformUnreachableError,
    }
    if answer.status in by_status:
        return by_status[answer.status]
    if answer.status == 400:
        return _kind_of_400(answer)
    if 400 <= answer.status < 500:
        return RefusedError
    return PlatformFailedError if answer.status >= 500 else NotUnderstoodError


def _kind_of_400(answer: Answer) -> type[PlatformError]:
    # From 1.4.0 on the platform answers 400, not 401, to a request without a credential.
    if "www-authenticate" in answer.headers and "x-vo-authenticated" not in answer.headers:
        return NotSignedInError
    return QuotaError if b"has reached the maximum of" in answer.body else RefusedError


def retry_after(header: str) -> float | None:
    """Return a Retry-After header, in either of its forms, as seconds between 0 and an hour.

    >>> retry_after("30")
    30.0
    """
    header = header.strip()
    if header.isascii() and header.isdigit():
        return min(float(header[:12]), LONGEST_RETRY_AFTER)
    # Dates are rare, and what reads them is slow to import.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(header)
        # A date without a zone is UTC: that is all HTTP knows.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0.0, min(seconds, LONGEST_RETRY_AFTER))


class Body:
    """Take in a body piece by piece, inflate it in small steps and stop at a cap.

    A compressed body is limited on the wire too: one that never inflates to anything would otherwise never end.
    """

    def __init__(self, request: Request, status: int, headers: Mapping[str, str], limit: int) -> None:
        self._request, self._status = request, status
        self._limit, self._taken, self._wire = limit, 0, 0
        self._inflate = self._inflater(headers.get("content-encoding", ""))
        self.truncated = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what the piece holds, up to the cap; after that ``truncated`` is set."""
        self._wire += len(chunk)
        for piece in self._inflated(chunk) if self._inflate else (chunk,):
            room = self._limit - self._taken
            if len(piece) > room:
                self.truncated = True
                piece = piece[:room]
            self._taken += len(piece)
            if piece:
                yield piece
            if self.truncated:
                return
        if self._inflate and self._wire > self._limit + SMALL_LIMIT:
            self.truncated = True

    def finish(self) -> None:
        """Check that a compressed body came to its end."""
        if self._inflate and self._wire and not self._inflate.eof and not self.truncated:
            raise self._unsound("Its compressed body is cut short.")

    def _inflater(self, encoding: str) -> zlib._Decompress | None:
        match encoding.strip().lower():
            case "" | "identity":
                return None
            case "gzip" | "x-gzip":
                return zlib.decompressobj(wbits=31)
        raise self._unsound("Its body is encoded in a way that was not asked for.")

    def _inflated(self, chunk: bytes) -> Iterator[bytes]:
        assert self._inflate is not None
        try:
            full_step = False
            # A full step may have left output behind although all of the input was taken.
            while chunk or full_step:
                if self._inflate.eof and chunk:
                    self._inflate = zlib.decompressobj(wbits=31)
                piece = self._inflate.decompress(chunk, _STEP)
                yield piece
                full_step = len(piece) == _STEP
                chunk = self._inflate.unconsumed_tail or self._inflate.unused_data
        except zlib.error:
            raise self._unsound("Its compressed body is damaged.") from None

    def _unsound(self, why: str) -> NotUnderstoodError:
        message = f"{NotUnderstoodError.summary} {why}"
        return NotUnderstoodError(message, status=self._status, request=self._request.label, sent=True)


class Collector:
    """Collect a whole body. An error's body is cut at its cap; a result beyond its cap is ``TooLargeError``."""

    def __init__(self, request: Request, status: int, headers: Mapping[str, str]) -> None:
        self._request, self._status, self._headers = request, status, headers
        self._wanted = 200 <= status < 300
        limit = request.max_bytes if self._wanted else SMALL_LIMIT
        self._body = Body(request, status, headers, limit)
        self._pieces: list[bytes] = []

    @property
    def full(self) -> bool:
        """Whether the rest of the body need not be read."""
        return self._body.truncated

    def feed(self, chunk: bytes) -> None:
        """Take in a piece."""
        self._pieces.extend(self._body.feed(chunk))

    def answer(self, secrets: tuple[str, ...] = ()) -> Answer:
        """Return the whole answer."""
        self._body.finish()
        if self._body.truncated and self._wanted:
            raise TooLargeError(status=self._status, request=self._request.label, sent=True)
        return Answer(self._request, self._status, self._headers, b"".join(self._pieces), secrets)


def kept(headers: Any) -> dict[str, str]:
    """Return the headers that mean something to us, named in lower case."""
    return {name.lower(): value for name, value in headers if name.lower() in KEPT_HEADERS}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
