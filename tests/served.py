"""The portal as daphne serves it, for raw sockets: in a process of its own, without a platform behind it."""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.platforms import ROOT, free_port

PATIENCE = 60.0
SET_UP = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "canfarweb.settings"
django.setup()
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management import call_command
from django.contrib.auth import SESSION_KEY
from importlib import import_module
from sessions_app.models import Credential, Person
"""
SIGN_IN = """
call_command("migrate", interactive=False, verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
store = import_module(settings.SESSION_ENGINE).SessionStore
async def entered(name):
    person = await Person.objects.aenter(settings.PLATFORM_KEY, name)
    await Credential.objects.akeep(person, f"token-of-{name}")
    session = store()
    await session.aset(SESSION_KEY, str(person.pk))
    await session.asave()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"
for name in sys.argv[1:]:
    print(async_to_sync(entered)(name))
"""

FIRST = """
import daphne.server
import canfarweb.asgi
{}
from daphne.cli import CommandLineInterface
CommandLineInterface.entrypoint()
"""


class Served:
    """A portal under daphne's own command, with people who are signed in.

    ``first`` is run in its process before it serves: to shorten a time, or to let something fail.
    """

    def __init__(self, data: Path, *people: str, first: str = "", **variables: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CANFARWEB_")}
        kept.pop("DJANGO_SETTINGS_MODULE", None)
        # Nobody answers for the platform: what is asked of it fails at once.
        self.environment = {**kept, "CANFARWEB_DATA": str(data), "CANFARWEB_PLATFORM_PORT": "9", **variables}
        self.cookies = dict(zip(people, self.run(SIGN_IN, *people).split(), strict=True))
        self.port = free_port()
        self._errors = (data / "stderr").open("w+")
        daphne = ["-c", FIRST.format(first)] if first else ["-m", "daphne"]
        options = ["-b", "127.0.0.1", "-p", str(self.port), "-v", "0", "canfarweb.asgi:application"]
        self.process = psutil.Popen(
            [sys.executable, *daphne, *options],
            cwd=ROOT,
            env=self.environment,
            stderr=self._errors,
            stdout=subprocess.DEVNULL,
        )
        self._wait()

    def run(self, code: str, *arguments: str) -> str:
        """Run something with the portal's settings, beside it; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", SET_UP + code, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        """Open a connection; a small buffer shows sooner that nobody reads."""
        made = socket.socket()
        if receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.settimeout(PATIENCE)
        made.connect(("127.0.0.1", self.port))
        return made

    def request(self, text: str, *, cookie: str = "") -> tuple[int, bytes]:
        """Send one request and return the status and all that came until the connection was closed."""
        with self.connect() as connection:
            line, _, more = text.partition("\n")
            head = f"{line} HTTP/1.1\r\nHost: localhost:{self.port}\r\nConnection: close\r\n"
            head += f"Cookie: {cookie}\r\n" if cookie else ""
            connection.sendall((head + more + "\r\n").encode())
            answer = everything(connection)
        return status_of(answer), answer

    def shake_hands(self, cookie: str = "", path: str = "/ws/", **more: str) -> tuple[int, socket.socket]:
        """Ask for a socket; return the status and the connection."""
        connection = self.connect()
        key = base64.b64encode(os.urandom(16)).decode()
        origin = f"http://localhost:{self.port}"
        headers = {
            "Origin": origin,
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            "Cookie": cookie,
        }
        head = f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        for name, value in {
            **headers,
            **{each.replace("_", "-"): said for each, said in more.items()},
        }.items():
            head += f"{name}: {value}\r\n"
        connection.sendall(head.encode() + b"\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer and (piece := connection.recv(1)):
            answer += piece
        return status_of(answer), connection

    @property
    def memory(self) -> float:
        """What the process holds, in MiB."""
        return float(self.process.memory_info().rss) / 2**20

    @property
    def computed(self) -> float:
        """The seconds that the process has had a processor."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def written(self) -> str:
        """What it wrote to its standard error."""
        self._errors.flush()
        return Path(self._errors.name).read_text(encoding="utf-8")

    def sockets_open(self) -> int:
        """How many connections to it are open, as the kernel counts them."""
        connections = self.process.net_connections("tcp")
        return sum(each.status == psutil.CONN_ESTABLISHED for each in connections)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except psutil.TimeoutExpired:
            self.process.kill()
            self.process.wait(15)
        self._errors.close()

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, self.written
            time.sleep(0.05)
        raise AssertionError("It does not listen.")


@contextmanager
def served(data: Path, *people: str, first: str = "", **variables: str) -> Iterator[Served]:
    """Serve a portal, and end it."""
    running = Served(data, *people, first=first, **variables)
    try:
        yield running
    finally:
        running.stop()


def status_of(answer: bytes) -> int:
    """Return the status of an answer; 0 where there is none."""
    words = answer.split(maxsplit=2)
    return int(words[1]) if len(words) > 1 else 0


def everything(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    taken = bytearray()
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            taken += piece
    return bytes(taken)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return a frame as a browser sends it, masked with nothing."""
    size = len(payload)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + b"\0\0\0\0" + payload


def close_code(frames: bytes) -> int | None:
    """Return the code of the first close frame among the portal's frames."""
    while len(frames) >= 2:
        opcode, size, at = frames[0] & 15, frames[1] & 127, 2
        if size == 126:
            size, at = struct.unpack("!H", frames[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack("!Q", frames[2:10])[0], 10
        if opcode == 8:
            return int(struct.unpack("!H", frames[at : at + 2])[0]) if size >= 2 else None
        frames = frames[at + size :]
    return None


def until(condition: object, seconds: float = PATIENCE) -> None:
    """Wait until the condition holds, or fail."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not come to pass in time."
        time.sleep(0.05)
