"""Run operations over HTTP: one driver awaits, one blocks. The only module that imports httpx and its transport.

Both speak to an httpx *transport*, below httpx's own client. So there is no cookie jar to leak, no redirect to
follow, no proxy from the environment, no body inflated without bound and no log line with a whole address: all of
these live in the client that is left out. How many requests are under way is bounded here, not in a connection pool;
httpx's own pool loses places when calls are cancelled (encode/httpcore#1093).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from .answers import Answer, Body, Collector, kept
from .credentials import AsyncTokens, Tokens, load_certificate
from .errors import NotUnderstoodError, PlatformError, PlatformUnreachableError
from .retries import Retries
from .running import PATIENCE, Effort, Manner, no_place, perform, settled, too_slow, wants_new_token
from .wire import Batch, Operation, Outcome, Request, Visit, absolute

T = TypeVar("T")
Certificate = str | Path | bytes
AsyncTransport = httpx.AsyncBaseTransport
Transport = httpx.BaseTransport

# At INFO these print whole addresses, and ours hold the variables of a session.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# Idle connections are dropped after this, so that a platform that moved is found at its new address.
KEEPALIVE = 15.0

_TROUBLE = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, aiohttp.ClientError, OSError)
_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

# Whose request aiohttp is sending in this task.
_under_way: ContextVar[Effort] = ContextVar("_under_way")


class AsyncDriver:
    """Run operations on an event loop, ``concurrency`` requests at a time for all who share it."""

    def __init__(
        self,
        base: str,
        *,
        concurrency: int,
        retries: Retries,
        certificate: Certificate | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        self._base, self._retries, self._injected = base, retries, transport
        self._places = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._tls = tls_context(base, certificate)
        self._door: AsyncTransport | None = None

    async def run(self, operation: Operation[T], manner: Manner[AsyncTokens]) -> T:
        """Run an operation to its result."""
        return await self._drive(operation, manner, Effort())

    @asynccontextmanager
    async def stream(self, request: Request, manner: Manner[AsyncTokens]) -> AsyncIterator[AsyncChunks]:
        """Open an answer whose body is read piece by piece."""
        effort = Effort()
        async with AsyncExitStack() as stack:

            async def begin() -> httpx.Response | Answer | PlatformError:
                try:
                    response = await stack.enter_async_context(self._exchange(request, manner, effort))
                    if response.is_success:
                        return response
                    answer = await self._collected(request, response, effort)
                except PlatformError as error:
                    await stack.aclose()
                    return error
                await stack.aclose()
                return answer

            result = await self._persist(request, manner, effort, begin)
            if not isinstance(result, httpx.Response):
                settled(result).checked()
                raise AssertionError("an unsuccessful answer is an error")
            chunks = AsyncChunks(request, result, effort)
            stack.push_async_callback(chunks.aclose)
            yield chunks

    async def aclose(self) -> None:
        """Close the connections. The next call opens new ones."""
        door, self._door = self._door, None
        if door is not None:
            await door.aclose()

    async def _drive(self, operation: Operation[T], manner: Manner[AsyncTokens], effort: Effort) -> T:
        try:
            wanted = next(operation)
            while True:
                try:
                    reply = await self._do(wanted, manner, effort)
                except PlatformError as error:
                    wanted = operation.throw(error)
                else:
                    wanted = operation.send(reply)
        except StopIteration as done:
            result: T = done.value
            return result

    async def _do(self, wanted: Any, manner: Manner[AsyncTokens], effort: Effort) -> Any:
        if isinstance(wanted, Request):
            return settled(
                await self._persist(wanted, manner, effort, lambda: self._whole(wanted, manner, effort))
            )
        if isinstance(wanted, Batch):
            return await self._each(wanted, manner)
        if isinstance(wanted, Visit):
            # A browser may take its time to start.
            return await asyncio.to_thread(perform, wanted)
        return perform(wanted, raising=manner.raising)

    async def _each(self, batch: Batch[T], manner: Manner[AsyncTokens]) -> list[Outcome[T]]:
        """Run independent operations side by side, never more of one call than there are places."""
        outcomes: list[Outcome[T] | None] = [None] * len(batch.parts)
        waiting = iter(list(enumerate(batch.parts)))

        async def work() -> None:
            for place, (item, operation) in waiting:
                outcomes[place] = await self._one(item, operation, manner)

        if len(batch.parts) == 1:
            await work()
        else:
            await _all(work() for _ in range(min(self._concurrency, len(batch.parts))))
        return [outcome for outcome in outcomes if outcome is not None]

    async def _one(self, item: Any, operation: Operation[T], manner: Manner[AsyncTokens]) -> Outcome[T]:
        effort = Effort()
        try:
            value = await self._drive(operation, manner, effort)
        except PlatformError as error:
            return Outcome(item, None, error, effort.attempts)
        return Outcome(item, value, None, effort.attempts)

    async def _persist(
        self,
        request: Request,
        manner: Manner[AsyncTokens],
        effort: Effort,
        attempt: Callable[[], Awaitable[T | Answer | PlatformError]],
    ) -> T | Answer | PlatformError:
        """Try, and try again where that is right; no place is held in between."""
        effort.begin(manner.timeout)
        self._retries.budget.earn()
        while True:
            result = await attempt()
            if manner.tokens.renewable and wants_new_token(result, effort):
                effort.token_renewed = True
                await manner.tokens.instead_of(effort.token)
                if request.idempotent:
                    continue
            pause = self._retries.pause(request, result, effort.attempts, effort.left)
            if pause is None:
                return result
            effort.left -= pause
            await asyncio.sleep(pause)

    async def _whole(
        self, request: Request, manner: Manner[AsyncTokens], effort: Effort
    ) -> Answer | PlatformError:
        try:
            async with self._exchange(request, manner, effort) as response:
                return await self._collected(request, response, effort)
        except PlatformError as error:
            return error

    @asynccontextmanager
    async def _exchange(
        self, request: Request, manner: Manner[AsyncTokens], effort: Effort
    ) -> AsyncIterator[httpx.Response]:
        effort.token = await manner.tokens.current()
        headers = manner.credential(effort.token).headers(creating=request.creating)
        async with self._place(request):
            effort.attempts += 1
            async with _awaited(request, effort):
                response = await self._send(prepared(self._base, request, headers), effort)
            try:
                yield response
            finally:
                await response.aclose()

    async def _send(self, prepared: httpx.Request, effort: Effort) -> httpx.Response:
        if self._injected is not None:
            effort.sent = True
            return await self._injected.handle_async_request(prepared)
        if self._door is None:
            self._door = _Aiohttp(self._tls)
        token = _under_way.set(effort)
        try:
            return await self._door.handle_async_request(prepared)
        finally:
            _under_way.reset(token)

    async def _collected(self, request: Request, response: httpx.Response, effort: Effort) -> Answer:
        collector = Collector(request, response.status_code, kept(response.headers.multi_items()))
        pieces = aiter(_async_stream(response))
        try:
            async with _awaited(request, effort):
                async for chunk in pieces:
                    collector.feed(chunk)
                    if collector.full:
                        break
        finally:
            await _close(pieces)
        return collector.answer((effort.token,) if effort.token else ())

    @asynccontextmanager
    async def _place(self, request: Request) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._places.acquire()
        except TimeoutError:
            raise no_place(request) from None
        try:
            yield
        finally:
            self._places.release()


class AsyncChunks:
    """A body as it arrives, inflated. Once it is read, ``truncated`` says whether the cap cut it short."""

    def __init__(self, request: Request, response: httpx.Response, effort: Effort) -> None:
        headers = kept(response.headers.multi_items())
        self._request, self._effort = request, effort
        self._body = Body(request, response.status_code, headers, request.max_bytes)
        self._raw = aiter(_async_stream(response))
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
        await _close(self._pieces)
        await _close(self._raw)

    async def _read(self) -> AsyncIterator[bytes]:
        while not self._body.truncated:
            async with _awaited(self._request, self._effort):
                chunk = await anext(self._raw, None)
            if chunk is None:
                break
            for piece in self._body.feed(chunk):
                yield piece
        self._body.finish()


class _Aiohttp(AiohttpTransport):
    """httpx-aiohttp on a session that keeps no cookie, asks no proxy and leaves a quoted query as it is."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_sent)
        self._session = aiohttp.ClientSession(
            # The driver counts requests; a limit here would count them a second time.
            connector=aiohttp.TCPConnector(limit=0, ssl=tls, keepalive_timeout=KEEPALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            trace_configs=[tracing],
        )

    def get_client(self) -> Any:
        """Return what sends: asked for at each request, as it is not aiohttp's own class."""
        return self

    def request(self, *, url: str, **options: Any) -> Any:
        """Send; aiohttp would unquote what it thinks needs no quoting in a query."""
        return self._session.request(url=URL(url, encoded=True), **options)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


class Driver:
    """Run operations and block meanwhile, on a pool of threads where there are several; a transport per thread."""

    def __init__(
        self,
        base: str,
        *,
        concurrency: int,
        retries: Retries,
        certificate: Certificate | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._base, self._retries, self._injected = base, retries, transport
        self._places = threading.BoundedSemaphore(concurrency)
        self._concurrency = concurrency
        self._tls = tls_context(base, certificate)
        self._lock = threading.Lock()
        self._forget()

    def run(self, operation: Operation[T], manner: Manner[Tokens]) -> T:
        """Run an operation to its result."""
        return self._drive(operation, manner, Effort())

    @contextmanager
    def stream(self, request: Request, manner: Manner[Tokens]) -> Iterator[Chunks]:
        """Open an answer whose body is read piece by piece."""
        effort = Effort()
        with ExitStack() as stack:

            def begin() -> httpx.Response | Answer | PlatformError:
                try:
                    response = stack.enter_context(self._exchange(request, manner, effort))
                    if response.is_success:
                        return response
                    answer = self._collected(request, response, effort)
                except PlatformError as error:
                    stack.close()
                    return error
                stack.close()
                return answer

            result = self._persist(request, manner, effort, begin)
            if not isinstance(result, httpx.Response):
                settled(result).checked()
                raise AssertionError("an unsuccessful answer is an error")
            chunks = Chunks(request, result, effort)
            stack.callback(chunks.close)
            yield chunks

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        with self._lock:
            lanes, threads = self._lanes, self._threads
            self._forget()
        if threads is not None:
            threads.shutdown()
        for lane in lanes:
            lane.transport.close()

    def _forget(self) -> None:
        self._local = threading.local()
        self._lanes: list[_Lane] = []
        self._threads: ThreadPoolExecutor | None = None

    def _drive(self, operation: Operation[T], manner: Manner[Tokens], effort: Effort) -> T:
        try:
            wanted = next(operation)
            while True:
                try:
                    reply = self._do(wanted, manner, effort)
                except PlatformError as error:
                    wanted = operation.throw(error)
                else:
                    wanted = operation.send(reply)
        except StopIteration as done:
            result: T = done.value
            return result

    def _do(self, wanted: Any, manner: Manner[Tokens], effort: Effort) -> Any:
        if isinstance(wanted, Request):
            return settled(self._persist(wanted, manner, effort, lambda: self._whole(wanted, manner, effort)))
        if isinstance(wanted, Batch):
            return self._each(wanted, manner)
        return perform(wanted, raising=manner.raising)

    def _each(self, batch: Batch[T], manner: Manner[Tokens]) -> list[Outcome[T]]:
        if len(batch.parts) <= 1:
            return [self._one(item, operation, manner) for item, operation in batch.parts]
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._concurrency, thread_name_prefix="canfar")
            threads = self._threads
        running = [threads.submit(self._one, item, operation, manner) for item, operation in batch.parts]
        try:
            return [future.result() for future in running]
        finally:
            for future in running:
                future.cancel()

    def _one(self, item: Any, operation: Operation[T], manner: Manner[Tokens]) -> Outcome[T]:
        effort = Effort()
        try:
            value = self._drive(operation, manner, effort)
        except PlatformError as error:
            return Outcome(item, None, error, effort.attempts)
        return Outcome(item, value, None, effort.attempts)

    def _persist(
        self,
        request: Request,
        manner: Manner[Tokens],
        effort: Effort,
        attempt: Callable[[], T | Answer | PlatformError],
    ) -> T | Answer | PlatformError:
        """Try, and try again where that is right; no place is held in between."""
        effort.begin(manner.timeout)
        self._retries.budget.earn()
        while True:
            result = attempt()
            if manner.tokens.renewable and wants_new_token(result, effort):
                effort.token_renewed = True
                manner.tokens.instead_of(effort.token)
                if request.idempotent:
                    continue
            pause = self._retries.pause(request, result, effort.attempts, effort.left)
            if pause is None:
                return result
            effort.left -= pause
            time.sleep(pause)

    def _whole(self, request: Request, manner: Manner[Tokens], effort: Effort) -> Answer | PlatformError:
        try:
            with self._exchange(request, manner, effort) as response:
                return self._collected(request, response, effort)
        except PlatformError as error:
            return error

    @contextmanager
    def _exchange(self, request: Request, manner: Manner[Tokens], effort: Effort) -> Iterator[httpx.Response]:
        effort.token = manner.tokens.current()
        headers = manner.credential(effort.token).headers(creating=request.creating)
        with self._place(request):
            effort.attempts += 1
            with _timed(request, effort):
                response = self._send(prepared(self._base, request, headers), effort)
            try:
                yield response
            finally:
                response.close()

    def _send(self, prepared: httpx.Request, effort: Effort) -> httpx.Response:
        if self._injected is not None:
            effort.sent = True
            return self._injected.handle_request(prepared)
        return self._lane().send(prepared, effort)

    def _lane(self) -> _Lane:
        lane: _Lane | None = getattr(self._local, "lane", None)
        if lane is None:
            lane = self._local.lane = _Lane(self._tls)
            with self._lock:
                self._lanes.append(lane)
        return lane

    def _collected(self, request: Request, response: httpx.Response, effort: Effort) -> Answer:
        collector = Collector(request, response.status_code, kept(response.headers.multi_items()))
        pieces = iter(_stream(response))
        while not collector.full:
            with _timed(request, effort):
                chunk = next(pieces, None)
            if chunk is None:
                break
            collector.feed(chunk)
        return collector.answer((effort.token,) if effort.token else ())

    @contextmanager
    def _place(self, request: Request) -> Iterator[None]:
        if not self._places.acquire(timeout=PATIENCE):
            raise no_place(request)
        try:
            yield
        finally:
            self._places.release()


class Chunks:
    """A body as it arrives, inflated. Once it is read, ``truncated`` says whether the cap cut it short."""

    def __init__(self, request: Request, response: httpx.Response, effort: Effort) -> None:
        headers = kept(response.headers.multi_items())
        self._request, self._effort = request, effort
        self._body = Body(request, response.status_code, headers, request.max_bytes)
        self._raw = iter(_stream(response))
        self._pieces = self._read()

    @property
    def truncated(self) -> bool:
        """Whether there was more than the cap lets through."""
        return self._body.truncated

    def __iter__(self) -> Iterator[bytes]:
        """Return itself: a body can be read once."""
        return self

    def __next__(self) -> bytes:
        """Return the next piece."""
        return next(self._pieces)

    def close(self) -> None:
        """Stop reading."""
        for generator in (self._pieces, self._raw):
            getattr(generator, "close", lambda: None)()

    def _read(self) -> Iterator[bytes]:
        while not self._body.truncated:
            with _timed(self._request, self._effort):
                chunk = next(self._raw, None)
            if chunk is None:
                break
            yield from self._body.feed(chunk)
        self._body.finish()


class _Lane:
    """The one connection of one thread, with a clock that cuts it.

    A socket's own timeout starts anew with every byte; a platform that drips its headers would never be too slow.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE)
        self.transport = httpx.HTTPTransport(verify=tls, trust_env=False, limits=limits)
        self._socket: socket.socket | None = None

    def send(self, prepared: httpx.Request, effort: Effort) -> httpx.Response:
        """Send within the time left."""

        def trace(event: str, info: dict[str, Any]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                self._socket = info["return_value"].get_extra_info("socket")
            elif event.endswith("send_request_headers.started"):
                effort.sent = True

        limits = dict.fromkeys(("connect", "read", "write", "pool"), max(effort.left, 0.001))
        prepared.extensions = {"timeout": limits, "trace": trace}
        clock = threading.Timer(effort.left, self._cut)
        clock.daemon = True
        clock.start()
        try:
            return self.transport.handle_request(prepared)
        finally:
            clock.cancel()

    def _cut(self) -> None:
        if self._socket is not None:
            # It may be closed already.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def prepared(base: str, request: Request, credential: dict[str, str]) -> httpx.Request:
    """Return the request as the wire has it: everything in the query, an empty body of form type."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": _USER_AGENT,
        **credential,
    }
    return httpx.Request(request.method, absolute(base, request), headers=headers)


def tls_context(base: str, certificate: Certificate | None) -> ssl.SSLContext:
    """Return the TLS settings; for http:// a context that trusts nobody, as making a real one takes a while."""
    if not base.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        load_certificate(context, certificate)
    return context


def trouble(problem: Exception, request: Request, effort: Effort) -> PlatformError:
    """Say what came between us and an answer. The library's own words may hold the address, so they stay here."""
    if _is_before_sending(problem):
        effort.sent = False
    if isinstance(problem, httpx.TimeoutException) and not _is_aiohttps(problem):
        return too_slow(request, effort)
    if _is_no_http(problem):
        message = f"{NotUnderstoodError.summary} It is not HTTP."
        return NotUnderstoodError(message, request=request.label, sent=effort.sent)
    return PlatformUnreachableError(_words(problem), request=request.label, sent=effort.sent)


def _is_aiohttps(problem: BaseException) -> bool:
    # httpx-aiohttp calls every broken connection a ConnectTimeout; no timeout of aiohttp's is ever set.
    return isinstance(problem.__cause__, aiohttp.ClientError)


def _is_before_sending(problem: BaseException) -> bool:
    if _is_aiohttps(problem):
        return isinstance(problem.__cause__, aiohttp.ClientConnectorError)
    return isinstance(problem, _BEFORE_SENDING)


def _is_no_http(problem: Exception) -> bool:
    if isinstance(problem, httpx.RemoteProtocolError):
        return not str(problem).startswith(("Server disconnected", "peer closed"))
    return isinstance(problem, aiohttp.ClientResponseError)


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
    if _is_before_sending(problem):
        return PlatformUnreachableError.summary
    return "The connection to the platform broke off before the answer was whole."


@asynccontextmanager
async def _awaited(request: Request, effort: Effort) -> AsyncIterator[None]:
    """Wait for the platform within the time left, and say in our words what goes wrong."""
    begun = time.monotonic()
    try:
        async with asyncio.timeout(max(effort.left, 0)):
            yield
    except TimeoutError:
        raise too_slow(request, effort) from None
    except _TROUBLE as problem:
        raise trouble(problem, request, effort) from None
    finally:
        effort.left -= time.monotonic() - begun


@contextmanager
def _timed(request: Request, effort: Effort) -> Iterator[None]:
    """Wait for the platform within the time left, and say in our words what goes wrong."""
    begun = time.monotonic()
    try:
        yield
    except _TROUBLE as problem:
        # A socket that was cut by the clock tells of anything but time.
        if time.monotonic() - begun >= effort.left:
            raise too_slow(request, effort) from None
        raise trouble(problem, request, effort) from None
    finally:
        effort.left -= time.monotonic() - begun
    if effort.left <= 0:
        raise too_slow(request, effort)


async def _note_sent(session: aiohttp.ClientSession, context: Any, params: Any) -> None:
    effort = _under_way.get(None)
    if effort is not None:
        effort.sent = True


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run these side by side; what goes wrong in one ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except ExceptionGroup as problems:
        raise problems.exceptions[0] from None


def _async_stream(response: httpx.Response) -> httpx.AsyncByteStream:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream


def _stream(response: httpx.Response) -> httpx.SyncByteStream:
    assert isinstance(response.stream, httpx.SyncByteStream)
    return response.stream


async def _close(pieces: AsyncIterator[bytes]) -> None:
    close: Callable[[], Awaitable[None]] | None = getattr(pieces, "aclose", None)
    if close is not None:
        await close()


def _version() -> str:
    try:
        return metadata.version("canfarweb")
    except metadata.PackageNotFoundError:
        return "0"


_USER_AGENT = f"canfarweb/{_version()}"
