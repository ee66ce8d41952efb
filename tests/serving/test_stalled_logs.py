"""Logs of the platform that nobody reads hold neither memory nor the platform (M22)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.served import Served, served, status_of, until

MEGABYTE = 2**20
SIZE = 24
PEOPLE = ("alice", "bob", "carol", "dora")
KEEP = """
from sessions_app.models import Record
for name in sys.argv[1:]:
    record = Record.objects.draft(Person.objects.get(name=name), f"{name:x<8}")
    record.name, record.state = "long", "running"
    record.save()
    print(record.slug)
"""


class LongLogs(ThreadingHTTPServer):
    """A platform with a long log of every session; it counts how many it is telling."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Telling)
        self.telling = self.told = 0
        self.lock = threading.Lock()


class Telling(BaseHTTPRequestHandler):
    server: LongLogs

    def do_GET(self) -> None:
        if "view=logs" in self.path:
            self._tell()
            return
        self._begin("application/json", 2)
        self.wfile.write(b"[]")

    def _tell(self) -> None:
        with self.server.lock:
            self.server.telling += 1
        try:
            self._begin("text/plain", SIZE * MEGABYTE)
            line = b"x" * 1023 + b"\n"
            for _ in range(SIZE):
                self.wfile.write(line * 1024)
        finally:
            with self.server.lock:
                self.server.telling -= 1
                self.server.told += 1

    def _begin(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def platform() -> Iterator[LongLogs]:
    with LongLogs() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def beside(platform: LongLogs, tmp_path: Path) -> Iterator[Served]:
    """A portal of that platform."""
    port = str(platform.server_address[1])
    with served(tmp_path, *PEOPLE, CANFARWEB_PLATFORM_PORT=port) as running:
        yield running


def files_open(portal: Served) -> int:
    """How many files without a name the portal holds in its data folder."""
    links = Path(f"/proc/{portal.process.pid}/fd").iterdir()
    return sum("(deleted)" in str(link.readlink()) for link in links if link.is_symlink())


def test_sixteen_logs_that_nobody_reads_hold_neither_memory_nor_the_platform(
    beside: Served, platform: LongLogs
) -> None:
    slugs = dict(zip(PEOPLE, beside.run(KEEP, *PEOPLE).split(), strict=True))

    def ask(name: str) -> socket.socket:
        connection = beside.connect(receive_buffer=4096)
        request = f"GET /s/{slugs[name]}/log.txt HTTP/1.1\r\nHost: localhost:{beside.port}\r\n"
        connection.sendall(f"{request}Cookie: {beside.cookies[name]}\r\n\r\n".encode())
        return connection

    # What the first one costs, imports and pools, is not what is looked for.
    with ask("alice") as first:
        assert status_of(first.recv(1000)) == 200
        until(lambda: platform.told == 1)
    until(lambda: files_open(beside) == 0)
    before = beside.memory
    stalled = [ask(name) for name in PEOPLE for _ in range(4)]
    assert [status_of(each.recv(1000)) for each in stalled] == [200] * 16
    # The platform has said everything and is let go of, though nobody read it.
    until(lambda: platform.told == 17)
    assert platform.telling == 0
    assert files_open(beside) == 16
    grown = beside.memory - before
    print(f"16 stalled downloads of {SIZE} MiB: +{grown:.1f} MiB")
    assert grown < 48
    with ask("alice") as fifth:
        answer = fifth.recv(4000)
    assert status_of(answer) == 429
    assert b"Retry-After: 5" in answer
    for each in stalled:
        each.close()
    until(lambda: files_open(beside) == 0)
