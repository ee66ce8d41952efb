"""``AsyncSession`` and ``Session``: the same words, one to be awaited. Each borrows them from ``operations``."""

from __future__ import annotations

import copy
import logging
import os
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self
from warnings import warn

from . import operations
from .borrowing import Awaiting, Blocking, awaited, blocking
from .credentials import AsyncProvider, AsyncTokens, Provider, Tokens, registry_header
from .facets import Apps, AsyncApps, AsyncOutcomes, Outcomes
from .pools import USUAL_CONCURRENCY, AsyncPool, Pool
from .running import Manner
from .wire import LOG_LIMIT

if TYPE_CHECKING:
    from .drivers.asynchronous import AsyncTransport
    from .drivers.blocking import Transport
    from .drivers.timing import Chunks
    from .drivers.waiting import AsyncChunks

LONGEST_TIMEOUT = 300.0


class AsyncSession(Awaiting):
    """One person's sessions on one platform.

    The platform is named by ``url``, version included, or by ``server`` and ``version``, or comes with a ``pool``
    that many sessions share. ``token`` is a bearer token or an async function that returns one; it is called for the
    first request and again when the platform refuses what it gave. ``timeout`` bounds, in seconds, what a request may
    spend on the platform's side with all its attempts; waiting for a free place does not count. ``errors="raise"``
    makes calls over many items raise ``SomeFailedError`` once all were tried; else failures are logged and left out.

    >>> async with AsyncSession(server="https://host/skaha", version="v1", token="secret") as session:
    ...     print(session)
    AsyncSession(url='https://host/skaha/v1')
    """

    def __init__(
        self,
        *,
        server: str | None = None,
        version: str = "v1",
        url: str | None = None,
        token: str | AsyncProvider | None = None,
        certificate: str | Path | bytes | None = None,
        registry: tuple[str, str] | None = None,
        timeout: float = 30,
        concurrency: int = USUAL_CONCURRENCY,
        loglevel: int | str | None = None,
        errors: Literal["ignore", "raise"] = "ignore",
        transport: AsyncTransport | None = None,
        pool: AsyncPool | None = None,
    ) -> None:
        _set_level(loglevel)
        _check_pool(pool, server, url, certificate, transport, concurrency, version)
        self._owns_pool = pool is None
        self._manner = Manner(
            AsyncTokens(token),
            registry_header(registry),
            _seconds(timeout),
            _is_raising(errors),
            _by_certificate(token, certificate, pool),
        )
        self._pool = pool or AsyncPool(
            url=url,
            server=server,
            version=version,
            concurrency=concurrency,
            certificate=certificate,
            transport=transport,
        )

    @classmethod
    def from_environment(
        cls,
        *,
        loglevel: int | str | None = None,
        errors: Literal["ignore", "raise"] = "ignore",
        transport: AsyncTransport | None = None,
    ) -> Self:
        """Make a session of what the environment says. Nothing else here reads it.

        ``CANFAR_URL`` names the platform, version included, and ``CANFAR_TOKEN`` or ``CANFAR_CERTIFICATE`` says who is
        calling. Without any of these, the released client's ``~/.canfar/config.yaml`` is read, of version 1 or 2, which
        takes PyYAML. ``CANFAR_TIMEOUT``, ``CANFAR_CONCURRENCY``, ``CANFAR_REGISTRY__USERNAME`` and
        ``CANFAR_REGISTRY__SECRET`` count with either.

        >>> async with AsyncSession.from_environment() as session:
        ...     print(len(await session.fetch()))
        3
        """
        from .environment import surroundings

        found = surroundings(os.environ, Path.home()).arguments()
        return cls(**found, loglevel=loglevel, errors=errors, transport=transport)

    fetch = awaited(operations.fetch)
    stats = awaited(operations.stats)
    info = awaited(operations.info)
    logs = awaited(operations.logs)
    create = awaited(operations.create)
    events = awaited(operations.events)
    destroy = awaited(operations.destroy)
    destroy_with = awaited(operations.destroy_with)
    connect = awaited(operations.connect)
    renew = awaited(operations.renew)
    images = awaited(operations.images)
    image_details = awaited(operations.image_details)
    context = awaited(operations.context)
    repositories = awaited(operations.repositories)
    availability = awaited(operations.availability)
    whoami = awaited(operations.whoami)

    @property
    def outcomes(self) -> AsyncOutcomes:
        """The calls over many items, with one outcome for each."""
        return AsyncOutcomes(self)

    def apps(self, session_id: str) -> AsyncApps:
        """Return the apps of a desktop session: to list, attach, describe and end them.

        >>> [app["appid"] for app in await session.apps("dk000001").fetch()]
        ['x1y']
        """
        return AsyncApps(self, session_id)

    def stream_logs(
        self, session_id: str, *, max_bytes: int = LOG_LIMIT
    ) -> AbstractAsyncContextManager[AsyncChunks]:
        """Open one log, inflated piece by piece as it arrives, up to ``max_bytes``.

        >>> async with session.stream_logs("nb000001") as chunks:
        ...     print(b"".join([piece async for piece in chunks]), chunks.truncated)
        b'ready\\n' False
        """
        return self._pool.driver.stream(operations.log_request(session_id, max_bytes), self._manner)

    def within(self, seconds: float) -> Self:
        """Return this session with another ``timeout``; both share everything else.

        >>> len(await session.within(5).fetch())
        3
        """
        other = copy.copy(self)
        other._manner = replace(self._manner, timeout=_seconds(seconds))
        # Closing it must not close the connections of the one it came from.
        other._owns_pool = False
        return other

    async def aclose(self) -> None:
        """Close the connections, unless they belong to a shared pool."""
        if self._owns_pool:
            await self._pool.aclose()

    async def __aenter__(self) -> Self:
        """Return the session; it is closed at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
        await self.aclose()

    def __repr__(self) -> str:
        """Name the platform, and nothing of the credential."""
        return f"AsyncSession(url={self._pool.url!r})"


class Session(Blocking):
    """One person's sessions on one platform, for programs that block. It may be shared by threads.

    All is as with ``AsyncSession``, but that ``token`` may be a plain function.

    >>> with Session(url="https://host/skaha/v1", token="secret") as session:
    ...     print(session)
    Session(url='https://host/skaha/v1')
    """

    def __init__(
        self,
        *,
        server: str | None = None,
        version: str = "v1",
        url: str | None = None,
        token: str | Provider | None = None,
        certificate: str | Path | bytes | None = None,
        registry: tuple[str, str] | None = None,
        timeout: float = 30,
        concurrency: int = USUAL_CONCURRENCY,
        loglevel: int | str | None = None,
        errors: Literal["ignore", "raise"] = "ignore",
        transport: Transport | None = None,
        pool: Pool | None = None,
    ) -> None:
        _set_level(loglevel)
        _check_pool(pool, server, url, certificate, transport, concurrency, version)
        self._owns_pool = pool is None
        self._manner = Manner(
            Tokens(token),
            registry_header(registry),
            _seconds(timeout),
            _is_raising(errors),
            _by_certificate(token, certificate, pool),
        )
        self._pool = pool or Pool(
            url=url,
            server=server,
            version=version,
            concurrency=concurrency,
            certificate=certificate,
            transport=transport,
        )

    @classmethod
    def from_environment(
        cls,
        *,
        loglevel: int | str | None = None,
        errors: Literal["ignore", "raise"] = "ignore",
        transport: Transport | None = None,
    ) -> Self:
        """Make a session of what the environment says. Nothing else here reads it.

        ``CANFAR_URL`` names the platform, version included, and ``CANFAR_TOKEN`` or ``CANFAR_CERTIFICATE`` says who is
        calling. Without any of these, the released client's ``~/.canfar/config.yaml`` is read, of version 1 or 2, which
        takes PyYAML. ``CANFAR_TIMEOUT``, ``CANFAR_CONCURRENCY``, ``CANFAR_REGISTRY__USERNAME`` and
        ``CANFAR_REGISTRY__SECRET`` count with either.

        >>> with Session.from_environment() as session:
        ...     print(len(session.fetch()))
        3
        """
        from .environment import surroundings

        found = surroundings(os.environ, Path.home()).arguments()
        return cls(**found, loglevel=loglevel, errors=errors, transport=transport)

    fetch = blocking(operations.fetch)
    stats = blocking(operations.stats)
    info = blocking(operations.info)
    logs = blocking(operations.logs)
    create = blocking(operations.create)
    events = blocking(operations.events)
    destroy = blocking(operations.destroy)
    destroy_with = blocking(operations.destroy_with)
    connect = blocking(operations.connect)
    renew = blocking(operations.renew)
    images = blocking(operations.images)
    image_details = blocking(operations.image_details)
    context = blocking(operations.context)
    repositories = blocking(operations.repositories)
    availability = blocking(operations.availability)
    whoami = blocking(operations.whoami)

    @property
    def outcomes(self) -> Outcomes:
        """The calls over many items, with one outcome for each."""
        return Outcomes(self)

    def apps(self, session_id: str) -> Apps:
        """Return the apps of a desktop session: to list, attach, describe and end them.

        >>> [app["appid"] for app in session.apps("dk000001").fetch()]
        ['x1y']
        """
        return Apps(self, session_id)

    def stream_logs(self, session_id: str, *, max_bytes: int = LOG_LIMIT) -> AbstractContextManager[Chunks]:
        """Open one log, inflated piece by piece as it arrives, up to ``max_bytes``.

        >>> with session.stream_logs("nb000001") as chunks:
        ...     print(b"".join(chunks), chunks.truncated)
        b'ready\\n' False
        """
        return self._pool.driver.stream(operations.log_request(session_id, max_bytes), self._manner)

    def within(self, seconds: float) -> Self:
        """Return this session with another ``timeout``; both share everything else.

        >>> len(session.within(5).fetch())
        3
        """
        other = copy.copy(self)
        other._manner = replace(self._manner, timeout=_seconds(seconds))
        # Closing it must not close the connections of the one it came from.
        other._owns_pool = False
        return other

    def close(self) -> None:
        """Close the connections, unless they belong to a shared pool."""
        if self._owns_pool:
            self._pool.close()

    def __enter__(self) -> Self:
        """Return the session; it is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
        self.close()

    def __repr__(self) -> str:
        """Name the platform, and nothing of the credential."""
        return f"Session(url={self._pool.url!r})"


def _check_pool(
    pool: object,
    server: str | None,
    url: str | None,
    certificate: object,
    transport: object,
    concurrency: int,
    version: str,
) -> None:
    wiring = (server, url, certificate, transport)
    if pool is not None and (
        any(part is not None for part in wiring) or (concurrency, version) != (USUAL_CONCURRENCY, "v1")
    ):
        raise TypeError("A pool brings its address, certificate, transport and concurrency with it.")


def _seconds(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError("timeout must be a number of seconds.")
    if not 0 < timeout <= LONGEST_TIMEOUT:
        raise ValueError(f"timeout must be above 0 and at most {LONGEST_TIMEOUT:.0f} seconds.")
    return float(timeout)


def _is_raising(errors: str) -> bool:
    if errors not in {"ignore", "raise"}:
        raise ValueError('errors must be "ignore" or "raise".')
    return errors == "raise"


def _by_certificate(token: object, certificate: object, pool: AsyncPool | Pool | None) -> bool:
    given = certificate is not None or (pool is not None and pool.has_certificate)
    if token and certificate is not None:
        warn("A token and a certificate were given; requests carry the token.", UserWarning, stacklevel=3)
    return given


def _set_level(loglevel: int | str | None) -> None:
    """Set the level of our own logger, and of no other."""
    if loglevel is None:
        return
    level = loglevel.upper() if isinstance(loglevel, str) else loglevel
    known = logging.getLevelNamesMapping()
    if level not in known and level not in {0, 10, 20, 30, 40, 50}:
        raise ValueError("loglevel must be one of 0, 10, 20, 30, 40, 50 or the name of one.")
    logging.getLogger("sessions_app.client").setLevel(level)
