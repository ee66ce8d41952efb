"""Many viewers in processes of their own: `python -m tests.load.crowd PORT SLUG COUNT TAIL`, told what to do by lines.

The cookie comes as CROWD_COOKIE. It says ``open`` once all sockets are open and follow; then it obeys ``collect``
(forget what was heard, and note arrivals), ``report FILE`` (write them), ``stall N`` (the first N read no more) and
``resume``, and answers each with a line. It ends when nobody can tell it anything any more.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil

from tests.load.watching import Scene, Viewer, many_files, opened
from tests.platforms import ROOT

STAMP = re.compile(rb"@(\d+\.\d+)@")
AT_ONCE = 16
# Seconds before each try.
RETRIES = (0, 1, 2, 4)
OPENING_TIME = 600.0


class Watchers:
    """The sockets of one process, and when which line came to them."""

    def __init__(self, port: int, slug: str, tail: int) -> None:
        self.port, self.slug, self.tail = port, slug, tail
        self.viewers: list[Viewer] = []
        self.stalled: set[int] = set()
        self.arrivals: dict[bytes, list[float]] = {}
        self.late: dict[bytes, list[float]] = {}
        self.gaps = 0

    async def open_one(self, number: int) -> None:
        """Open a socket and follow; who comes in a rush is let in a little later, as a page is."""
        for pause in RETRIES:
            await asyncio.sleep(pause)
            with suppress(ConnectionResetError):
                viewer = await opened(
                    self.port, os.environ["CROWD_COOKIE"], lambda frame: self.take(number, frame)
                )
                break
        else:
            raise ConnectionResetError("The handshake was cut again and again.")
        viewer.follow(self.slug, tail=self.tail)
        self.viewers.append(viewer)

    def take(self, number: int, frame: bytes) -> None:
        """Note when the lines came that tell when they were written."""
        now = time.time()
        self.gaps += frame.startswith(b'{"t":"gap"')
        into = self.late if number in self.stalled else self.arrivals
        for stamp in STAMP.findall(frame):
            into.setdefault(stamp, []).append(now)

    def obey(self, order: str, *given: str) -> dict[str, Any]:
        """Do what a line says; answer what there is to say."""
        match order:
            case "collect":
                self.arrivals.clear()
                self.gaps = 0
            case "report":
                arrivals = {stamp.decode(): times for stamp, times in self.arrivals.items()}
                Path(given[0]).write_text(json.dumps(arrivals))
            case "stall":
                self.stalled = set(range(int(given[0])))
                for viewer in self.viewers[: int(given[0])]:
                    viewer.transport.pause_reading()
            case "resume":
                for viewer in self.viewers[: len(self.stalled)]:
                    if not viewer.transport.is_closing():
                        viewer.transport.resume_reading()
        closed = [viewer.code for viewer in self.viewers if viewer.closed.done()]
        return {"closed": closed, "gaps": self.gaps, "frames": sum(each.frames for each in self.viewers)}


async def serve(port: int, slug: str, count: int, tail: int) -> None:
    """Open the sockets, so many at once, then obey."""
    many_files()
    watchers, numbers = Watchers(port, slug, tail), iter(range(count))

    async def hand() -> None:
        for number in numbers:
            await watchers.open_one(number)

    async with asyncio.TaskGroup() as hands:
        for _ in range(AT_ONCE):
            hands.create_task(hand())
    print("open", flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        print(json.dumps(watchers.obey(*line.decode().split())), flush=True)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Milliseconds from the platform's write to a viewer, and from the first viewer that had a line to each other."""

    samples: int
    written: tuple[float, float, float]
    spread: tuple[float, float, float]


class Crowd:
    """All viewers, dealt out to processes."""

    def __init__(self, on: Scene, slug: str, count: int, *, tail: int = 1000, clients: int = 2) -> None:
        clients = min(clients, count)
        shares = [count // clients + (number < count % clients) for number in range(clients)]
        environment = {**os.environ, "CROWD_COOKIE": on.cookie}
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.load.crowd", *map(str, (on.web.port, slug, share, tail))],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for share in shares
        ]

    async def opened(self) -> None:
        """Wait until all sockets are open."""
        async with asyncio.timeout(OPENING_TIME):
            for line in await asyncio.gather(
                *(asyncio.to_thread(self._hear, each) for each in self.processes)
            ):
                assert line == "open\n", "Not all sockets could be opened."

    async def tell(self, *words: object, first_only: bool = False) -> list[dict[str, Any]]:
        """Give an order; return what they say."""
        told = self.processes[:1] if first_only else self.processes
        for process in told:
            assert process.stdin is not None
            process.stdin.write(" ".join(map(str, words)) + "\n")
            process.stdin.flush()
        return [
            json.loads(line)
            for line in await asyncio.gather(*(asyncio.to_thread(self._hear, each) for each in told))
        ]

    async def delivery(self) -> Delivery | None:
        """Return how lines came since they were told to collect; None where none did."""
        arrivals: dict[str, list[float]] = {}
        with tempfile.TemporaryDirectory(prefix="canfarweb-load-") as folder:
            for number, process in enumerate(self.processes):
                path = Path(folder) / f"{number}.json"
                assert process.stdin is not None
                process.stdin.write(f"report {path}\n")
                process.stdin.flush()
                await asyncio.to_thread(self._hear, process)
                for stamp, times in json.loads(path.read_text()).items():
                    arrivals.setdefault(stamp, []).extend(times)
        written = [1000 * (at - float(stamp)) for stamp, times in arrivals.items() for at in times]
        spread = [1000 * (at - min(times)) for times in arrivals.values() for at in times]
        return Delivery(len(written), _figures(written), _figures(spread)) if len(written) > 1 else None

    def cpu(self) -> float:
        """Return the seconds of CPU that they had."""
        return sum(sum(psutil.Process(each.pid).cpu_times()[:2]) for each in self.processes)

    def freeze(self) -> None:
        """Stop them without a word: nothing is read, answered or closed any more."""
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        """Kill them."""
        for process in self.processes:
            process.kill()
            process.wait(10)
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()

    @staticmethod
    def _hear(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline()


def _figures(values: list[float]) -> tuple[float, float, float]:
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


@contextmanager
def crowd(on: Scene, slug: str, count: int, *, tail: int = 1000, clients: int = 2) -> Iterator[Crowd]:
    """Start viewers; they are ended whatever happens."""
    made = Crowd(on, slug, count, tail=tail, clients=clients)
    try:
        yield made
    finally:
        made.end()


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(serve(int(given[0]), given[1], int(given[2]), int(given[3])))
