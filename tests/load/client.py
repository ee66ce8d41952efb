"""Measure the session client beside the released ones and a bare socket, interleaved, over loopback alone.

``python -m tests.load.client [--rounds 5] [--quick]``: the released clients come from ``.setup/released.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import ProxyHandler, build_opener

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "var" / "released"
HERE = Path(__file__).parent
FASTEST, SEED = "1.5.2", "1.0.4"
# The seed's release takes a token only where the file's context has not expired.
SEEDS_FILE = """
active: local
contexts:
  local: {mode: x509, path: /nonexistent.pem, expiry: 9999999999.0,
          server: {name: local, uri: "ivo://localhost/skaha", url: "http://127.0.0.1/skaha",
                   version: v1, auths: [x509]}}
"""


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to do."""

    call: str
    count: int
    blocking: bool = False

    def __str__(self) -> str:
        return f"{self.call} x{self.count}{', blocking' if self.blocking else ''}"


WORKS = [
    *(Work("create", count) for count in (1, 16, 128, 512)),
    Work("info", 100),
    Work("info", 1000),
    Work("logs", 100),
    Work("info", 100, blocking=True),
]


class Contender:
    """A client in its own process."""

    def __init__(self, name: str, port: int, python: Path, environment: dict[str, str]) -> None:
        self.name = name
        command = [str(python), str(HERE / "contenders.py"), name, str(port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def do(self, work: Work) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        wanted = {"call": work.call, "count": work.count, "blocking": work.blocking}
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        raise SystemExit(f"{self.name} ended at {work}.")

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="leave out the longest: create x512 and info x1000"
    )
    options = parser.parse_args()
    works = [work for work in WORKS if not (options.quick and work.count > 128)]
    with ExitStack() as stack:
        port = stack.enter_context(server())
        contenders = [stack.enter_context(contender(name, port)) for name in names()]
        results = measure(contenders, works, port, options.rounds)
    print_table(works, [each.name for each in contenders], results)
    print_imports(options.rounds)


def names() -> list[str]:
    there = [version for version in (FASTEST, SEED) if (RELEASED / version / ".installed").exists()]
    if len(there) < 2:
        print("Not every released client is installed; python .setup/released.py does that.", file=sys.stderr)
    return ["ours", *there, "floor"]


@contextmanager
def server() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, str(HERE / "latent.py")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close() if process.stdout else None


@contextmanager
def contender(name: str, port: int) -> Iterator[Contender]:
    with tempfile.TemporaryDirectory(prefix="canfarweb-load-") as home:
        environment = surroundings(Path(home))
        if name == SEED:
            (Path(home) / ".canfar").mkdir()
            (Path(home) / ".canfar" / "config.yaml").write_text(SEEDS_FILE)
        running = Contender(name, port, python_of(name), environment)
        try:
            yield running
        finally:
            running.stop()


def python_of(name: str) -> Path:
    return Path(sys.executable) if name in {"ours", "floor"} else RELEASED / name / "bin" / "python"


def surroundings(home: Path) -> dict[str, str]:
    """Return an environment without proxies and without anybody's configuration."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}


Results = dict[tuple[Work, str], list[dict[str, Any]]]


def measure(contenders: list[Contender], works: list[Work], port: int, rounds: int) -> Results:
    results: Results = {}
    for number in range(rounds):
        for work in works:
            # Who goes first changes, as a busy neighbour may come and go.
            for place in range(len(contenders)):
                one = contenders[(place + number) % len(contenders)]
                if one.name == "floor" and work.blocking:
                    continue
                connections(port)
                found = one.do(work)
                found["connections"] = connections(port)
                assert "refused" in found or found["came"] == work.count, f"{one.name}: {work} gave {found}"
                results.setdefault((work, one.name), []).append(found)
    return results


def connections(port: int) -> int:
    with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/connections", timeout=10) as answer:
        return int(answer.read())


def print_table(works: list[Work], clients: list[str], results: Results) -> None:
    print(
        f"{'':22}{'':8}  wall, ms  requests/s  CPU, ms/request  connections   rate to fastest  CPU to {FASTEST}"
    )
    for work in works:
        rows = {name: summary(work, results[work, name]) for name in clients if (work, name) in results}
        released = [row for name, row in rows.items() if name in {FASTEST, SEED} and row]
        for name, row in rows.items():
            if row is None:
                print(f"{work!s:22}{name:8}  refused: {FASTEST} takes 256 replicas at most")
                continue
            wall, rate, cpu, opened = row
            line = (
                f"{work!s:22}{name:8}  {wall * 1000:8.1f}  {rate:10.0f}  {cpu * 1000:15.3f}  {opened:11.0f}"
            )
            if name == "ours" and released:
                best = max(other[1] for other in released)
                least = rows.get(FASTEST) or min(released, key=lambda other: other[2])
                line += f"   {rate / best:15.2f}  {cpu / least[2]:12.2f}"
            print(line)


def summary(work: Work, found: list[dict[str, Any]]) -> tuple[float, float, float, float] | None:
    if "refused" in found[0]:
        return None
    wall, cpu = median(one["wall"] for one in found), median(one["cpu"] for one in found)
    return wall, work.count / wall, cpu / work.count, median(one["connections"] for one in found)


IMPORTS = {
    "ours": "from sessions_app.client import AsyncSession, Session",
    "ours, with its transport": "from sessions_app.client import AsyncPool; AsyncPool(url='http://h/v1')",
    FASTEST: "from canfar.sessions import AsyncSession, Session",
    SEED: "from canfar.sessions import AsyncSession, Session",
}


def print_imports(rounds: int) -> None:
    print("\nimport, CPU ms")
    clocked = "import time; begun = time.process_time(); {}; print(time.process_time() - begun)"
    with tempfile.TemporaryDirectory(prefix="canfarweb-load-") as home:
        for name, code in IMPORTS.items():
            python = python_of(name.partition(",")[0])
            if not python.exists():
                continue
            command = [str(python), "-c", clocked.format(code)]
            runs = [
                subprocess.run(
                    command,
                    cwd=ROOT,
                    env=surroundings(Path(home)),
                    capture_output=True,
                    text=True,
                    check=True,
                )
                for _ in range(rounds)
            ]
            print(f"  {name:26}{median(float(run.stdout.split()[-1]) for run in runs) * 1000:6.0f}")


if __name__ == "__main__":
    main()
