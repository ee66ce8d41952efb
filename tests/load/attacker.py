"""One signed-in attacker beside ten ordinary people: `.venv/bin/python -m tests.load.attacker [--seconds 60]`.

Everything is on loopback and ends by itself: a stand-in for the platform, the portal under daphne, the attacker and
the people are processes of this program. The attacker floods sockets with frames, pings, pieces and compressed
frames, opens a hundred sockets a second, begins downloads and reads none, asks for news until refused, and has 60,000
sessions. The people look at their lists every two seconds. Printed are their times quiet and attacked, what they were
refused, and the server's memory. Exit 1 if the p95 is above 200 ms and twice the quiet one, the memory above +64 MiB,
or anybody was answered 5xx.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import multiprocessing
import os
import re
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from statistics import quantiles

import aiohttp
from aiohttp import web

from tests.served import Served, frame, served

PEOPLE = [f"person{number}" for number in range(10)]
ROWS, MOST_ROWS = 40, 60_000
LONG_LOG = 64 * 2**20
MEMORY = 64.0


def main() -> None:
    """Measure quiet, attack, measure, look at what stays."""
    parser = argparse.ArgumentParser(description="Attack one process beside ten ordinary people.")
    parser.add_argument("--seconds", type=float, default=60, help="how long it is attacked (60, at most 600)")
    parser.add_argument("--quiet", type=float, default=20, help="how long it is measured before (20)")
    parser.add_argument(
        "--after", type=float, default=30, help="how long until the memory is looked at again (30)"
    )
    parser.add_argument("--only", default="", help="attacks by name, with commas: all if not said")
    options = parser.parse_args()
    platform = multiprocessing.get_context("spawn")
    ports = platform.Queue()
    stand_in = platform.Process(target=_stand_in, args=(ports,), daemon=True)
    stand_in.start()
    with tempfile.TemporaryDirectory(prefix="canfarweb-attacked-") as folder:
        url = f"http://127.0.0.1:{ports.get(timeout=30)}/skaha/v1"
        with served(Path(folder), "mallory", *PEOPLE, CANFARWEB_PLATFORM=url) as portal:
            passed = _measure(portal, min(options.seconds, 600), options)
    stand_in.terminate()
    stand_in.join()
    sys.exit(0 if passed else 1)


def _measure(portal: Served, seconds: float, options: argparse.Namespace) -> bool:
    asyncio.run(_people(portal.port, portal.cookies, 5))
    began = portal.computed
    quiet = asyncio.run(_people(portal.port, portal.cookies, options.quiet))
    idle = portal.computed - began
    before, computed = portal.memory, portal.computed
    chosen = [name for name in options.only.split(",") if name] or list(ATTACKS)
    # A process of its own, so that what the attack costs its client is not waited for by the people.
    fresh = multiprocessing.get_context("spawn")
    attack = fresh.Process(target=_attack, args=(portal.port, portal.cookies["mallory"], seconds, chosen))
    attack.start()
    attacked, most = asyncio.run(_watched(portal, seconds))
    computed = portal.computed - computed
    attack.join(30)
    attack.kill()
    time.sleep(options.after)
    after = portal.memory
    for name, (times, statuses) in {"quiet": quiet, "attacked": attacked}.items():
        failures = sum(count for status, count in statuses.items() if status >= 500 or status == 0)
        print(
            f"{name:9} {len(times)} pages, p50 {_at(times, 50):.0f} ms, p95 {_at(times, 95):.0f} ms,"
            f" longest {max(times):.0f} ms, 5xx or nothing: {failures} {dict(statuses)}"
        )
    print(f"memory    {before:.0f} MiB before, {most:.0f} at most, {after:.0f} {options.after:.0f} s after")
    # These do not grow when the machine has other work.
    print(f"processor {idle / options.quiet:.0%} of one quiet, {computed / seconds:.0%} attacked")
    written = portal.written.splitlines()
    print(
        f"log       {len(written)} lines, {sum(line.startswith('Traceback') for line in written)} tracebacks"
    )
    failures = sum(count for status, count in attacked[1].items() if status >= 500 or status == 0)
    slow = _at(attacked[0], 95) > max(200.0, 2 * _at(quiet[0], 95))
    return not (slow or failures or most - before > MEMORY)


def _at(times: list[float], percent: int) -> float:
    return quantiles(times, n=100, method="inclusive")[percent - 1]


async def _watched(portal: Served, seconds: float) -> tuple[tuple[list[float], Counter[int]], float]:
    most = portal.memory

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, portal.memory)
            await asyncio.sleep(0.2)

    looking = asyncio.create_task(look())
    found = await _people(portal.port, portal.cookies, seconds)
    looking.cancel()
    return found, most


async def _people(port: int, cookies: dict[str, str], seconds: float) -> tuple[list[float], Counter[int]]:
    """Let each look at their list every two seconds."""
    times: list[float] = []
    statuses: Counter[int] = Counter()
    end = time.monotonic() + seconds

    async def person(name: str, client: aiohttp.ClientSession, late: float) -> None:
        await asyncio.sleep(late)
        while time.monotonic() < end:
            began = time.perf_counter()
            status = 0
            with suppress(aiohttp.ClientError, TimeoutError):
                async with client.get(
                    f"http://127.0.0.1:{port}/", headers=_headers(port, cookies[name])
                ) as got:
                    await got.read()
                    status = got.status
            times.append(1000 * (time.perf_counter() - began))
            statuses[status] += 1
            await asyncio.sleep(2)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as client:
        await asyncio.gather(*(person(name, client, 0.2 * at) for at, name in enumerate(PEOPLE)))
    return times, statuses


def _headers(port: int, cookie: str) -> dict[str, str]:
    return {"Host": f"localhost:{port}", "Cookie": cookie}


class Attack:
    """What the attacker knows, and what came of it."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port, self.cookie = port, cookie
        self.slug = "nothing"
        self.done: Counter[str] = Counter()

    async def ask(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request; what is done with the answer is the attack's affair."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=4096)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nCookie: {self.cookie}\r\n\r\n".encode()
        )
        return reader, writer

    async def shake_hands(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a socket."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        writer.write(
            f"GET /ws/ HTTP/1.1\r\nHost: localhost:{self.port}\r\nOrigin: http://localhost:{self.port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nCookie: {self.cookie}\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    async def flood(self, name: str, data: bytes) -> None:
        """Open a socket, pour, and begin anew when it is closed."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                _, writer = await self.shake_hands()
                try:
                    for _ in range(50):
                        writer.write(data)
                        async with asyncio.timeout(5):
                            await writer.drain()
                        self.done[name] += 1
                finally:
                    writer.close()
            await asyncio.sleep(0.1)

    async def handshakes(self) -> None:
        """Open a hundred sockets a second, and hold them for a while."""

        async def one() -> None:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(10):
                    _, writer = await self.shake_hands()
                self.done["handshakes"] += 1
                await asyncio.sleep(2)
                writer.close()

        await self._a_hundred_a_second(one)

    async def polls(self) -> None:
        """Ask for news of a log until that is refused, and on."""

        async def one() -> None:
            with suppress(OSError, TimeoutError):
                reader, writer = await self.ask(f"/s/{self.slug}/log/since")
                async with asyncio.timeout(20):
                    await reader.readline()
                self.done["polls"] += 1
                writer.close()

        await self._a_hundred_a_second(one)

    async def downloads(self) -> None:
        """Begin downloads, and read none."""
        held: list[asyncio.StreamWriter] = []
        while True:
            with suppress(OSError):
                reader, writer = await self.ask(f"/s/{self.slug}/log.txt")
                writer.transport.pause_reading()  # type: ignore[attr-defined]
                held.append(writer)
                self.done["downloads"] += 1
                del reader
            if len(held) > 100:
                held.pop(0).transport.abort()
            await asyncio.sleep(0.2)

    async def rows(self) -> None:
        """Look at a list of sixty thousand sessions."""
        while True:
            with suppress(OSError, TimeoutError):
                reader, writer = await self.ask("/")
                page = b""
                with suppress(TimeoutError):
                    async with asyncio.timeout(3):
                        while piece := await reader.read(65536):
                            page += piece
                if found := re.search(rb"/s/([a-z0-9]{12})", page):
                    self.slug = found[1].decode()
                self.done["rows"] += 1
                writer.close()
            await asyncio.sleep(1)

    async def _a_hundred_a_second(self, one: Callable[[], Awaitable[None]]) -> None:
        under_way: set[asyncio.Future[None]] = set()
        while True:
            if len(under_way) < 500:
                task = asyncio.ensure_future(one())
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.sleep(0.01)


ATTACKS: dict[str, Callable[[Attack], Awaitable[None]]] = {
    "frames": lambda on: on.flood("frames", frame(1, b"x" * 900_000)),
    "small": lambda on: on.flood("small", frame(1, b'{"t":"ping"}') * 5000),
    "pings": lambda on: on.flood("pings", frame(9, b"x" * 100) * 5000),
    "pieces": lambda on: on.flood("pieces", frame(1, b"x", fin=False) + frame(0, b"x", fin=False) * 20_000),
    "deflate": lambda on: on.flood("deflate", frame(1, zlib.compress(b"\0" * 20_000_000, 9), rsv=4)),
    "handshakes": Attack.handshakes,
    "polls": Attack.polls,
    "downloads": Attack.downloads,
    "rows": Attack.rows,
}


def _attack(port: int, cookie: str, seconds: float, names: list[str]) -> None:
    async def all_of_them() -> None:
        on = Attack(port, cookie)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(ATTACKS[name](on) for name in names))
        print(f"attacks   {dict(on.done)}", flush=True)

    asyncio.run(all_of_them())


def _stand_in(ports: multiprocessing.Queue[int]) -> None:
    """Stand in for the platform: quick, with few sessions for people and many for the attacker."""

    async def sessions(request: web.Request) -> web.StreamResponse:
        if "view" in request.query:
            raise web.HTTPServiceUnavailable
        name = request.headers.get("Authorization", "").rpartition("token-of-")[2]
        many = MOST_ROWS if name == "mallory" else ROWS
        return web.json_response([_row(name, number) for number in range(many)])

    async def one(request: web.Request) -> web.StreamResponse:
        if request.query.get("view") != "logs":
            raise web.HTTPNotFound
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        for _ in range(LONG_LOG // 65536):
            await answer.write(b"a line of a long log\n" * 3120)
        return answer

    async def serve() -> None:
        application = web.Application()
        application.router.add_get("/skaha/v1/session", sessions)
        application.router.add_get("/skaha/v1/session/{id}", one)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


def _row(name: str, number: int) -> dict[str, str]:
    return {
        "id": f"{name[-1]}{number:07d}",
        "userid": name,
        "image": "images.canfar.net/skaha/terminal:latest",
        "type": "headless",
        "status": "Running",
        "name": f"fit-{number}",
        "startTime": "2026-11-25T10:00:00Z",
        "expiryTime": "2026-12-25T10:00:00Z",
        "connectURL": "not-applicable",
    }


if __name__ == "__main__":
    main()
