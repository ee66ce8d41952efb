"""Launch many headless sessions at once, and kill the platform under them: `.venv/bin/python -m tests.load.launches`.

Two platforms of their own, on loopback. On the first nothing is disturbed, and it is measured how fast sessions are
taken and started, what one of them keeps in memory, and how long it takes to its first line; the reference is what
starting as many bare processes costs. On the second, sessions write numbered lines while the platform is killed three
times, first in the middle of the creating: every name must be there once, completed, with every line in order.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles

import psutil

from sessions_app.client import AsyncSession, Outcome, errors
from tests.local.harness import TERMINAL, Platform, marked

PAUSE = 0.5
PATIENCE = 180.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--lines", type=int, default=40, help=f"lines of each, one every {PAUSE} s (40)")
    parser.add_argument("--kills", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(measured(options.sessions))
    asyncio.run(disturbed(options.sessions, options.lines, options.kills))


def script(lines: int) -> str:
    """Say when it began, then count; tabs, as the platform cuts arguments at spaces."""
    loop = f"i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo line $i; sleep {PAUSE}; done"
    return f"date +%s.%N; {loop}; echo end".replace(" ", "\t")


async def launch(session: AsyncSession, count: int, lines: int) -> list[Outcome[str]]:
    return await session.outcomes.create(
        "many", TERMINAL, cmd="sh", args=f"-c {script(lines)}", replicas=count
    )


async def measured(count: int) -> None:
    """Print what launches cost."""
    bare = await bare_processes(count)
    with tempfile.TemporaryDirectory(prefix="canfarweb-load-") as folder:
        platform = Platform(Path(folder) / "data").start()
        try:
            before = memory(platform)
            async with AsyncSession(url=platform.word["url"], token=platform.word["token"]) as session:
                began, wall = time.time(), time.perf_counter()
                made = [outcome.value for outcome in await launch(session, count, 60)]
                taken = time.perf_counter() - wall
                assert all(made), "every launch is taken"
                firsts = sorted([at - began for at in await first_lines(session, made)])
                running = time.perf_counter() - wall
                await asyncio.sleep(5)
                trees = marked(Path(folder))
                kept = sum(map(own_memory, trees)) / count
                own = memory(platform) - before
                await session.destroy(made)
            await nothing_left(Path(folder))
        finally:
            platform.stop(signal.SIGKILL)
    print(f"{count} sessions at once, undisturbed")
    print(
        f"  taken              {count / taken:8.0f} a second    x{taken / bare:.2f} the time of bare processes"
    )
    print(f"  all running        {count / running:8.0f} a second    x{running / bare:.2f}")
    print(f"  bare processes     {count / bare:8.0f} a second    x1.00")
    late = quantiles(firsts, n=20)[-1]
    print(f"  first log line     p50 {median(firsts):.2f} s, p95 {late:.2f} s after the first was asked for")
    print(f"  memory, each       {kept / 2**20:.1f} MiB of its own (shim, sh, sleep)", end=", ")
    print(f"{own / count / 2**10:.0f} KiB in the platform")


async def bare_processes(count: int) -> float:
    """Start as many processes as there will be sessions, with nothing about them."""
    began = time.perf_counter()
    for _ in range(count):
        process = await asyncio.create_subprocess_exec("sh", "-c", "exit 0")
        await process.wait()
    return time.perf_counter() - began


def memory(platform: Platform) -> int:
    return int(psutil.Process(platform.process.pid).memory_info().rss)


def own_memory(process: psutil.Process) -> int:
    """Return what would be free without it; each `sleep` of a session lasts a moment only."""
    try:
        return int(process.memory_full_info().uss)
    except psutil.NoSuchProcess:
        return 0


async def first_lines(session: AsyncSession, ids: list[str | None]) -> list[float]:
    """Return when each session wrote its first line, by its own clock."""
    found: dict[str, float] = {}
    end = time.monotonic() + PATIENCE
    while missing := [name for name in ids if name and name not in found]:
        assert time.monotonic() < end, f"{len(missing)} sessions have written nothing"
        for outcome in await session.outcomes.logs(missing):
            if outcome.value:
                found[outcome.item] = float(outcome.value.split("\n", 1)[0])
        await asyncio.sleep(0.2)
    return list(found.values())


async def disturbed(count: int, lines: int, kills: int) -> None:
    """Kill the platform while sessions are created and run; nothing may be lost or doubled."""
    with tempfile.TemporaryDirectory(prefix="canfarweb-load-") as folder:
        platform = Platform(Path(folder) / "data").start()
        try:
            names = {f"many-{number}" for number in range(1, count + 1)}
            async with AsyncSession(url=platform.word["url"], token=platform.word["token"]) as session:
                killing = asyncio.create_task(kill(platform, kills, lines * PAUSE / (kills + 1)))
                asked, lost = await insist(session, names, lines)
                await killing
                rows = await settled(session, names)
                logs = await session.outcomes.logs([row["id"] for row in rows])
            completed = sum(row["status"] == "Completed" for row in rows)
            whole = sum(complete(outcome.value or "", lines) for outcome in logs)
            print(f"\n{count} sessions at once, the platform killed {kills} times")
            print(f"  launches asked for            {asked}, as {lost} answers did not come")
            print(f"  there once, and completed     {completed}")
            print(f"  logs whole and in order       {whole}")
            assert completed == whole == count
            await nothing_left(Path(folder))
            print("  processes left                0")
        finally:
            platform.stop(signal.SIGKILL)


async def kill(platform: Platform, times: int, every: float) -> None:
    """Kill the platform, first in the middle of the creating, and start it again each time."""
    await asyncio.sleep(0.3)
    for number in range(times):
        await asyncio.to_thread(platform.again, signal.SIGKILL)
        await asyncio.sleep(every if number + 1 < times else 0)


async def insist(session: AsyncSession, names: set[str], lines: int) -> tuple[int, int]:
    """Launch until every name is there; a launch whose answer was lost is looked for first, never sent blindly."""
    asked = lost = 0
    missing = set(names)
    while missing:
        outcomes = await asyncio.gather(*(one_launch(session, name, lines) for name in sorted(missing)))
        asked, lost = asked + len(missing), lost + sum(not outcome.ok for outcome in outcomes)
        await asyncio.sleep(1)
        missing = names - await listed(session)
    return asked, lost


async def one_launch(session: AsyncSession, name: str, lines: int) -> Outcome[str]:
    [outcome] = await session.outcomes.create(name, TERMINAL, cmd="sh", args=f"-c {script(lines)}")
    return outcome


async def listed(session: AsyncSession) -> set[str]:
    """Return the names that are there, as soon as the platform answers."""
    for _ in range(100):
        with suppress(errors.PlatformUnreachableError):
            found = [row["name"] for row in await session.fetch()]
            assert len(found) == len(set(found)), "no session is there twice"
            return set(found)
        await asyncio.sleep(0.2)
    raise SystemExit("The platform did not come back.")


async def settled(session: AsyncSession, names: set[str]) -> list[dict[str, str]]:
    """Wait for the end of all; return their rows, one for each name."""
    end = time.monotonic() + PATIENCE
    while True:
        rows = await session.fetch()
        assert sorted(row["name"] for row in rows) == sorted(names), "each name is there once"
        if all(row["status"] in ("Completed", "Failed") for row in rows):
            return rows
        assert time.monotonic() < end, "not all have ended"
        await asyncio.sleep(1)


def complete(log: str, lines: int) -> bool:
    _, *rest = log.splitlines()
    return rest == [*(f"line {number}" for number in range(1, lines + 1)), "end"]


async def nothing_left(folder: Path) -> None:
    end = time.monotonic() + 30
    while left := marked(folder):
        assert time.monotonic() < end, f"{len(left)} processes are left"
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    main()
