"""Ask one address again and again, so many at once, and see what that costs whom."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from statistics import median, quantiles

import aiohttp
import psutil

from tests.load.running import Portal

# The strip shows when the list was read that the slots are counted from, to the second.
_LIST_READ = re.compile(rb'aria-labelledby="meter-slots".*?<time datetime="([^"]+)"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Target:
    """One address with the headers that make it a page or a fragment, and how it must answer."""

    title: str
    path: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    tells_lists: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run showed. Times in ms as the client waits for them; CPU in ms a request, or in % of one core."""

    p50: float
    p95: float
    rate: float
    cpu: float
    client: float
    platform: float
    size: float
    requests: float
    lists: float | None = None

    @classmethod
    def median(cls, rounds: list[Figures]) -> Figures:
        """Return the median of each figure over several runs."""
        return cls(
            **{field.name: _median(getattr(each, field.name) for each in rounds) for field in fields(cls)}
        )


class Costs:
    """CPU seconds since it was made: of the portal, of the platform, of this client, of everything on the machine."""

    def __init__(self, running: Portal) -> None:
        self._processes = (running.server, running.platform, psutil.Process())
        self._before, self._at = self._now(), time.monotonic()

    def since(self) -> tuple[float, float, float, float]:
        """Return the four sums."""
        portal, platform, client, machine = (
            now - before for now, before in zip(self._now(), self._before, strict=True)
        )
        return portal, platform, client, machine

    @property
    def seconds(self) -> float:
        """How long ago it was made."""
        return time.monotonic() - self._at

    def others(self) -> float:
        """Return how many cores everybody else kept busy on average."""
        *ours, machine = self.since()
        return max(0.0, machine - sum(ours)) / self.seconds

    def _now(self) -> list[float]:
        whole = psutil.cpu_times()
        busy = sum(whole) - whole.idle - getattr(whole, "iowait", 0) - getattr(whole, "guest", 0)
        return [*(sum(process.cpu_times()[:2]) for process in self._processes), busy]


async def run(
    running: Portal, client: aiohttp.ClientSession, target: Target, at_once: int, seconds: float
) -> Figures:
    """Keep ``at_once`` requests under way for ``seconds``; each asker asks at least twice."""
    times: list[float] = []
    bodies: list[bytes] = []
    costs = Costs(running)
    end = time.monotonic() + seconds

    async def asker() -> None:
        asked = 0
        while asked < 2 or time.monotonic() < end:
            asked += 1
            begun = time.perf_counter()
            body = await ask(running, client, target)
            times.append(time.perf_counter() - begun)
            if target.tells_lists or not bodies:
                bodies.append(body)

    async with asyncio.TaskGroup() as askers:
        for _ in range(at_once):
            askers.create_task(asker())
    return _figures(times, costs, bodies, target)


async def poll(running: Portal, client: aiohttp.ClientSession, target: Target, count: int) -> Figures:
    """Ask as one open tab does when nothing happens: each time the shared answer is too old and is read anew."""
    times: list[float] = []
    costs = Costs(running)
    for _ in range(count):
        await asyncio.sleep(2.3)
        begun = time.perf_counter()
        body = await ask(running, client, target)
        times.append(time.perf_counter() - begun)
    return _figures(times, costs, [body], target)


async def ask(running: Portal, client: aiohttp.ClientSession, target: Target) -> bytes:
    """Ask once and return the body as it came."""
    async with client.get(running.address + target.path, headers=dict(target.headers)) as answer:
        body = await answer.read()
        assert answer.status == target.status, f"{target.title} answered {answer.status}: {body[:300]!r}"
        return body


def _figures(times: list[float], costs: Costs, bodies: list[bytes], target: Target) -> Figures:
    portal, platform, client, _ = costs.since()
    seconds = costs.seconds
    reads = {found[1] for body in bodies if (found := _LIST_READ.search(inflated(body)))}
    return Figures(
        p50=1000 * median(times),
        p95=1000 * quantiles(times, n=20, method="inclusive")[-1],
        rate=len(times) / seconds,
        cpu=1000 * portal / len(times),
        client=100 * client / seconds,
        platform=100 * platform / seconds,
        size=len(bodies[0]),
        requests=len(times),
        lists=len(reads) if target.tells_lists and reads else None,
    )


def inflated(body: bytes) -> bytes:
    """Return a body without its compression."""
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
