"""A small HTTP server of our own: it records what it is asked, and answers as told, badly if told so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest

from sessions_app.client import AsyncPool, AsyncSession, Pool, Retries, Session

from .answers import usual_answer

Write = Callable[[bytes], Awaitable[None]]


@dataclass
class Asked:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    connection: int

    @property
    def line(self) -> str:
        return f"{self.method} {self.target}"

    @property
    def params(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass
class Reply:
    """What to answer. ``script`` replaces everything: it writes to the connection itself."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    script: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None
    delay: float = 0.0
    keep: bool = True


@dataclass
class Platform:
    """The server, seen from a test."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Reply] = usual_answer
    connections: int = 0
    busy: int = 0
    most_busy: int = 0

    @property
    def lines(self) -> list[str]:
        return [asked.line.replace("/skaha/v1/", "") for asked in self.asked]

    def always(self, body: bytes = b"", status: int = 200, **options: Any) -> None:
        self.answer = lambda asked: Reply(body, status, **options)

    def in_turn(self, *replies: Reply) -> None:
        """Give these answers one after the other, the last one for ever."""
        waiting = list(replies)
        self.answer = lambda asked: waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer, number):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *rest = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        asked = Asked(method, target, headers, number)
        self.asked.append(asked)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            reply = self.answer(asked)
            await asyncio.sleep(reply.delay)
            return await _write(reply, writer)
        finally:
            self.busy -= 1


async def _write(reply: Reply, writer: asyncio.StreamWriter) -> bool:
    if reply.script is not None:
        await reply.script(writer)
        return False
    headers = {"Content-Length": str(len(reply.body)), **reply.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} Said\r\n{lines}\r\n".encode() + reply.body)
    await writer.drain()
    return reply.keep


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """Leave the level of our logger as it was: a session may set it, for the whole program."""
    logger = logging.getLogger("sessions_app.client")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with serving() as platform:
        yield platform


@contextlib.contextmanager
def serving() -> Iterator[Platform]:
    """Run the server, in a thread of its own so that the blocking session can be tested as well."""
    platform = Platform()
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def main() -> None:
        server = await asyncio.start_server(platform.serve, "127.0.0.1", 0, limit=2**20)
        platform.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/skaha/v1"
        ready.set()
        async with server:
            await server.serve_forever()

    def run() -> None:
        asyncio.set_event_loop(loop)
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    task = loop.create_task(main())
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(5)
    yield platform
    loop.call_soon_threadsafe(task.cancel)
    thread.join(5)


def eager() -> Retries:
    """Retries that lose no time."""
    return Retries(shortest=0.0, longest=0.01)


@pytest.fixture
async def pool(platform: Platform) -> AsyncIterator[AsyncPool]:
    async with AsyncPool(url=platform.url, retries=eager()) as pool:
        yield pool


@pytest.fixture
async def session(pool: AsyncPool) -> AsyncSession:
    return AsyncSession(pool=pool, token="canary-token", timeout=5)


@pytest.fixture
def blocking(platform: Platform) -> Iterator[Session]:
    with Pool(url=platform.url, retries=eager()) as pool:
        yield Session(pool=pool, token="canary-token", timeout=5)


class Threaded:
    """A blocking session seen as one to be awaited, so that one test serves both."""

    def __init__(self, session: Any) -> None:
        self.blocking = session

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.blocking, name)
        if name == "outcomes":
            return Threaded(found)
        if name in {"apps", "within"}:
            return lambda given: Threaded(found(given))

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(found, *args, **kwargs)

        return call


Make = Callable[..., Any]


@pytest.fixture(params=["awaited", "blocking"])
async def make(request: pytest.FixtureRequest, platform: Platform) -> AsyncIterator[Make]:
    """Make a session of either kind: options of its pool, and of itself."""
    async with contextlib.AsyncExitStack() as stack:

        def build(
            *, concurrency: int = 32, url: str = "", retries: Retries | None = None, **options: Any
        ) -> Any:
            given = {"token": "canary-token", "timeout": 5, **options}
            wiring = {"url": url or platform.url, "concurrency": concurrency, "retries": retries or eager()}
            if request.param == "awaited":
                pool = AsyncPool(**wiring)
                stack.push_async_callback(pool.aclose)
                return AsyncSession(pool=pool, **given)
            blocking_pool = Pool(**wiring)
            stack.callback(blocking_pool.close)
            return Threaded(Session(pool=blocking_pool, **given))

        yield build


@pytest.fixture
def either(make: Make) -> Any:
    """One session of either kind."""
    return make()
