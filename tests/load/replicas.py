"""Launch a hundred replicas on a platform that fails: `.venv/bin/python -m tests.load.replicas [--replicas 100]` (R13).

A stand-in for the platform, on loopback, answers 30 of 100 creates with a failure of its own or not at all; half of
those were made all the same. What failed is launched again by the portal's button until nothing is left. Printed are
how many creates were in flight at most, what became of each, and how long that took. Exit 1 if more than eight were
in flight, a name was made twice, the button touched what had not failed, or less than 99 % were settled within 60 s.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.served import Served

IMAGE = "images.canfar.net/skaha/terminal:latest"
MOST_IN_FLIGHT = 8
SETTLED = {"done", "failed"}


class StandIn:
    """A platform that fails now and then, and counts."""

    def __init__(self, share: float, seed: int) -> None:
        self.made: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.in_flight = self.most = 0
        self._share, self._chance = share, random.Random(seed)

    @asynccontextmanager
    async def serving(self) -> Any:
        application = web.Application()
        application.router.add_post("/skaha/v1/session", self._create)
        application.router.add_get("/skaha/v1/session", self._list)
        application.router.add_get("/skaha/v1/image", self._images)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/skaha/v1"
        await runner.cleanup()

    async def _create(self, request: web.Request) -> web.StreamResponse:
        name = str(request.query.get("name") or (await request.post()).get("name"))
        self.asked[name] += 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(self._chance.uniform(0.1, 0.5))
            return self._answer(request, name)
        finally:
            self.in_flight -= 1

    def _answer(self, request: web.Request, name: str) -> web.StreamResponse:
        fails = self._chance.random() < self._share
        if not fails or self._chance.random() < 0.5:
            self.made[name] += 1
        if not fails:
            self.answers["well"] += 1
            return web.Response(text=f"{_id_of(name)}\n")
        if self._chance.random() < 0.5 and request.transport is not None:
            self.answers["cut"] += 1
            request.transport.abort()
        else:
            self.answers["500"] += 1
        return web.Response(status=500, text="unexpected exception")

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return web.json_response([] if "view" in request.query else [_row(name) for name in self.made])

    async def _images(self, _: web.Request) -> web.StreamResponse:
        return web.json_response([{"id": IMAGE, "types": ["headless"]}])


def _id_of(name: str) -> str:
    return f"x{int(name.rpartition('-')[2]):07d}"


def _row(name: str) -> dict[str, str]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "id": _id_of(name),
        "userid": "ann",
        "image": IMAGE,
        "type": "headless",
        "status": "Running",
        "name": name,
        "startTime": now,
        "expiryTime": "2099-01-01T00:00:00Z",
        "connectURL": "not-applicable",
    }


class Browser:
    """Ann's browser."""

    def __init__(self, portal: Served, client: aiohttp.ClientSession) -> None:
        self._base, self._client = f"http://localhost:{portal.port}", client
        self._cookie = portal.cookies["ann"]

    async def fields(self, path: str) -> dict[str, str]:
        """Return the hidden fields of a page."""
        async with self._client.get(self._base + path, headers={"Cookie": self._cookie}) as answer:
            page = await answer.text()
        return dict(re.findall(r'name="(csrfmiddlewaretoken|key)" value="([^"]+)"', page))

    async def post(self, path: str, data: dict[str, str]) -> None:
        headers = {"Cookie": self._cookie, "Origin": self._base}
        async with self._client.post(
            self._base + path, data=data, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 302, f"{path} answered {answer.status}: {await answer.text()}"


def _steps(data: Path) -> tuple[str, dict[str, str]]:
    """Return the operation's name and the state of each of its steps, as they are written down."""
    with closing(sqlite3.connect(data / "portal.sqlite3")) as database:
        rows = database.execute(
            "SELECT o.slug, s.name, s.state FROM sessions_app_step s"
            " JOIN sessions_app_operation o ON o.id = s.operation_id"
        ).fetchall()
    return (rows[0][0] if rows else ""), {name: state for _, name, state in rows}


async def _settled(data: Path, count: int, seconds: float) -> tuple[dict[str, str], float]:
    """Wait until nearly all are settled; return the states and how long 99 % took."""
    began, quick = time.monotonic(), float("inf")
    while True:
        _, states = _steps(data)
        settled = sum(state in SETTLED for state in states.values())
        if settled >= 0.99 * count:
            quick = min(quick, time.monotonic() - began)
        if settled == count or time.monotonic() - began > seconds:
            return states, quick
        await asyncio.sleep(0.2)


async def _run(count: int, share: float, seed: int) -> bool:
    platform = StandIn(share, seed)
    with tempfile.TemporaryDirectory(prefix="canfarweb-replicas-") as folder:
        async with platform.serving() as url:
            opened = await asyncio.to_thread(Served, Path(folder), "ann", CANFARWEB_PLATFORM=url)
            try:
                return await _launched(opened, platform, Path(folder), count)
            finally:
                await asyncio.to_thread(opened.stop)


async def _launched(portal: Served, platform: StandIn, data: Path, count: int) -> bool:
    passed = True
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as client:
        browser = Browser(portal, client)
        form = {"kind": "headless", "image": IMAGE, "name": "fit", "resources": "flexible", "cmd": "true"}
        more = {"args": "", "env": "", "replicas": str(count)}
        await browser.post("/launch", {**await browser.fields("/launch"), **form, **more})
        failed, asked = set(platform.asked), platform.asked.copy()
        for press in range(10):
            states, quick = await _settled(data, count, 120)
            touched = {name for name in platform.asked if platform.asked[name] > asked[name]}
            others = len(touched - failed) if press else 0
            outcomes = dict(Counter(states.values()))
            print(f"press {press}  {outcomes}, 99 % after {quick:.1f} s, not failed but touched: {others}")
            passed = passed and quick <= 60 and not others
            failed, asked = (
                {name for name, state in states.items() if state == "failed"},
                platform.asked.copy(),
            )
            if not failed:
                break
            path = f"/operations/{_steps(data)[0]}"
            await browser.post(f"{path}/again", await browser.fields(path))
    print(f"in flight {platform.most} at most")
    twice = [name for name, times in platform.made.items() if times > 1]
    print(f"answers  {dict(platform.answers)}; made {len(platform.made)} of {count}, twice: {len(twice)}")
    return passed and not twice and platform.most <= MOST_IN_FLIGHT and len(platform.made) == count


def main() -> None:
    """Launch, press again until all are there, and say what came of it."""
    parser = argparse.ArgumentParser(description="Launch many replicas on a platform that fails.")
    parser.add_argument("--replicas", type=int, default=100)
    parser.add_argument("--share", type=float, default=0.3, help="how many of the creates fail (0.3)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(0 if asyncio.run(_run(options.replicas, options.share, options.seed)) else 1)


if __name__ == "__main__":
    main()
