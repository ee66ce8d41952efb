"""Abandon sockets, and see what the portal keeps of them: `.venv/bin/python -m tests.load.abandoned [--sockets 5000]`.

Client processes open them and follow a log that moves; then they are stopped where they stand, as tabs are behind a
network that is gone: nothing is read, nothing answered, nothing closed. What the web process holds is looked at from
outside, by the kernel's account of it, and from within, by Python's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from tests.load import writer
from tests.load.crowd import crowd
from tests.load.watching import Scene, many_files, platform, scene
from tests.local.harness import Platform

MEGABYTE = 2**20
ALLOWED = 60.0
SETTLING = (8, 30, 30)
FIELDS = ("sockets", "fds", "threads", "tasks", "blocks", "RSS MiB", "CPU s")


def main() -> None:
    """Open, abandon, look; exit 1 if sockets are still there afterwards."""
    parser = argparse.ArgumentParser(description="Abandon sockets, and see what the portal keeps of them.")
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=1, help="how often it is done: does it grow? (1)")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=150, help="how long to look at most (150)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    many_files()
    load = os.getloadavg()[0]
    with platform() as running:
        passed = asyncio.run(abandoned(running, options))
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    sys.exit(0 if passed else 1)


def look(on: Scene) -> dict[str, float]:
    """Return what the kernel says of the web process."""
    process = on.web.process
    return {
        "sockets": on.web.sockets(),
        "fds": process.num_fds(),
        "threads": process.num_threads(),
        **on.web.held(),
        "RSS MiB": on.web.memory() / MEGABYTE,
        "CPU s": on.web.cpu(),
    }


def show(when: str, seen: dict[str, float]) -> None:
    print(f"{when:>28}" + "".join(f"{seen[field]:>10.0f}" for field in FIELDS), flush=True)


async def abandoned(running: Platform, options: argparse.Namespace) -> bool:
    """Open so many, stop their processes, and look until they are gone."""
    async with scene(running, sockets=2 * options.sockets + 20) as on:
        # A line every ten seconds: to open and to abandon is what is measured, not to deliver.
        slug = await on.launch(Path(writer.__file__), "stamps", 3600, 0.1, 40)
        # One viewer comes first and stays: the feed itself is no part of what is to go away.
        with crowd(on, slug, 1) as steady:
            await steady.opened()
            await asyncio.sleep(3)
            print(" " * 28 + "".join(f"{field:>10}" for field in FIELDS))
            before = look(on)
            show("before", before)
            for _ in range(options.rounds):
                begun = time.monotonic()
                with crowd(on, slug, options.sockets, tail=100, clients=options.clients) as lost:
                    await lost.opened()
                    top = look(on)
                    show(f"all open, after {time.monotonic() - begun:.0f} s", top)
                    lost.freeze()
                    gone = await _until_gone(on, before, options.seconds)
                    for moment in SETTLING:
                        await asyncio.sleep(moment)
                        after = look(on)
                        show(f"{moment} s later", after)
            await steady.tell("collect")
            await asyncio.sleep(25)
            delivery = await steady.delivery()
    each = (top["RSS MiB"] - before["RSS MiB"]) * 1024 / options.sockets
    kept = after["RSS MiB"] / before["RSS MiB"] - 1
    print(f"  reaped after {gone:.0f} s" if gone else f"  not reaped in {options.seconds:.0f} s", end="; ")
    print(f"RSS {100 * kept:+.0f} % against before, {each:.0f} KiB a socket at the top")
    print(f"  who stayed is still told: {'yes' if delivery else 'no'}")
    return bool(delivery) and 0 < gone <= ALLOWED + 5


async def _until_gone(on: Scene, before: dict[str, float], seconds: float) -> float:
    """Return how long it took until the abandoned sockets were gone; 0 if they are still there."""
    begun, next_shown = time.monotonic(), 0.0
    while (passed := time.monotonic() - begun) < seconds:
        if passed >= next_shown:
            show(f"abandoned for {passed:.0f} s", look(on))
            next_shown += 15
        if on.web.sockets() <= before["sockets"]:
            return passed
        await asyncio.sleep(1)
    return 0.0


if __name__ == "__main__":
    main()
