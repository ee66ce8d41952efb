"""Measure many viewers of one session: `.venv/bin/python -m tests.load.viewers [--viewers 1000]`.

On a platform of its own a session writes the time of day into its log, and one web process hands it to viewers, each
on a socket of its own. The reference is one viewer. Then another log grows by megabytes a second, and half of those
who follow it read nothing any more: the portal reads only so much of it upstream.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.load import writer
from tests.load.crowd import Crowd, Delivery, crowd
from tests.load.watching import Scene, platform, scene
from tests.local.harness import Platform

PROGRAM = Path(writer.__file__)
MEGABYTE = 2**20
# How many lines a page asks for at most.
PAGE = 20_000

LEGEND = """
  polls         how often the portal read the log upstream, a minute
  written p…    ms from the line's writing to its arrival at a viewer: it waits for the next poll first
  spread p…     ms from a line's arrival at the first viewer to that at each other: what the many cost
  CPU %         of one core, of the web process; client % of those that hold the viewers"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run showed."""

    viewers: int
    polls: float
    delivery: Delivery | None
    cpu: float
    client: float
    before: int
    memory: int

    def row(self) -> list[float]:
        """Return the numbers of its line, in the order of the table."""
        there = self.delivery
        times = [*there.written, *there.spread] if there else [float("nan")] * 6
        return [self.polls, *times, self.cpu, self.client, self.memory / MEGABYTE]


HEADER = [
    "viewers",
    "polls",
    "written p50",
    "p95",
    "p99",
    "spread p50",
    "p95",
    "p99",
    "CPU %",
    "client %",
    "RSS MiB",
]


def main() -> None:
    """Measure one viewer, then many, then some that stop reading."""
    parser = argparse.ArgumentParser(description="Measure many viewers of one session.")
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60, help="how long each run lasts (60)")
    parser.add_argument("--clients", type=int, default=2, help="processes that hold the viewers (2)")
    parser.add_argument("--stalled", type=int, default=50, help="viewers that stop reading (50)")
    parser.add_argument("--flood", type=float, default=10, help="MB a second that the log grows by then (10)")
    parser.add_argument("--log-size", type=int, default=10_000_000, help="where that log is rotated (10 MB)")
    parser.add_argument("--readers", type=int, default=50, help="viewers that go on reading then (50)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    load = os.getloadavg()[0]
    rows = []
    for count in (1, options.viewers):
        with platform() as running:
            rows.append(asyncio.run(measured(running, count, options)))
    print_table(rows)
    with platform("--log-size", str(options.log_size)) as running:
        asyncio.run(stalled(running, options))
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after; {os.cpu_count()} cores")


async def measured(running: Platform, count: int, options: argparse.Namespace) -> Figures:
    """Measure so many viewers of a quiet log."""
    async with scene(running, sockets=2 * count + 20) as on:
        slug = await on.launch(PROGRAM, "stamps", 3600, 5, 40)
        before = on.web.memory()
        with crowd(on, slug, count, clients=options.clients) as viewers:
            await viewers.opened()
            return await observed(on, viewers, count, before, options.seconds)


async def observed(on: Scene, viewers: Crowd, count: int, before: int, seconds: float) -> Figures:
    """Watch for a while; the first moments, in which all are sent the same beginning, do not count."""
    await asyncio.sleep(5)
    await viewers.tell("collect")
    polls, cpu, client = on.polls, on.web.cpu(), viewers.cpu()
    await asyncio.sleep(seconds)
    delivery = await viewers.delivery()
    return Figures(
        viewers=count,
        polls=60 * (on.polls - polls) / seconds,
        delivery=delivery,
        cpu=100 * (on.web.cpu() - cpu) / seconds,
        client=100 * (viewers.cpu() - client) / seconds,
        before=before,
        memory=on.web.memory(),
    )


async def stalled(running: Platform, options: argparse.Namespace) -> None:
    """Let the log grow fast, and some viewers read nothing."""
    few, count = options.stalled, options.stalled + options.readers
    async with scene(running, sockets=2 * count + 20) as on:
        slug = await on.launch(PROGRAM, "flood", 3 * options.seconds + 60, options.flood)
        with crowd(on, slug, count, tail=PAGE, clients=options.clients) as viewers:
            await viewers.opened()
            before = await observed(on, viewers, count, on.web.memory(), options.seconds)
            await viewers.tell("stall", few, first_only=True)
            during = await observed(on, viewers, count, on.web.memory(), options.seconds)
            [said] = await viewers.tell("resume", first_only=True)
            await asyncio.sleep(2)
            [later] = await viewers.tell("resume", first_only=True)
    print(f"\n{count} viewers of a log, it grows by {options.flood:g} MB a second; then {few} stop reading\n")
    print_table([before, during], legend=False)
    growth = (during.memory - before.memory) / max(1, few) / 1024
    print(
        f"  RSS grew by {growth:.0f} KiB for each viewer that stopped reading (the log's own growth included)"
    )
    print(
        f"  closed by the portal meanwhile: {said['closed']}, after they read again: {later['closed']}",
        end=", ",
    )
    print(f"gaps told in that process: {later['gaps']}")


def print_table(rows: list[Figures], *, legend: bool = True) -> None:
    """Print the runs below each other, and each figure as a ratio to the first run's."""
    lines = [HEADER, *([str(each.viewers), *(f"{value:.1f}" for value in each.row())] for each in rows)]
    for each in rows[1:]:
        ratios = [
            value / first if first else float("nan")
            for value, first in zip(each.row(), rows[0].row(), strict=True)
        ]
        lines.append([f"x{rows[0].viewers}", *(f"x{ratio:.2f}" for ratio in ratios)])
    for line in lines:
        print("  ".join(cell.rjust(max(11, len(cell))) for cell in line))
    if not legend:
        return
    print(LEGEND)
    many = rows[-1]
    each = (many.memory - many.before) / many.viewers / 1024
    print(
        f"  RSS before the viewers {many.before / MEGABYTE:.1f} MiB; {each:.0f} KiB for each of {many.viewers}",
        flush=True,
    )


if __name__ == "__main__":
    main()
