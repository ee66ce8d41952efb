"""What operations ask for and get back. Plain data: nothing here sends anything."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import urlencode, urlsplit

from .errors import NotFoundError, PlatformError
from .texts import shortened

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

JSON_LIMIT = 8 * 1024**2
LOG_LIMIT = 16 * 1024**2
SMALL_LIMIT = 64 * 1024

_SESSION_ID = re.compile(r"[a-z0-9]{1,63}")
_VERSION = re.compile(r"/v[0-9.]+$")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, relative to the platform's address. Its ``repr`` shows neither id nor parameters."""

    method: str
    path: str
    session_id: str | None = field(default=None, repr=False)
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    max_bytes: int = JSON_LIMIT
    retry: bool = True
    beside_version: bool = False
    below: str = ""
    """What follows the id in the path: nothing, ``app`` or ``app/{id}``."""

    @property
    def target(self) -> str:
        """Return path and query as they go on the wire, all parameters in the query."""
        path = self.path if self.session_id is None else f"{self.path}/{self.session_id}"
        path = f"{path}/{self.below}" if self.below else path
        return f"{path}?{urlencode(self.params)}" if self.params else path

    @property
    def label(self) -> str:
        """Return how this request is called in messages and logs."""
        path = self.path if self.session_id is None else f"{self.path}/{shortened(self.session_id)}"
        path = f"{path}/app" if self.below else path
        views = [value for name, value in self.params if name in {"view", "action"}]
        return f"{self.method} {path} ({views[0]})" if views else f"{self.method} {path}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what must not be repeated when the platform repeats it: the id, and the values of variables."""
        values = (value.partition("=")[2] for name, value in self.params if name == "env")
        return (self.session_id, *values) if self.session_id else tuple(values)

    @property
    def idempotent(self) -> bool:
        """Whether asking twice does no more than asking once."""
        return self.method in {"GET", "DELETE"}

    @property
    def repeatable(self) -> bool:
        """Whether to ask again when an answer was lost or the platform was in trouble."""
        return self.retry and self.idempotent

    @property
    def creating(self) -> bool:
        """Whether this launches a session or an app, and so names an image."""
        return self.method == "POST" and (self.session_id is None or self.below == "app")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T_co]):
    """What became of one item of many: a value, or the error that took its place.

    Its ``repr`` shows neither the item, which may be a session id, nor the value.
    """

    item: Any = field(repr=False)
    value: T_co | None = field(default=None, repr=False)
    error: PlatformError | None = None
    attempts: int = 1

    @property
    def ok(self) -> bool:
        """Whether it worked."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Independent operations to run side by side; answered by one outcome each, in order."""

    parts: Sequence[tuple[Any, Operation[T]]]


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the caller which items failed: in the log, or by raising if that was asked for."""

    operation: str
    results: Any
    outcomes: Sequence[Outcome[Any]]


@dataclass(frozen=True, slots=True)
class Show:
    """Write a text to standard output."""

    text: str


@dataclass(frozen=True, slots=True)
class Visit:
    """Open an address in the user's browser."""

    address: str = field(repr=False)


Command: TypeAlias = "Request | Batch[Any] | Report | Show | Visit"
Operation: TypeAlias = Generator[Command, Any, T]


def checked_id(session_id: str) -> str:
    """Return the id if it may stand in a path; raise ``NotFoundError``, with nothing sent, if it cannot be one.

    >>> checked_id("hgd7k2mq")
    'hgd7k2mq'
    """
    if _SESSION_ID.fullmatch(session_id) is None:
        raise NotFoundError("This is not the id of a session; nothing was sent.")
    return session_id


def is_session_id(text: str) -> bool:
    """Whether the text can be the id of a session."""
    return _SESSION_ID.fullmatch(text) is not None


def base_address(*, url: str | None = None, server: str | None = None, version: str = "v1") -> str:
    """Return the platform's address, version included, from either spelling of it.

    >>> base_address(server="https://host/skaha/", version="v1")
    'https://host/skaha/v1'
    """
    if (url is None) == (server is None):
        raise TypeError("Give the platform's address as url=, or as server= and version=; one of the two.")
    address = (url if url is not None else f"{(server or '').rstrip('/')}/{version.strip('/')}") or ""
    parts = urlsplit(address)
    # Reading the port checks it.
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("The platform's address must begin with http:// or https:// and name a host.")
    if parts.username is not None or parts.query or parts.fragment or not address.isascii():
        raise ValueError("The platform's address must hold neither user, query nor fragment, in plain ASCII.")
    if re.search(r"[\x00-\x20\x7f\\]|/\.\.?(/|$)", address):
        raise ValueError("The platform's address holds characters that do not belong in one.")
    return address.rstrip("/")


def absolute(base: str, request: Request) -> str:
    """Return the whole address of a request."""
    root = _VERSION.sub("", base) if request.beside_version else base
    return f"{root}/{request.target}"
