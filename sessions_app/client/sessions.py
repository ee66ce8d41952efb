"""``AsyncSession`` and ``Session``: the same words, one to be awaited. Each borrows them from ``operations``."""

from __future__ import annotations

import copy
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from . import operations
from .borrowing import Awaiting, Blocking, awaited, blocking
from .credentials import AsyncProvider, AsyncTokens, Provider, Tokens, registry_header
from .facets import Apps, AsyncApps, AsyncOutcomes, Outcomes
from .making import Given, by_certificate, check_pool, checked_timeout, is_raising, set_level
from .pools import AsyncPool, Pool
from .running import Manner
from .wire import LOG_LIMIT

if TYPE_CHECKING:
    from .drivers.asynchronous import AsyncTransport
    from .drivers.blocking import Transport
    from .drivers.timing import Chunks
    from .drivers.waiting import AsyncChunks


class AsyncSession(Awaiting):
    """One person's sessions on one platform.

    The platform is named by ``url``, version included, or by ``server`` and ``version``, or comes with a ``pool``
    that many sessions share. Where neither platform nor credential is given, the surroundings say both: ``CANFAR_URL``
    names the platform, version included, and ``CANFAR_TOKEN`` or ``CANFAR_CERTIFICATE`` says who is calling; without
    these, the released client's ``~/.canfar/config.yaml`` is read, of version 1 or 2, which takes PyYAML.
    ``CANFAR_TIMEOUT``, ``CANFAR_CONCURRENCY``, ``CANFAR_REGISTRY__USERNAME`` and ``CANFAR_REGISTRY__SECRET`` count with
    either, but for what is given.

    ``token`` is a bearer token or an async function that returns one; it is called for the
    first request and again when the platform refuses what it gave. ``timeout`` bounds, in seconds, what a request may
    spend on the platform's side with all its attempts; waiting for a free place does not count. ``errors="raise"``
    makes calls over many items raise ``SomeFailedError`` once all were tried; else failures are logged and left out.

    >>> async with AsyncSession() as session:
    ...     print(len(await session.fetch()))
    3
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
        timeout: float | str | None = None,
        concurrency: int | str | None = None,
        loglevel: int | str | None = None,
        errors: Literal["ignore", "raise"] = "ignore",
        transport: AsyncTransport | None = None,
        pool: AsyncPool | None = None,
    ) -> None:
        set_level(loglevel)
        check_pool(pool, server, url, certificate, transport, concurrency, version=version)
        given = Given(server, version, url, token, certificate, registry, timeout, concurrency)
        self._owns_pool = pool is None
        if pool is None:
            given = given.completed()
            pool = AsyncPool(
                url=given.url,
                server=given.server,
                version=given.version,
                concurrency=given.concurrency,
                certificate=given.certificate,
                transport=transport,
            )
        self._pool = pool
        self._manner = Manner(
            AsyncTokens(given.token),
            registry_header(given.registry),
            checked_timeout(given.timeout),
            is_raising(errors),
            by_certificate(given.token, given.certificate, pool),
        )

    @classmethod
    def from_environment(
        cls,
        *,
        loglevel: int | str | None = None,
        errors: Literal["ignore", "raise"] = "ignore",
        transport: AsyncTransport | None = None,
    ) -> Self:
        """Make a session of what the surroundings say, as one without arguments is; this says so.

        >>> async with AsyncSession.from_environment() as session:
        ...     print(len(await session.fetch()))
        3
        """
        return cls(loglevel=loglevel, errors=errors, transport=transport)

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

        It may take as long as it likes; ``timeout`` is how long nothing of it may come.

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
        other._manner = replace(self._manner, timeout=checked_timeout(seconds))
        # Closing it must not close the connections of the one it came from.
        other._owns_pool = False
        return other

    async def aclose(self) -> None:
        """Close this event loop's connections, unless they belong to a shared pool."""
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

    >>> with Session() as session:
    ...     print(len(session.fetch()))
    3
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
        timeout: float | str | None = None,
        concurrency: int | str | None = None,
        loglevel: int | str | None = None,
        errors: Literal["ignore", "raise"] = "ignore",
        transport: Transport | None = None,
        pool: Pool | None = None,
    ) -> None:
        set_level(loglevel)
        check_pool(pool, server, url, certificate, transport, concurrency, version=version)
        given = Given(server, version, url, token, certificate, registry, timeout, concurrency)
        self._owns_pool = pool is None
        if pool is None:
            given = given.completed()
            pool = Pool(
                url=given.url,
                server=given.server,
                version=given.version,
                concurrency=given.concurrency,
                certificate=given.certificate,
                transport=transport,
            )
        self._pool = pool
        self._manner = Manner(
            Tokens(given.token),
            registry_header(given.registry),
            checked_timeout(given.timeout),
            is_raising(errors),
            by_certificate(given.token, given.certificate, pool),
        )

    @classmethod
    def from_environment(
        cls,
        *,
        loglevel: int | str | None = None,
        errors: Literal["ignore", "raise"] = "ignore",
        transport: Transport | None = None,
    ) -> Self:
        """Make a session of what the surroundings say, as one without arguments is; this says so.

        >>> with Session.from_environment() as session:
        ...     print(len(session.fetch()))
        3
        """
        return cls(loglevel=loglevel, errors=errors, transport=transport)

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

        It may take as long as it likes; ``timeout`` is how long nothing of it may come.

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
        other._manner = replace(self._manner, timeout=checked_timeout(seconds))
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
