"""Measure the sessions page: `.venv/bin/python -m tests.load.pages [--sessions 200 1000] [--rounds N]`.

For each number of sessions a portal of its own is started, with as many real sessions that have ended. Page, fragment
and unchanged fragment are asked for at 1, 10 and 50 at once, beside /healthz asked for by a stranger, which costs a
request and nothing else: the reference by which two machines, or two hours on one, can be compared. Figures are
medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime

import aiohttp
import psutil

from tests.load.first_load import Fetched, first_load
from tests.load.measuring import Costs, Figures, Target, ask, inflated, poll, run
from tests.load.running import Portal, browser, create, portal, stranger

FRAGMENT = ("HX-Request", "true")
PAGE = Target("page", "/", tells_lists=True)
LIST = Target("fragment", "/", headers=(FRAGMENT,))
KNOWN = Target("/healthz, signed in", "/healthz")
REFERENCE = Target("/healthz", "/healthz")
SAME, AGAIN = "fragment, 204", "204 after 2.3 s"
ORDER = [PAGE.title, LIST.title, SAME, AGAIN, KNOWN.title, REFERENCE.title]
LEVELS = (1, 10, 50)
POLLS = 4
HEADER = ("", "at once", "p50 ms", "p95 ms", "req/s", "CPU ms", "x p50", "x CPU")
HEADER += ("client %", "platf. %", "lists", "bytes", "requests")

LEGEND = """
  p50, p95    from sending to the last byte; x p50, x CPU: as many times the reference's
  CPU ms      of the portal's process, user and system, for each request
  client %    what asking cost us, and platf. % the platform, of one core
  lists       how often the portal read the list upstream meanwhile, as its pages tell (medians, like all figures)
  204 after…  one open tab while nothing happens: each poll finds the list too old and reads it anew"""

Results = dict[tuple[str, int], list[Figures]]


def main() -> None:
    """Measure each number of sessions and print a table of each."""
    parser = argparse.ArgumentParser(description="Measure the sessions page.")
    parser.add_argument("--sessions", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.5, help="how long one run lasts (2.5)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for count in options.sessions:
        with portal() as running:
            asyncio.run(measure(running, count, options.rounds, options.seconds))


async def measure(running: Portal, count: int, rounds: int, seconds: float) -> None:
    """Fill the platform, measure, print."""
    async with browser(running) as client:
        await ask(running, client, PAGE)
        memory = [("signed in, no session", _memory(running))]
        begun = time.monotonic()
        await create(running, count)
        created = time.monotonic() - begun
        await _settled(running, client, count)
        memory.append((f"{count} sessions shown once", _memory(running)))
        load, costs = os.getloadavg(), Costs(running)
        results: Results = {}
        for _ in range(rounds):
            await _round(running, client, seconds, results)
        memory.append(("after all runs", _memory(running)))
        print(
            f"\n{count} sessions, created in {created:.0f} s · {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", end=""
        )
        print(
            f" · {rounds} rounds of {seconds:g} s · {psutil.cpu_count()} cores, {costs.others():.2f} used by others",
            end="",
        )
        print(f" · load average {load[0]:.1f} before, {os.getloadavg()[0]:.1f} after\n")
        _print_table({key: Figures.median(found) for key, found in results.items()})
        _print_memory(memory)
        _print_first_load(await first_load(running, client))


async def _settled(running: Portal, client: aiohttp.ClientSession, count: int) -> None:
    """Wait until the portal shows all sessions, when each ended, and the same twice."""
    deadline = time.monotonic() + 600
    shown = ""
    while time.monotonic() < deadline:
        body = inflated(await ask(running, client, LIST)).decode()
        total = re.search(r'class="tabs__count">(\d+)<', body)
        is_whole = total is not None and int(total[1]) == count and "table__ends--none" not in body
        if is_whole and _version(body) == shown:
            return
        shown = _version(body)
        await asyncio.sleep(2.3)
    raise AssertionError(f"The portal does not show {count} sessions.")


async def _round(running: Portal, client: aiohttp.ClientSession, seconds: float, results: Results) -> None:
    version = _version(inflated(await ask(running, client, LIST)).decode())
    same = Target(SAME, "/", 204, (FRAGMENT, ("X-Shown-Version", version)))
    for at_once in LEVELS:
        for target in (REFERENCE, KNOWN, PAGE, LIST, same):
            async with stranger() if target is REFERENCE else nullcontext(client) as asker:
                found = await run(running, asker, target, at_once, seconds)
            results.setdefault((target.title, at_once), []).append(found)
    found = await poll(running, client, same, POLLS)
    results.setdefault((AGAIN, 1), []).append(found)


def _version(body: str) -> str:
    found = re.search(r'id="sessions-list"[^>]*\sdata-version="([^"]+)"', body)
    assert found, "The fragment names no version."
    return found[1]


def _memory(running: Portal) -> tuple[float, float]:
    return tuple(process.memory_info().rss / 2**20 for process in (running.server, running.platform))


def _print_table(results: dict[tuple[str, int], Figures]) -> None:
    lines = [HEADER]
    for (title, at_once), figures in sorted(results.items(), key=lambda each: _place(*each[0])):
        lines.append(_line(title, at_once, figures, results[REFERENCE.title, at_once]))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    for line in lines:
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join([first, *rest]))
    print(LEGEND)


def _place(title: str, at_once: int) -> tuple[int, int]:
    return ORDER.index(title), at_once


def _line(title: str, at_once: int, figures: Figures, reference: Figures) -> tuple[str, ...]:
    return (
        title,
        str(at_once),
        f"{figures.p50:.1f}",
        f"{figures.p95:.1f}",
        f"{figures.rate:.1f}",
        f"{figures.cpu:.2f}",
        f"{figures.p50 / reference.p50:.1f}",
        f"{figures.cpu / reference.cpu:.1f}",
        f"{figures.client:.0f}",
        f"{figures.platform:.0f}",
        "" if figures.lists is None else f"{figures.lists:.0f}",
        f"{figures.size:.0f}",
        f"{figures.requests:.0f}",
    )


def _print_memory(memory: list[tuple[str, tuple[float, float]]]) -> None:
    print("\nmemory (RSS, MiB)".ljust(29), "portal  platform")
    for when, (server, platform) in memory:
        print(f"  {when:<26} {server:6.1f}  {platform:8.1f}")


def _print_first_load(fetched: list[Fetched]) -> None:
    print("\nfirst load (bytes)           body  headers")
    for each in sorted(fetched, key=lambda each: -each.size):
        print(
            f"  {each.size:>30}  {each.headers:>7}  {each.path}{f' ({each.encoding})' if each.encoding else ''}"
        )
    body, headers = sum(each.size for each in fetched), sum(each.headers for each in fetched)
    print(
        f"  {body:>30}  {headers:>7}  {len(fetched)} requests, {(body + headers) / 1000:.1f} kB in all",
        flush=True,
    )


if __name__ == "__main__":
    main()
