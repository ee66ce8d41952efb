"""The driver that awaits: operations on an event loop, over httpx-aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from ..answers import Answer, Collector
from ..credentials import AsyncTokens
from ..errors import PlatformError
from ..loops import PerLoop
from ..retries import Retries
from ..running import PATIENCE, Effort, Manner, no_place, perform, settled, wants_new_token
from ..wire import Batch, Operation, Outcome, Request, Visit, absolute
from .doors import Ground, under_way
from .waiting import AsyncChunks, Waiting, async_stream, close
from .wiring import Certificate, headers_of, kept_headers, prepared, tls_context

T = TypeVar("T")
AsyncTransport = httpx.AsyncBaseTransport


class AsyncDriver:
    """Run operations on an event loop, ``concurrency`` requests at a time for all who share it there."""

    def __init__(
        self,
        base: str,
        *,
        concurrency: int,
        retries: Retries,
        certificate: Certificate | None = None,
        authorities: str | Path | None = None,
        proxy: str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        self._base, self._retries, self._injected = base, retries, transport
        self._root = httpx.URL(base)
        self._blanks: dict[str, httpx.Request] = {}
        self._concurrency = concurrency
        tls = tls_context(base, certificate, authorities)
        self._grounds = PerLoop(lambda: Ground(concurrency, tls, proxy))

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
        """Close this event loop's connections; those of others close with them. The next call opens new ones."""
        await self._grounds.here().aclose()

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
            headers = await self._headers(request, manner, effort)
            ground = self._grounds.here()
            await _take_place(ground, request)
            try:
                effort.attempts += 1
                async with Waiting(request, effort):
                    response = await self._send(request, headers, ground, effort)
                    try:
                        return await self._collected(request, response, effort)
                    finally:
                        await response.aclose()
            finally:
                ground.places.release()
        except PlatformError as error:
            return error

    @asynccontextmanager
    async def _exchange(
        self, request: Request, manner: Manner[AsyncTokens], effort: Effort
    ) -> AsyncIterator[httpx.Response]:
        headers = await self._headers(request, manner, effort)
        ground = self._grounds.here()
        await _take_place(ground, request)
        try:
            effort.attempts += 1
            async with Waiting(request, effort):
                response = await self._send(request, headers, ground, effort)
            try:
                yield response
            finally:
                await response.aclose()
        finally:
            ground.places.release()

    async def _headers(self, request: Request, manner: Manner[AsyncTokens], effort: Effort) -> dict[str, str]:
        effort.token = await manner.tokens.current()
        return headers_of(manner.credential(effort.token).headers(creating=request.creating))

    async def _send(
        self, request: Request, headers: dict[str, str], ground: Ground, effort: Effort
    ) -> httpx.Response:
        address = absolute(self._base, request)
        if self._injected is not None:
            effort.sent = True
            return await self._injected.handle_async_request(prepared(request, address, headers))
        door = await ground.door()
        token = under_way.set((effort, address, headers))
        try:
            return await door.handle_async_request(self._blank(request.method))
        finally:
            under_way.reset(token)

    def _blank(self, method: str) -> httpx.Request:
        """Return a request with a method and no more.

        To read an address and to sort headers costs httpx more than all else, and aiohttp does both again.
        """
        if method not in self._blanks:
            self._blanks[method] = httpx.Request(method, self._root)
        return self._blanks[method]

    async def _collected(self, request: Request, response: httpx.Response, effort: Effort) -> Answer:
        collector = Collector(request, response.status_code, kept_headers(response))
        pieces = aiter(async_stream(response))
        try:
            async for chunk in pieces:
                collector.feed(chunk)
                if collector.full:
                    break
        finally:
            await close(pieces)
        return collector.answer((effort.token,) if effort.token else ())


async def _take_place(ground: Ground, request: Request) -> None:
    if not ground.places.locked():
        await ground.places.acquire()
        return
    try:
        async with asyncio.timeout(PATIENCE):
            await ground.places.acquire()
    except TimeoutError:
        raise no_place(request) from None


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run these side by side; what goes wrong in one ends the others and is raised as it is.

    Each may go a step before the next begins, so that the first is on the wire while the last is being prepared.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
                await asyncio.sleep(0)
    except ExceptionGroup as problems:
        raise problems.exceptions[0] from None
