"""Time the documentation's own example, and what starts behind large ones: `python -m tests.load.behind`.

On a local platform of its own with two cores and 16 GiB to share, on loopback. First the example, by our two classes
and the released command: seconds until both replicas have ended. Then one session holds both cores, two that want both
wait, and a flexible notebook and a small job are launched behind them by each of the three: seconds until each runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sessions_app.client import AsyncSession, Session
from tests.local.harness import NOTEBOOK, TERMINAL, Platform, Skaha, eventually

COMMAND = Path(__file__).parents[2] / "var" / "released" / "1.5.2" / "bin" / "canfar"
EXAMPLE: dict[str, Any] = {
    "name": "test",
    "image": "images.canfar.net/skaha/terminal:1.1.1",
    "cores": 2,
    "ram": 8,
    "gpu": 1,
    "kind": "headless",
    "cmd": "env",
    "env": {"TEST": "test"},
    "replicas": 2,
}
PATIENCE = 180.0

Create = Callable[..., list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    share = ("--capacity-cores", "2", "--capacity-ram", "16", "--grace", "1", "--max-sessions", "9")
    with tempfile.TemporaryDirectory(prefix="canfarweb-load-") as folder:
        platform = Platform(Path(folder) / "data", *share).start()
        try:
            for name, create in ways(platform.alice, Path(folder)).items():
                for _ in range(options.rounds):
                    example(platform.alice, name, create)
                    behind(platform.alice, name, create)
            platform.alice.emptied()
        finally:
            platform.stop()


def ways(person: Skaha, home: Path) -> dict[str, Create]:
    """Return the ways to launch, by name: each takes our client's arguments and returns ids."""

    def blocking(**given: Any) -> list[str]:
        with Session(url=person.url, token=person.token) as session:
            return session.create(**given)

    def asynchronous(**given: Any) -> list[str]:
        async def create() -> list[str]:
            async with AsyncSession(url=person.url, token=person.token) as session:
                return await session.create(**given)

        return asyncio.run(create())

    def released(**given: Any) -> list[str]:
        return command(person, home, given)

    return {"AsyncSession": asynchronous, "Session": blocking, "canfar create": released}


def command(person: Skaha, home: Path, given: dict[str, Any]) -> list[str]:
    """Launch with the released command."""
    options = {
        "cores": "--cpu",
        "ram": "--memory",
        "gpu": "--gpu",
        "replicas": "--replicas",
        "name": "--name",
    }
    words = [word for key, option in options.items() if key in given for word in (option, str(given[key]))]
    words += [word for pair in given.get("env", {}).items() for word in ("--env", "=".join(pair))]
    words += [given.get("kind", "headless"), given["image"]]
    if "cmd" in given:
        words += ["--", given["cmd"], *given.get("args", "").split()]
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CANFAR_URL": person.url,
        "CANFAR_TOKEN": person.token,
    }
    done = subprocess.run(
        [COMMAND, "create", "--output", "json", *words],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def example(person: Skaha, name: str, create: Create) -> None:
    person.emptied()
    began = time.perf_counter()
    ids = create(**EXAMPLE)
    answered = time.perf_counter() - began
    ends = sorted(seconds_until(person, ids, "Completed", began).values())
    told = person.view(ids[1], "events")
    assert "stands for it" in told and "it runs without" in told  # noqa: PT018
    print(
        f"example by {name}: answered {answered:.2f} s, ended {' and '.join(f'{end:.2f}' for end in ends)} s"
    )


def behind(person: Skaha, name: str, create: Create) -> None:
    """Launch a notebook and a small job behind two large sessions that wait for one that holds everything."""
    person.emptied()
    sleeping = {"image": TERMINAL, "kind": "headless", "cmd": "sleep", "args": "600"}
    [holding] = create(name="holding", cores=2, ram=8, **sleeping)
    seconds_until(person, [holding], "Running", time.perf_counter())
    large = create(name="large", cores=2, ram=8, replicas=2, **sleeping)
    began = time.perf_counter()
    job = create(name="job", **sleeping)
    running = seconds_until(person, job, "Running", began)
    began_notebook = time.perf_counter()
    notebook = create(name="lab", image=NOTEBOOK, kind="notebook")
    running |= seconds_until(person, notebook, "Running", began_notebook)
    assert [person.info(session)["status"] for session in large] == ["Pending"] * 2
    told = next(line for line in person.view(large[0], "events").splitlines() if " Waiting " in line)
    print(
        f"behind two large ones by {name}: small job runs after {running[job[0]]:.2f} s, notebook after "
        f"{running[notebook[0]]:.2f} s; the first large one {told.split('   ')[2].strip()!r}"
    )


def seconds_until(person: Skaha, ids: list[str], status: str, began: float) -> dict[str, float]:
    """Return when each session had the status, in seconds since ``began``."""
    seen: dict[str, float] = {}

    def all_of_them() -> bool:
        for row in person.get("/session").json():
            if row["id"] in ids and row["status"] == status:
                seen.setdefault(row["id"], time.perf_counter() - began)
        return len(seen) == len(ids)

    eventually(all_of_them, within=PATIENCE, every=0.02)
    return seen


if __name__ == "__main__":
    main()
