"""Who is calling: bearer token, client certificate, registry secret. Nothing is read from the environment.

A credential belongs to one person and travels on their requests only; a pool, which all people share, holds none.
"""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .loops import PerLoop

if TYPE_CHECKING:
    import asyncio
    import ssl

AsyncProvider = Callable[[], Awaitable[str]]
Provider = Callable[[], str]

_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")


@dataclass(frozen=True, slots=True)
class Credential:
    """The headers that say who is calling. Nothing in its ``repr``."""

    token: str | None = field(default=None, repr=False)
    registry: str | None = field(default=None, repr=False)
    by_certificate: bool = False

    def headers(self, *, creating: bool = False) -> dict[str, str]:
        """Return the headers of one request; the registry's secret goes where images are named, nowhere else."""
        given = {}
        if self.token:
            given["Authorization"] = f"Bearer {self.token}"
            given["X-Skaha-Authentication-Type"] = "RUNTIME-TOKEN"
        elif self.by_certificate:
            given["X-Skaha-Authentication-Type"] = "RUNTIME-X509"
        if self.registry and creating:
            given["X-Skaha-Registry-Auth"] = self.registry
        return given

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what no message may repeat."""
        return tuple(secret for secret in (self.token, self.registry) if secret)


class AsyncTokens:
    """Hold one person's token; ask the provider anew when the platform refuses it, once for all waiting calls."""

    def __init__(self, source: str | AsyncProvider | None) -> None:
        self._provider = source if callable(source) else None
        self._token = None if callable(source) else checked_token(source)
        self._locks = PerLoop(_lock)

    @property
    def renewable(self) -> bool:
        """Whether there is somebody to ask for another token."""
        return self._provider is not None

    async def current(self) -> str | None:
        """Return the token in use, asking for the first one if there is a provider."""
        if self._token is None and self._provider is not None:
            return await self.instead_of(None)
        return self._token

    async def instead_of(self, refused: str | None) -> str | None:
        """Return a token other than the refused one; who comes while it is fetched shares it."""
        async with self._locks.here():
            if self._token in {None, refused} and self._provider is not None:
                # Where there is no other one, the refused one is not sent again either.
                self._token = None
                self._token = provided_token(await self._provider())
            return self._token


class Tokens:
    """As ``AsyncTokens``, for the blocking session."""

    def __init__(self, source: str | Provider | None) -> None:
        self._provider = source if callable(source) else None
        self._token = None if callable(source) else checked_token(source)
        self._lock = threading.Lock()

    @property
    def renewable(self) -> bool:
        """Whether there is somebody to ask for another token."""
        return self._provider is not None

    def current(self) -> str | None:
        """Return the token in use, asking for the first one if there is a provider."""
        if self._token is None and self._provider is not None:
            return self.instead_of(None)
        return self._token

    def instead_of(self, refused: str | None) -> str | None:
        """Return a token other than the refused one; who comes while it is fetched shares it."""
        with self._lock:
            if self._token in {None, refused} and self._provider is not None:
                self._token = None
                self._token = provided_token(self._provider())
            return self._token


def checked_token(token: str | None) -> str | None:
    """Return the token if a header can carry it. The error does not show it."""
    if token is None:
        return None
    if token == "":
        # Most often a variable that is not set; nobody means to be nobody by it.
        raise ValueError("The token is empty. Leave it out, or give None, to ask without one.")
    if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
        raise ValueError("A token is one line of plain ASCII without blanks, at most 64 KiB long.")
    return token


def provided_token(token: str | None) -> str:
    """Return the token that somebody's function gave; none at all is their mistake, and nothing is sent without."""
    if checked := checked_token(token):
        return checked
    raise ValueError("The function that gives the token gave none; nothing was sent.")


def _lock() -> asyncio.Lock:
    import asyncio

    return asyncio.Lock()


def registry_header(registry: tuple[str, str] | None) -> str | None:
    """Return a registry's user and secret as the platform takes them.

    >>> registry_header(("ann", "s3cret"))
    'YW5uOnMzY3JldA=='
    """
    if registry is None:
        return None
    user, secret = registry
    if not user or ":" in user:
        raise ValueError("A registry's user name is not empty and holds no colon.")
    return base64.b64encode(f"{user}:{secret}".encode()).decode("ascii")


def load_certificate(context: ssl.SSLContext, certificate: str | Path | bytes) -> None:
    """Load a PEM with certificate and key, from a path or from memory, into a TLS context."""
    import ssl

    try:
        if isinstance(certificate, bytes):
            _load_from_memory(context, certificate)
        else:
            context.load_cert_chain(_existing(certificate), password=_no_password)
    except ssl.SSLError:
        where = "what was given" if isinstance(certificate, bytes) else certificate
        raise ValueError(f"There is no certificate with its key, as PEM, in {where}.") from None


def _existing(certificate: str | Path) -> Path:
    path = Path(certificate).expanduser()
    if not str(certificate) or not path.is_file():
        raise FileNotFoundError(f"There is no certificate at {str(certificate)!r}.")
    return path


def _load_from_memory(context: ssl.SSLContext, pem: bytes) -> None:
    # Python's ssl reads keys from files only; this one has no name and never touches a disk.
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    finally:
        os.close(descriptor)


def _no_password() -> str:
    raise ValueError("The certificate's key is encrypted; give one that is not.")
