"""A wire between a client and a server on this machine that tests can cut: a small TCP proxy.

It passes everything on until it is told otherwise. A silent cut is what a lost network is: connections stay open
at both ends, nothing comes through any more, and nobody says so. What was silent once stays so; connections that
are made after the wire was mended pass.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

PIECE = 64 * 1024
HEAD_LIMIT = 64 * 1024
HEAD_TIME = 10.0
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UPGRADE = re.compile(rb"^upgrade:\s*websocket\s*$", re.IGNORECASE | re.MULTILINE)


class Way(Enum):
    """What becomes of a connection."""

    PASS = "pass"
    # Nothing comes through, neither now nor later.
    SILENT = "silent"
    # Connections are reset, those that are there and those that come.
    REFUSE = "refuse"
    # A websocket's handshake is answered with 403, or never; everything else passes.
    REFUSE_UPGRADES = "refuse upgrades"
    SWALLOW_UPGRADES = "swallow upgrades"


class Wire:
    """Listens on a port of 127.0.0.1 and passes on to another; to be used within its event loop.

    It counts the bytes that came through each way, and how often each of the words in ``counting`` was in what
    clients sent (a word that falls on two pieces is missed: requests are small).
    """

    def __init__(self, target: int, *, counting: tuple[bytes, ...] = ()) -> None:
        self.target, self.port = target, 0
        self.asked = self.answered = 0
        self.said: Counter[bytes] = Counter()
        self.way = Way.PASS
        self._counting = counting
        self._links: set[_Link] = set()

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, limit=HEAD_LIMIT, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._end_all()

    async def become(self, way: Way) -> None:
        """Treat connections in this way: new ones, and for a cut also those that are there."""
        self.way = way
        if way is Way.SILENT:
            for link in self._links:
                link.silent = True
        elif way is Way.REFUSE:
            await self._end_all()

    async def reset_all(self) -> None:
        """Reset the connections that are there; new ones are welcome."""
        await self._end_all()

    async def _end_all(self) -> None:
        tasks = [link.task for link in self._links]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        link = _Link(task, silent=self.way is Way.SILENT)
        self._links.add(link)
        try:
            if self.way is not Way.REFUSE:
                await self._serve(link, reader, writer)
        except (OSError, asyncio.CancelledError):
            # Only we cancel this task, and that is how a connection is reset.
            pass
        finally:
            self._links.discard(link)
            writer.transport.abort()

    async def _serve(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b""
        if self.way in (Way.REFUSE_UPGRADES, Way.SWALLOW_UPGRADES):
            head = await _head(reader)
            if UPGRADE.search(head.replace(b"\r", b"")):
                await self._turn_away(reader, writer)
                return
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(link, reader, their_writer, head, asking=True))
                both.create_task(self._pass(link, their_reader, writer, b"", asking=False))
        except* OSError:
            pass
        finally:
            their_writer.transport.abort()

    async def _turn_away(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.way is Way.REFUSE_UPGRADES:
            writer.write(REFUSAL)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        else:
            while await reader.read(PIECE):
                pass

    async def _pass(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        first: bytes,
        *,
        asking: bool,
    ) -> None:
        data = first or await reader.read(PIECE)
        while data:
            if link.silent:
                await asyncio.Event().wait()
            self._count(data, asking=asking)
            writer.write(data)
            await writer.drain()
            data = await reader.read(PIECE)
        if link.silent:
            await asyncio.Event().wait()
        with suppress(OSError):
            writer.write_eof()

    def _count(self, data: bytes, *, asking: bool) -> None:
        if not asking:
            self.answered += len(data)
            return
        self.asked += len(data)
        for word in self._counting:
            self.said[word] += data.count(word)


class _Link:
    """One connection through the wire."""

    def __init__(self, task: asyncio.Task[None], *, silent: bool) -> None:
        self.task, self.silent = task, silent


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Return the head of a connection's first request, or what there is of it."""
    try:
        async with asyncio.timeout(HEAD_TIME):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except (TimeoutError, asyncio.LimitOverrunError):
        raise OSError("This is no request.") from None


class WireInThread:
    """A wire for tests that do not run in an event loop."""

    def __init__(self, wire: Wire, loop: asyncio.AbstractEventLoop) -> None:
        self.wire, self._loop = wire, loop

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.wire.port

    def become(self, way: Way) -> None:
        """Treat connections in this way from now on."""
        asyncio.run_coroutine_threadsafe(self.wire.become(way), self._loop).result(10)


@contextmanager
def wire_to(target: int) -> Iterator[WireInThread]:
    """Lay a wire to a port of this machine, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wire", daemon=True)
    thread.start()
    wire = Wire(target)
    try:
        asyncio.run_coroutine_threadsafe(wire.__aenter__(), loop).result(10)
        yield WireInThread(wire, loop)
    finally:
        asyncio.run_coroutine_threadsafe(wire.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
