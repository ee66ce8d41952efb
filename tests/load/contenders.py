"""One client under measurement, in a process of its own: takes works from standard input, prints what each cost.

Runs in the environment of the client it measures, so it imports nothing else.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import warnings
from typing import Any

CONCURRENCY = 32


def ids(count: int) -> list[str]:
    return [f"s{number:07}" for number in range(count)]


async def awaited(session: Any, call: str, count: int) -> int:
    """Do the work and return how many items came back."""
    if call == "create":
        return len(await session.create(name="n", image="skaha/terminal:1.1.2", cmd="env", replicas=count))
    return len(await getattr(session, call)(ids(count)))


def blocking(session: Any, call: str, count: int) -> int:
    return len(getattr(session, call)(ids(count)))


async def floor(port: int, call: str, count: int) -> int:
    """Ask over bare sockets, with no more than HTTP needs to be told apart."""
    waiting = iter(ids(count))
    came = 0

    async def work() -> None:
        nonlocal came
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for session_id in waiting:
            view = "?view=logs" if call == "logs" else ""
            method = (
                "POST /skaha/v1/session?name=n"
                if call == "create"
                else f"GET /skaha/v1/session/{session_id}{view}"
            )
            writer.write(f"{method} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.rpartition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            came += 1
        writer.close()

    await asyncio.gather(*(work() for _ in range(min(CONCURRENCY, count))))
    return came


class Clock:
    """Wall and CPU time of a block."""

    def __enter__(self) -> Clock:
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *problem: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu


async def measured(make: Any, call: str, count: int) -> dict[str, Any]:
    async with make(concurrency=CONCURRENCY) as session:
        await session.info(["warm0001"])
        with Clock() as clock:
            came = await awaited(session, call, count)
    return {"wall": clock.wall, "cpu": clock.cpu, "came": came}


def measured_blocking(make: Any, call: str, count: int) -> dict[str, Any]:
    with make(concurrency=CONCURRENCY) as session:
        session.info(["warm0001"])
        with Clock() as clock:
            came = blocking(session, call, count)
    return {"wall": clock.wall, "cpu": clock.cpu, "came": came}


def measured_floor(port: int, call: str, count: int) -> dict[str, Any]:
    with Clock() as clock:
        came = asyncio.run(floor(port, call, count))
    return {"wall": clock.wall, "cpu": clock.cpu, "came": came}


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    given: dict[str, Any] = {"url": f"http://127.0.0.1:{port}/skaha/v1", "token": "canary-token"}
    warnings.simplefilter("ignore")
    if name == "ours":
        from sessions_app.client import AsyncSession, Session
    elif name != "floor":
        import logging

        from canfar.sessions import AsyncSession, Session

        logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        work = json.loads(line)
        try:
            if name == "floor":
                found = measured_floor(port, work["call"], work["count"])
            elif work["blocking"]:
                found = measured_blocking(lambda **o: Session(**given, **o), work["call"], work["count"])
            else:
                make = lambda **o: AsyncSession(**given, **o)  # noqa: E731
                found = asyncio.run(measured(make, work["call"], work["count"]))
        except ValueError as problem:
            found = {"refused": type(problem).__name__}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
