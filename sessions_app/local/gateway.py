"""The one public port: look at the first request of a connection, then hand the connection on.

A host name of its own leads to a session (`s-<slug>.localhost`), `localhost` and `127.0.0.1` to the API, and
a session's path on `127.0.0.1` to that session, for browsers that do not resolve names under `localhost`.
Anything else is turned away, which also stops pages that point a name of theirs at this machine.
"""

import asyncio
import errno
import logging
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .engine import Engine
from .probe import Streams, reach
from .session import Session

log = logging.getLogger("sessions_app.local")

HEAD_LIMIT = 2**16
HEAD_TIME = 10.0
LINGER = 300.0
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: a close discards what is unsent and resets.
PIECE = 2**16
OWN = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
SESSION_HOST = re.compile(rb"s-([a-z0-9]{12})\.localhost(:\d{1,5})?", re.IGNORECASE)
SESSION_PATH = re.compile(rb"/session/[a-z]+/([a-z][a-z0-9]{7})(/|\?|$)")
REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (/\S*) HTTP/1\.[01]")


class TurnedAwayError(Exception):
    """The connection leads nowhere; the status and the sentence say why."""

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


@dataclass(frozen=True)
class Head:
    """The first request of a connection, as far as it decides the way."""

    raw: bytes
    path: bytes
    host: bytes
    upgrade: bool


class Gateway:
    """Accept connections and splice them."""

    def __init__(self, engine: Engine, api: Callable[[], Awaitable[Streams]]) -> None:
        self._engine, self._api = engine, api
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._clients: dict[bytes, asyncio.StreamWriter] = {}

    async def start(self, port: int) -> None:
        """Listen on loopback, and on nothing else."""
        await self._listen("127.0.0.1", port)
        try:
            await self._listen("::1", port)
        except OSError as error:
            # A machine may have no IPv6; but where another has the port, `localhost` could lead to it.
            if error.errno == errno.EADDRINUSE:
                raise

    async def _listen(self, host: str, port: int) -> None:
        self._servers.append(await asyncio.start_server(self._accept, host, port, limit=HEAD_LIMIT))

    def reset(self, name: bytes) -> None:
        """Reset the client's connection behind a connection to the API that has this name."""
        if client := self._clients.get(name):
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            client.transport.abort()

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        for server in self._servers:
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # They left, or never said what they wanted.
        except asyncio.CancelledError:
            # We stop, and wait for it; Python's own server would report a task that was cancelled.
            log.debug("A connection was open when the platform stopped.")
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_TIME):
                head = await _read_head(reader)
                onward, first = await self._way(head)
        except TurnedAwayError as away:
            writer.write(_page(away.status, away.sentence))
            await writer.drain()
            return
        onward[1].write(first)
        if isinstance(name := onward[1].get_extra_info("sockname"), bytes):
            self._clients[name] = writer
        try:
            await splice((reader, writer), onward)
        finally:
            self._clients.pop(name, None)

    async def _way(self, head: Head) -> tuple[Streams, bytes]:
        """Decide where a connection leads, and what is sent there first."""
        if found := SESSION_HOST.fullmatch(head.host):
            return await _to(self._engine.by_slug(found[1].decode().lower())), head.raw
        if not OWN.fullmatch(head.host):
            raise TurnedAwayError("421 Misdirected Request", "This host name is not served here.")
        if found := SESSION_PATH.match(head.path):
            if not head.host.startswith(b"127."):
                raise TurnedAwayError("404 Not Found", "Sessions are not served under this host name.")
            return await _to(self._engine.by_id(found[1].decode())), head.raw if head.upgrade else _once(
                head.raw
            )
        return await self._api(), head.raw


async def _to(session: Session | None) -> Streams:
    if session is None:
        raise TurnedAwayError("404 Not Found", "There is no such session.")
    try:
        return await reach(session.address)
    except OSError as error:
        raise TurnedAwayError("503 Service Unavailable", "This session is not answering yet.") from error


async def _read_head(reader: asyncio.StreamReader) -> Head:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise TurnedAwayError(
            "431 Request Header Fields Too Large", "The request's head is too large."
        ) from error
    line, *fields = raw[:-4].split(b"\r\n")
    request = REQUEST_LINE.fullmatch(line)
    hosts = [value.strip() for name, value in _fields(fields) if name == b"host"]
    if request is None or len(hosts) != 1:
        raise TurnedAwayError("400 Bad Request", "This is not a request that can be served here.")
    return Head(raw, request[2], hosts[0], any(name == b"upgrade" for name, _ in _fields(fields)))


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    pairs = (line.partition(b":") for line in lines)
    return [(name.lower(), value) for name, _, value in pairs]


def _once(raw: bytes) -> bytes:
    """Ask for a connection that ends with this answer: the next request may be for another session."""
    line, *fields = raw[:-4].split(b"\r\n")
    kept = [field for field in fields if not field.lower().startswith((b"connection:", b"keep-alive:"))]
    return b"\r\n".join([line, *kept, b"Connection: close", b"", b""])


def _page(status: str, sentence: str) -> bytes:
    body = sentence.encode() + b"\n"
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    more = "Retry-After: 1\r\n" if status.startswith("503") else ""
    return (head + more + "Connection: close\r\n\r\n").encode() + body


async def splice(client: Streams, upstream: Streams) -> None:
    """Copy both ways until the session's side is done, or either is broken."""
    asking = asyncio.create_task(_copy(client[0], upstream[1]))
    answering = asyncio.create_task(_copy(upstream[0], client[1]))
    try:
        await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done() and not asking.exception():
            # The client may have said all it wants and still listen.
            await asyncio.wait({answering}, timeout=LINGER)
    finally:
        asking.cancel()
        answering.cancel()
        await asyncio.gather(asking, answering, return_exceptions=True)
        client[1].close()
        upstream[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
