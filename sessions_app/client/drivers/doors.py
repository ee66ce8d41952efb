"""The connections of the driver that awaits: httpx-aiohttp as it is used here, and one set for each event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from ..running import Effort
from .wiring import KEEPALIVE

# What aiohttp is sending in this task: whose request, to which address, with which headers.
under_way: ContextVar[tuple[Effort, str, dict[str, str]]] = ContextVar("under_way")


class Ground:
    """What a driver has on one event loop: its places, and connections that are closed before the loop is.

    A connection lives and dies with its loop. A session may be used on several, one after the other as with
    ``asyncio.run``, or side by side in threads.
    """

    def __init__(self, concurrency: int, tls: ssl.SSLContext, proxy: str | None = None) -> None:
        self.places = asyncio.Semaphore(concurrency)
        self._tls, self._proxy = tls, proxy
        self._door: Aiohttp | None = None
        self._closing: AsyncGenerator[None] | None = None

    async def door(self) -> Aiohttp:
        """Return the way out, opened now if it is not open."""
        if self._door is None or self._door.closed:
            self._door = Aiohttp(self._tls, self._proxy)
            self._closing = _closed_in_the_end(self._door)
            await anext(self._closing)
        return self._door

    async def aclose(self) -> None:
        """Close the connections."""
        closing, self._closing, self._door = self._closing, None, None
        if closing is not None:
            await closing.aclose()

    def __del__(self) -> None:
        """Give up the connections of a loop that was closed without a word to what ran on it."""
        if self._door is not None:
            self._door.give_up()


class Aiohttp(AiohttpTransport):
    """httpx-aiohttp on a session that keeps no cookie, looks for no proxy and leaves a quoted query as it is."""

    def __init__(self, tls: ssl.SSLContext, proxy: str | None) -> None:
        super().__init__(verify=tls, trust_env=False, proxy=httpx.Proxy(proxy) if proxy else None)
        self._loop = asyncio.get_running_loop()
        self._session = aiohttp.ClientSession(
            # The driver counts requests; a limit here would count them a second time.
            connector=_Connector(limit=0, ssl=tls, keepalive_timeout=KEEPALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._session.closed

    def get_client(self) -> Any:
        """Return what sends: asked for at each request, as it is not aiohttp's own class."""
        return self

    def request(self, **options: Any) -> Any:
        """Send to the address under way; aiohttp would unquote what it thinks needs no quoting in a query."""
        _, address, headers = under_way.get()
        return self._session.request(**{**options, "url": URL(address, encoded=True), "headers": headers})

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()

    def give_up(self) -> None:
        """Let go of the connections of a closed loop, on which nothing can be awaited; aiohttp would complain."""
        if self.closed or not self._loop.is_closed():
            return
        closing = self._session.close()
        with suppress(StopIteration, RuntimeError):
            closing.send(None)
        closing.close()


class _Connector(aiohttp.TCPConnector):
    """Connections; whoever is handed one writes at once, so from then on a request counts as sent."""

    async def connect(self, *request: Any, **options: Any) -> Any:
        connection = await super().connect(*request, **options)
        under_way.get()[0].sent = True
        return connection


async def _closed_in_the_end(door: httpx.AsyncBaseTransport) -> AsyncGenerator[None]:
    """Close the door when the event loop ends: of all that is open, a loop ends generators before it closes."""
    try:
        yield
    finally:
        await door.aclose()
