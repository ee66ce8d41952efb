"""Waiting for the platform on an event loop, for a whole answer or piece by piece, within the time that is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType

import aiohttp
import httpx

from ..answers import Body
from ..running import Effort, too_slow
from ..wire import Request
from .troubles import TROUBLE, trouble
from .wiring import kept_headers

_TROUBLE = (*TROUBLE, aiohttp.ClientError)


class Waiting:
    """Wait, awaiting: a block that ends when the time is over, and takes the time it needed from what is left."""

    # A class of its own instead of a generator: this runs for every request.
    __slots__ = ("_begun", "_effort", "_limit", "_request")

    def __init__(self, request: Request, effort: Effort) -> None:
        self._request, self._effort = request, effort

    async def __aenter__(self) -> None:
        """Start the clock."""
        self._begun = time.monotonic()
        self._limit = asyncio.timeout(max(self._effort.left, 0))
        await self._limit.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the clock, and raise an error of ours in place of another's."""
        try:
            await self._limit.__aexit__(kind, problem, trace)
        except TimeoutError:
            raise too_slow(self._request, self._effort) from None
        finally:
            self._effort.left -= time.monotonic() - self._begun
        if isinstance(problem, TimeoutError):
            raise too_slow(self._request, self._effort) from None
        if isinstance(problem, _TROUBLE):
            raise trouble(as_httpx(problem), self._request, self._effort) from None


class AsyncChunks:
    """A body as it arrives, inflated. Once it is read, ``truncated`` says whether the cap cut it short."""

    def __init__(self, request: Request, response: httpx.Response, effort: Effort) -> None:
        headers = kept_headers(response)
        self._request, self._effort = request, effort
        self._body = Body(request, response.status_code, headers, request.max_bytes)
        self._raw = aiter(async_stream(response))
        self._pieces = self._read()

    @property
    def truncated(self) -> bool:
        """Whether there was more than the cap lets through."""
        return self._body.truncated

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself: a body can be read once."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece."""
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """Stop reading."""
        await close(self._pieces)
        await close(self._raw)

    async def _read(self) -> AsyncIterator[bytes]:
        while not self._body.truncated:
            async with Waiting(self._request, self._effort):
                chunk = await anext(self._raw, None)
            if chunk is None:
                break
            for piece in self._body.feed(chunk):
                self._effort.renew()
                yield piece
        self._body.finish()


def as_httpx(problem: BaseException) -> BaseException:
    """Return the trouble as httpx itself tells it; to httpx-aiohttp every broken connection is a ConnectTimeout."""
    cause = problem if isinstance(problem, aiohttp.ClientError) else problem.__cause__
    if not isinstance(cause, aiohttp.ClientError):
        return problem
    told: httpx.HTTPError
    if isinstance(cause, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        told = httpx.ProxyError("")
    elif isinstance(cause, aiohttp.ClientConnectorError):
        told = httpx.ConnectError("")
    elif isinstance(cause, aiohttp.ClientResponseError):
        told = httpx.RemoteProtocolError("")
    else:
        told = httpx.ReadError("")
    told.__cause__ = cause
    return told


def async_stream(response: httpx.Response) -> httpx.AsyncByteStream:
    """Return the body, not inflated."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream


async def close(pieces: AsyncIterator[bytes]) -> None:
    """Close what is still being read."""
    close: Callable[[], Awaitable[None]] | None = getattr(pieces, "aclose", None)
    if close is not None:
        await close()
