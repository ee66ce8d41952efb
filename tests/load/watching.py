"""Viewers without a browser, and a portal whose platform and web process are programs of their own.

The sockets are raw: what parses frames here must never be what is measured. The web process is started as
`manage.py up --platform` starts it, so that it can be killed alone; its requests to the platform go through a wire
that counts them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import randrange
from socket import AF_INET, AF_UNIX, socket
from typing import Any

import aiohttp
import psutil
from yarl import URL

from tests.cutting import Wire
from tests.local.harness import TERMINAL, Platform
from tests.local.harness import running as platform_running
from tests.platforms import ROOT, free_port

LOGS = b"view=logs"
ACK_SOON, ACK_LATE, MUCH = 0.06, 2.0, 32 * 1024
CREATION_TIME = 60.0
_FORM_KEY = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_SLUG = re.compile(r'href="/s/([a-z0-9]+)"')

Message = dict[str, Any]


class Web:
    """The portal's web process, on a data folder of its own."""

    def __init__(self, data: Path, platform_url: str, sockets: int) -> None:
        self.data, self._platform_url, self._sockets = data, platform_url, sockets
        self.port = free_port()
        self.start()

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        """Start it and wait until it says that it listens."""
        command = [sys.executable, "-m", "tests.load.roomy", "up", "--no-browser", "--port", str(self.port)]
        command += ["--data", str(self.data), "--platform", self._platform_url]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CANFARWEB_")}
        kept.pop("DJANGO_SETTINGS_MODULE", None)
        kept["CANFARWEB_SOCKETS_PER_PERSON"] = str(self._sockets)
        self._window = self.data.parent / "window"
        self._window.unlink(missing_ok=True)
        kept["LOOK_INTO"] = str(self._window)
        self._complaints = (self.data.parent / "portal.err").open("a")
        self.popen = subprocess.Popen(
            command, cwd=ROOT, env=kept, stdout=subprocess.PIPE, stderr=self._complaints, text=True
        )
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line.startswith("Portal: "), (line, self.complaints()[-2000:])
        self.process = psutil.Process(self.popen.pid)

    def kill(self) -> None:
        """End it as a crash would."""
        self.popen.kill()
        self._ended()

    def stop(self) -> None:
        """Press Ctrl-C; who does not mind that is killed."""
        if self.popen.poll() is None:
            self.popen.send_signal(2)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self._ended()

    def _ended(self) -> None:
        self.popen.wait(10)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        self._complaints.close()

    def complaints(self) -> str:
        """Return what it wrote to its standard error."""
        return (self.data.parent / "portal.err").read_text()

    def memory(self) -> int:
        """Return its RSS in bytes."""
        return int(self.process.memory_info().rss)

    def held(self) -> dict[str, int]:
        """Return how many tasks are not done there, and how many blocks of memory Python has in use."""
        with socket(AF_UNIX) as asking:
            asking.connect(str(self._window))
            return dict(json.loads(asking.makefile("rb").read()))

    def cpu(self) -> float:
        """Return the seconds of CPU that it has had, user and system."""
        return float(sum(self.process.cpu_times()[:2]))

    def sockets(self) -> int:
        """Return how many connections to its port are established, as the kernel counts them."""
        found = self.process.net_connections("tcp")
        return sum(each.laddr.port == self.port and each.status == psutil.CONN_ESTABLISHED for each in found)


class Scene:
    """A platform, the wire to it, the web process, and a client that is signed in."""

    def __init__(self, platform: Platform, wire: Wire, web: Web, client: aiohttp.ClientSession) -> None:
        self.platform, self.wire, self.web, self.client = platform, wire, web, client
        self.cookie = self.id = ""

    async def sign_in(self) -> None:
        """Paste the token as a person would."""
        async with self.client.get(f"{self.web.address}/signin") as answer:
            found = _FORM_KEY.search(await answer.text())
        assert found, "The sign-in page has no form."
        form = {"csrfmiddlewaretoken": found[1], "token": self.platform.alice.token}
        headers = {"Origin": self.web.address}
        async with self.client.post(
            f"{self.web.address}/signin", data=form, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 302, f"{answer.status}: {(await answer.text())[:500]}"
        cookies = self.client.cookie_jar.filter_cookies(URL(self.web.address))
        self.cookie = "; ".join(f"{name}={each.value}" for name, each in cookies.items())

    async def launch(self, program: Path, *arguments: object) -> str:
        """Run a program of ours in a headless session; return its slug once the portal lists it."""
        create = self.platform.alice.create
        words = [str(program), *map(str, arguments)]
        self.id = await asyncio.to_thread(create, "python3", *words, name="followed", image=TERMINAL)
        return await eventually(self._slug, CREATION_TIME)

    async def _slug(self) -> str:
        async with self.client.get(f"{self.web.address}/") as answer:
            found = _SLUG.search(await answer.text())
        return found[1] if found else ""

    @property
    def polls(self) -> int:
        """How often the portal asked for a log."""
        return self.wire.said[LOGS]

    async def watch(self, take: Callable[[bytes], None]) -> Viewer:
        """Open a viewer's socket."""
        return await opened(self.web.port, self.cookie, take)


async def eventually(look: Callable[[], Awaitable[Any]], seconds: float, every: float = 0.2) -> Any:
    """Wait until ``look`` returns something true, and return it."""
    end = time.monotonic() + seconds
    while not (found := await look()):
        assert time.monotonic() < end, f"It did not come to pass in {seconds:g} s."
        await asyncio.sleep(every)
    return found


@contextmanager
def platform(*options: str) -> Iterator[Platform]:
    """Start a platform of its own; nothing of it is left afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="canfarweb-load-", ignore_cleanup_errors=True) as folder,
        platform_running(Path(folder) / "platform", "--grace", "1", *options) as running,
    ):
        yield running


@asynccontextmanager
async def scene(running: Platform, *, sockets: int = 2000) -> AsyncIterator[Scene]:
    """Start a portal on a platform, and sign in."""
    with tempfile.TemporaryDirectory(prefix="canfarweb-load-", ignore_cleanup_errors=True) as folder:
        async with Wire(running.port, counting=(LOGS,)) as wire:
            data = Path(folder) / "portal"
            data.mkdir()
            web = await asyncio.to_thread(Web, data, f"http://localhost:{wire.port}/skaha/v1", sockets)
            try:
                async with _client() as client:
                    made = Scene(running, wire, web, client)
                    await made.sign_in()
                    yield made
            finally:
                await asyncio.to_thread(web.stop)


def _client() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=100, family=AF_INET)
    return aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=60), trust_env=False
    )


def many_files() -> None:
    """Let this process open as many sockets as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Viewer(asyncio.Protocol):
    """A viewer's socket: hands over the text of each frame, answers pings, and says what it has drawn.

    Frames are handed over as bytes; who only counts need not parse them.
    """

    def __init__(self, port: int, cookie: str, take: Callable[[bytes], None]) -> None:
        self.take = take
        self.bytes = self.frames = 0
        self.code: int | None = None
        # Whether the connection is to be reset somewhere in what comes next.
        self.cut_next = False
        loop = asyncio.get_running_loop()
        self.open: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._held = bytearray()
        self._upgraded = False
        self._drawn: dict[bytes, tuple[bytes, int]] = {}
        self._acknowledged: dict[bytes, int] = {}
        self._hurrying = False
        self._acking: asyncio.TimerHandle | None = None
        key = base64.b64encode(os.urandom(16)).decode()
        self._hello = (
            f"GET /ws/ HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nCookie: {cookie}\r\n\r\n"
        ).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._hello)

    def connection_lost(self, error: Exception | None) -> None:
        if self._acking is not None:
            self._acking.cancel()
        if not self.open.done():
            self.open.set_exception(ConnectionResetError("The handshake was cut."))
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self.cut_next:
            data = data[: randrange(len(data))]
            self.transport.abort()
        self.bytes += len(data)
        held = self._held
        held += data
        if not self._upgraded and not self._greeted():
            return
        at = 0
        while (found := _frame(held, at)) is not None:
            kind, begin, at = found
            self._handle(kind, bytes(held[begin:at]))
        del held[:at]

    def _greeted(self) -> bool:
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._held.startswith(b"HTTP/1.1 101"):
            if not self.open.done():
                self.open.set_exception(ConnectionRefusedError(bytes(self._held[:80]).decode("latin-1")))
            self.transport.abort()
            return False
        del self._held[: end + 4]
        self._upgraded = True
        self.open.set_result(None)
        return True

    def _handle(self, kind: int, body: bytes) -> None:
        if kind == 1:
            self.frames += 1
            self._hear(body)
        elif kind == 8:
            self.code = int.from_bytes(body[:2], "big")
            self._send(8, body[:2])
            self.transport.close()
        elif kind == 9:
            self._send(10, body)

    def _hear(self, body: bytes) -> None:
        if body == b'{"t":"ping"}':
            self._send(1, b'{"t":"pong"}')
            return
        self.take(body)
        # The numbers to acknowledge stand at the front, before any text.
        if body.startswith((b'{"t":"log"', b'{"t":"events"')) and (found := _CREDIT.match(body)):
            what, slug, number = found[1], found[2], int(found[3])
            self._drawn[what + slug] = (b'"s":"%b","w":"%b"' % (slug, what), number)
            much = number - self._acknowledged.get(what + slug, 0) > MUCH
            if self._acking is None or (much and not self._hurrying):
                if self._acking is not None:
                    self._acking.cancel()
                self._hurrying = much
                self._acking = self._loop.call_later(ACK_SOON if much else ACK_LATE, self._acknowledge)

    def _acknowledge(self) -> None:
        self._acking = None
        for key, (topic, number) in self._drawn.items():
            self._send(1, b'{"t":"ack",%b,"n":%d}' % (topic, number))
            self._acknowledged[key] = number
        self._drawn.clear()

    def say(self, **message: Any) -> None:
        """Send a message."""
        self._send(1, json.dumps(message).encode())

    def follow(self, slug: str, *, tail: int, epoch: int | None = None, after: int | None = None) -> None:
        """Follow a log from a place on."""
        self.say(t="follow", s=slug, w="log", epoch=epoch, after=after, tail=tail)

    def cut(self) -> None:
        """Reset the connection, in the middle of whatever it is."""
        self.transport.abort()

    def _send(self, kind: int, body: bytes) -> None:
        if self.transport.is_closing():
            return
        length = len(body)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
        # Masked, as clients must; with zeros, which leave everything as it is.
        self.transport.write(bytes([0x80 | kind]) + size + b"\0\0\0\0" + body)


_CREDIT = re.compile(rb'\{"t":"(log|events)","s":"([^"]+)"(?:,"[a-mo-z]\w*":\d+)*?,"n":(\d+)')


def _frame(held: bytearray, at: int) -> tuple[int, int, int] | None:
    """Return kind, beginning and end of the frame at a place; None when it is not all there."""
    if len(held) < at + 2:
        return None
    length, begin = held[at + 1], at + 2
    if length >= 126:
        wide = 2 if length == 126 else 8
        begin += wide
        if len(held) < begin:
            return None
        length = int.from_bytes(held[begin - wide : begin], "big")
    end = begin + length
    return (held[at] & 15, begin, end) if len(held) >= end else None


async def opened(port: int, cookie: str, take: Callable[[bytes], None]) -> Viewer:
    """Open a socket; raises ``OSError`` when there is nobody, or who is there refuses."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        _, viewer = await loop.create_connection(lambda: Viewer(port, cookie, take), "127.0.0.1", port)
        await viewer.open
    return viewer
