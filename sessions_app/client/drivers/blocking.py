"""The driver that blocks: operations on a small pool of threads, each request on a connection of its own."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx

from ..answers import Answer, Collector
from ..credentials import Tokens
from ..errors import PlatformError
from ..retries import Retries
from ..running import PATIENCE, Effort, Manner, no_place, perform, settled, wants_new_token
from ..wire import Batch, Operation, Outcome, Request, absolute
from .timing import Chunks, Clock, Timed, stream
from .wiring import KEEPALIVE, Certificate, headers_of, kept_headers, prepared, tls_context

T = TypeVar("T")
Transport = httpx.BaseTransport


class Driver:
    """Run operations and block meanwhile, on a pool of threads where there are several; a transport per thread."""

    def __init__(
        self,
        base: str,
        *,
        concurrency: int,
        retries: Retries,
        certificate: Certificate | None = None,
        authorities: str | Path | None = None,
        proxy: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._base, self._retries, self._injected = base, retries, transport
        self._root = httpx.URL(base)
        self._origin = base.index("/", base.index("//") + 2) if base.count("/") > 2 else len(base)
        self._places = threading.BoundedSemaphore(concurrency)
        self._concurrency = concurrency
        self._tls = tls_context(base, certificate, authorities)
        self._proxy = proxy
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
            free, threads, clock = self._free, self._threads, self._clock
            self._forget()
        if threads is not None:
            threads.shutdown()
        while free:
            free.pop().transport.close()
        clock.end()

    def _forget(self) -> None:
        # Connections that nobody is using; who has one takes it out and puts it back.
        self._free: list[_Lane] = []
        self._threads: ThreadPoolExecutor | None = None
        self._clock = Clock()

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
        headers = headers_of(manner.credential(effort.token).headers(creating=request.creating))
        with self._place(request), self._lane() as lane:
            effort.attempts += 1
            with Timed(request, effort):
                response = self._send(request, headers, lane, effort)
            try:
                yield response
            finally:
                response.close()

    def _send(self, request: Request, headers: dict[str, str], lane: _Lane, effort: Effort) -> httpx.Response:
        address = absolute(self._base, request)
        if self._injected is not None:
            effort.sent = True
            return self._injected.handle_request(prepared(request, address, headers))
        if self._proxy is not None:
            # What is set for the request line would be asked of the proxy, too.
            return lane.send(prepared(request, address, headers), effort, self._clock)
        made = prepared(request, self._root, headers)
        # To take an address apart costs httpx more than all else, so it gets the root, and this for the request line.
        made.extensions["target"] = address[self._origin :].encode("ascii")
        return lane.send(made, effort, self._clock)

    @contextmanager
    def _lane(self) -> Iterator[_Lane]:
        """Take a connection, the one that was used last; there are never more of them than places."""
        free = self._free
        try:
            lane = free.pop()
        except IndexError:
            lane = _Lane(self._tls, self._proxy)
        try:
            yield lane
        finally:
            if free is self._free:
                free.append(lane)
            else:
                lane.transport.close()

    def _collected(self, request: Request, response: httpx.Response, effort: Effort) -> Answer:
        collector = Collector(request, response.status_code, kept_headers(response))
        pieces = iter(stream(response))
        while not collector.full:
            with Timed(request, effort):
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


class _Lane:
    """One connection, with a clock that cuts it.

    A socket's own timeout starts anew with every byte; a platform that drips its headers would never be too slow.
    """

    def __init__(self, tls: ssl.SSLContext, proxy: str | None) -> None:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE)
        self.transport = httpx.HTTPTransport(verify=tls, trust_env=False, limits=limits, proxy=proxy)
        self._socket: socket.socket | None = None

    def send(self, prepared: httpx.Request, effort: Effort, clock: Clock) -> httpx.Response:
        """Send within the time left."""

        def trace(event: str, info: dict[str, Any]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                self._socket = info["return_value"].get_extra_info("socket")
            elif event.endswith("send_request_headers.started"):
                effort.sent = True

        limits = dict.fromkeys(("connect", "read", "write", "pool"), max(effort.left, 0.001))
        prepared.extensions = {**prepared.extensions, "timeout": limits, "trace": trace}
        alarm = clock.set(effort.left, self._cut)
        try:
            return self.transport.handle_request(prepared)
        finally:
            clock.call_off(alarm)

    def _cut(self) -> None:
        if self._socket is not None:
            # It may be closed already.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
