"""Measure what others notice of one person's first huge list: `.venv/bin/python -m tests.load.huge_lists`.

One stand-in of a platform lists as many sessions as the person's token says, and three that change all the time for
each of eight others, who look at their sessions four times a second. For each size a portal of its own is started;
told are the slowest page, the 95th percentile and the failures of the others before and while the list is taken in,
when the page of its owner has it, and what the portal's memory grew by. `--tree` measures another working tree.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import aiohttp
import psutil
from aiohttp import web

from tests.platforms import free_port

OTHERS = 8
EVERY = 0.25
QUIET, LONGEST = 5.0, 120.0
# Who signs in, in a portal's own process: prints a cookie for each name.
ENTER = """
import django; django.setup()
import sys
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from sessions_app.models import Credential, Person
from asgiref.sync import async_to_sync
for name in sys.argv[1:]:
    person = async_to_sync(Person.objects.aenter)(settings.PLATFORM_KEY, name)
    async_to_sync(Credential.objects.akeep)(person, name)
    store = SessionStore()
    store[SESSION_KEY] = str(person.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = person.get_session_auth_hash()
    store.save()
    print(settings.SESSION_COOKIE_NAME, store.session_key)
"""


def main() -> None:
    """Measure each size and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 12000, 60000])
    parser.add_argument("--tiny", action="store_true", help="rows of an id and nothing else")
    parser.add_argument("--tree", type=Path, default=Path(__file__).parents[2])
    options = parser.parse_args()
    print(f"{'rows':>6} {'quiet max':>10} {'p95':>7} {'busy max':>10} {'p95':>7} {'5xx':>4}", end="")
    print(f" {'shown after':>12} {'memory':>9}", flush=True)
    for size in options.sizes:
        asyncio.run(measured(size, options.tree, options.tiny or size > 20_000))


def row(number: int, status: str, tiny: bool) -> dict[str, object]:
    if tiny:
        return {"id": f"s{number:07}"}
    return {
        "id": f"s{number:07}",
        "userid": "somebody",
        "image": "images.canfar.net/skaha/astroml:24.07",
        "type": "headless",
        "status": status,
        "name": f"fit-{number}",
        "startTime": "2026-01-05T10:00:00Z",
        "expiryTime": "2026-02-05T10:00:00Z",
        "connectURL": "",
        "requestedRAM": "4.29",
        "requestedCPUCores": "2",
        "ramInUse": "1.00",
        "cpuCoresInUse": "0.5",
        "isFixedResources": True,
    }


def platform(size: int, tiny: bool) -> web.Application:
    """Return the stand-in: it knows lists and nothing else."""
    huge = json.dumps([row(number, "Running", tiny) for number in range(size)])

    async def listed(request: web.Request) -> web.Response:
        name = request.headers["Authorization"].removeprefix("Bearer ")
        if request.query:
            return web.Response(status=503)
        if name == "crowd":
            return web.Response(text=huge, content_type="application/json")
        status = ("Running", "Pending")[int(time.monotonic() * 2) % 2]
        start = 1_000_000 * (1 + int(name.removeprefix("other")))
        return web.json_response([row(start + number, status, False) for number in range(3)])

    async def nothing(_: web.Request) -> web.Response:
        return web.json_response([])

    app = web.Application()
    app.router.add_get("/skaha/v1/session", listed)
    app.router.add_get("/skaha/v1/{other:.*}", nothing)
    return app


async def measured(size: int, tree: Path, tiny: bool) -> None:
    """Start all that is needed, measure one size, and end it."""
    runner = web.AppRunner(platform(size, tiny))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    with tempfile.TemporaryDirectory(prefix="canfarweb-load-", ignore_cleanup_errors=True) as folder:
        data, own = Path(folder) / "data", free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CANFARWEB_")}
        environment |= {
            "CANFARWEB_DATA": str(data),
            "CANFARWEB_PLATFORM": f"http://127.0.0.1:{port}/skaha/v1",
            "DJANGO_SETTINGS_MODULE": "canfarweb.settings",
        }
        command = [sys.executable, "manage.py", "up", "--no-browser", "--port", str(own)]
        process = subprocess.Popen(
            command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.readline)
            names = ["crowd", *(f"other{number}" for number in range(OTHERS))]
            told = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", ENTER, *names],
                cwd=tree,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            cookies = [dict([line.split()]) for line in told.stdout.splitlines()]
            await look(f"http://localhost:{own}", cookies, psutil.Process(process.pid), size)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            await runner.cleanup()


async def look(address: str, cookies: list[dict[str, str]], process: psutil.Process, size: int) -> None:
    took: list[tuple[float, float]] = []
    failures: list[int] = []
    over = asyncio.Event()

    async def other(cookie: dict[str, str]) -> None:
        async with aiohttp.ClientSession(cookies=cookie) as client:
            while not over.is_set():
                began = time.monotonic()
                async with client.get(address) as answer:
                    await answer.read()
                    if answer.status >= 500:
                        failures.append(answer.status)
                took.append((began, time.monotonic() - began))
                await asyncio.sleep(max(0.0, EVERY - (time.monotonic() - began)))

    async with asyncio.TaskGroup() as group:
        for cookie in cookies[1:]:
            group.create_task(other(cookie))
        await asyncio.sleep(QUIET)
        memory, began = process.memory_info().rss, time.monotonic()
        most, shown = memory, 0.0
        async with aiohttp.ClientSession(cookies=cookies[0]) as client:
            while not shown and time.monotonic() - began < LONGEST:
                async with client.get(address) as answer:
                    if re.search(r'class="tabs__count">\s*[1-9]', await answer.text()):
                        shown = time.monotonic() - began
                most = max(most, process.memory_info().rss)
                await asyncio.sleep(0.2)
            # What follows the first list counts as well.
            until = time.monotonic() + 8
            while time.monotonic() < until:
                async with client.get(address, headers={"HX-Request": "true"}) as answer:
                    await answer.read()
                most = max(most, process.memory_info().rss)
                await asyncio.sleep(1)
        over.set()
    quiet = [took_ for at, took_ in took if at < began and at > took[0][0] + 2]
    busy = [took_ for at, took_ in took if at >= began - 0.1]
    print(
        f"{size:6} {max(quiet):8.2f} s {quantiles(quiet, n=20)[-1]:5.2f} s {max(busy):8.2f} s "
        f"{quantiles(busy, n=20)[-1]:5.2f} s {len(failures):4} {shown or -1:10.1f} s "
        f"{(most - memory) / 2**20:+6.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
