"""A portal with many finished sessions, started as a user starts it and ended whatever happens."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from socket import AF_INET
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psutil

from tests.platforms import ROOT, free_port, processes_of, wait_until_gone

IMAGES = Path(os.environ.get("CANFARWEB_TEST_IMAGES", ROOT / "var" / "test-images"))
IMAGE = "images.canfar.net/skaha/terminal:latest"
# So many are created or destroyed at once: more would only wait inside the platform.
HANDS = 8
CREATION_TIME = 300.0


class Portal:
    """`manage.py up`, running: its addresses, and what its processes cost."""

    def __init__(self, data: Path) -> None:
        self.data, self.port, self.platform_port = data, free_port(), free_port()
        self._complaints = (data / "stderr").open("w+")
        self._process = subprocess.Popen(
            self._command(),
            cwd=ROOT,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            process_group=0,  # Ctrl-C reaches us alone, and we end it in order.
        )
        try:
            self._read_links()
            self.server = psutil.Process(self._process.pid)
            self.platform = self._find_platform()
        except BaseException:
            self.stop()
            raise

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def stop(self) -> None:
        """Press Ctrl-C; what does not end by that is killed, one by one."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._complaints.close()
        wait_until_gone(self.data, 10)
        for process in processes_of(self.data):
            print(f"killed, as it had not ended: {process.pid} {process.name()}", file=sys.stderr)
            with suppress(psutil.Error):
                process.kill()

    def _command(self) -> list[str]:
        command = [sys.executable, "manage.py", "up", "--no-browser", "--data", str(self.data)]
        command += ["--port", str(self.port), "--platform-port", str(self.platform_port)]
        return [*command, "--images", str(IMAGES)]

    def _read_links(self) -> None:
        assert self._process.stdout is not None
        lines = [self._process.stdout.readline().strip() for _ in range(3)]
        if not lines[0].startswith("Portal: "):
            self._complaints.seek(0)
            raise SystemExit(f"The portal did not start: {lines} {self._complaints.read()[-2000:]}")
        self.welcome = lines[0].removeprefix("Portal: ")
        exports = dict(line.removeprefix("export ").split("=", 1) for line in lines[1:])
        self.platform_url, self.token = exports["CANFAR_URL"], exports["CANFAR_TOKEN"]

    def _find_platform(self) -> psutil.Process:
        return next(child for child in self.server.children() if "sessions_app.local" in child.cmdline())


@contextmanager
def portal() -> Iterator[Portal]:
    """Start a portal with a data folder of its own; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="canfarweb-load-", ignore_cleanup_errors=True) as folder:
        running = Portal(Path(folder))
        try:
            yield running
        finally:
            try:
                asyncio.run(_destroy_all(running))
            finally:
                running.stop()


@asynccontextmanager
async def browser(running: Portal) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client that is signed in by the printed link."""
    async with stranger() as client:
        deadline = time.monotonic() + 15
        while True:
            try:
                plain = {"Accept-Encoding": "identity"}
                async with client.get(_local(running.welcome), headers=plain) as answer:
                    page = await answer.text()
                fields = dict(re.findall(r'name="(csrfmiddlewaretoken|key)" value="([^"]+)"', page))
                async with client.post(
                    running.welcome.partition("?")[0], data=fields, allow_redirects=False
                ) as answer:
                    assert answer.status == 302, f"The welcome link answered {answer.status}."
                    break
            except aiohttp.ClientConnectionError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)  # The link is printed just before the port is open.
        yield client


def stranger() -> aiohttp.ClientSession:
    """Open a client that nobody knows. It reaches loopback alone and leaves bodies compressed."""
    return _client(headers={"Accept-Encoding": "gzip"})


async def create(running: Portal, count: int) -> None:
    """Create sessions that end at once, and wait until all have."""
    async with _platform(running) as client:

        async def one(number: int) -> None:
            form = {"name": f"{number:04}-load", "image": IMAGE, "type": "headless", "cmd": "true"}
            async with client.post(f"{running.platform_url}/session", data=form) as answer:
                assert answer.status == 200, f"{answer.status}: {await answer.text()}"

        async with asyncio.timeout(CREATION_TIME):
            await _side_by_side(one, range(count))
            while not all(row["status"] == "Completed" for row in await _listed(running, client)):
                await asyncio.sleep(1)
            found = len(await _listed(running, client))
    assert found == count, f"{found} of {count} sessions are listed."


async def _destroy_all(running: Portal) -> None:
    async with _platform(running) as client:

        async def one(row: dict[str, Any]) -> None:
            async with client.delete(f"{running.platform_url}/session/{row['id']}"):
                pass

        await _side_by_side(one, await _listed(running, client))
        async with asyncio.timeout(30):
            while await _listed(running, client):
                await asyncio.sleep(0.2)


async def _listed(running: Portal, client: aiohttp.ClientSession) -> list[dict[str, Any]]:
    async with client.get(f"{running.platform_url}/session") as answer:
        rows: list[dict[str, Any]] = await answer.json()
        return rows


async def _side_by_side(work: Callable[[Any], Awaitable[None]], items: Iterable[Any]) -> None:
    waiting = iter(items)

    async def hand() -> None:
        for item in waiting:
            await work(item)

    async with asyncio.TaskGroup() as hands:
        for _ in range(HANDS):
            hands.create_task(hand())


def _platform(running: Portal) -> aiohttp.ClientSession:
    _local(running.platform_url)
    return _client(headers={"Authorization": f"Bearer {running.token}"}, auto_decompress=True)


def _client(*, headers: dict[str, str], auto_decompress: bool = False) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=100, family=AF_INET),
        timeout=aiohttp.ClientTimeout(total=60),
        auto_decompress=auto_decompress,
        trust_env=False,
    )


def _local(address: str) -> str:
    assert urlsplit(address).hostname == "localhost", f"{address} is not on this machine."
    return address


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CANFARWEB_")}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    # One client stands for many browsers here.
    much = dict.fromkeys(("CANFARWEB_REQUESTS_PER_SECOND", "CANFARWEB_REQUESTS_PER_ADDRESS"), "100000")
    return {**kept, **much, "CANFARWEB_REQUESTS_AT_ONCE": "1000"}
