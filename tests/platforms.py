"""Start the local platform for tests, as a program of its own, and see that nothing of it is left."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]


# Below those that systems give to whoever calls out, else a call of anybody may have a port before its server does.
PORTS = range(10_000, 32_000)
# Of the processes that run tests beside each other each has ports of its own, and goes through them in order.
SLICE = len(PORTS) // 8
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw7").removeprefix("gw")) % 8
_ports = itertools.cycle(PORTS[_worker * SLICE : (_worker + 1) * SLICE])
for _ in range(os.getpid() * 10 % SLICE):
    next(_ports)


def free_port() -> int:
    """Return a port of the loopback that nobody has, and that nobody else is given for a long time."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class RunningPlatform:
    """A local platform that answers."""

    process: subprocess.Popen[str]
    command: list[str]
    url: str
    user: str
    token: str

    def stop(self) -> None:
        """End it as an operator would."""
        self.process.terminate()
        self.process.wait(60)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait(60)

    def start_again(self) -> None:
        """Start it anew on the same port and data."""
        self.process, _ = _launch(self.command)


def start_platform(port: int, data: Path, *options: str) -> RunningPlatform:
    """Start a local platform and wait until it says that it answers."""
    command = [sys.executable, "-m", "sessions_app.local", "--port", str(port), "--data", str(data), *options]
    process, told = _launch(command)
    return RunningPlatform(process, command, told["url"], told["user"], told["token"])


def _launch(command: list[str]) -> tuple[subprocess.Popen[str], dict[str, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANFARWEB_")}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"The local platform ended with {process.wait()} before it answered."
    return process, json.loads(line)


def processes_of(data: Path) -> list[psutil.Process]:
    """Return the running processes whose environment or command names this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(data) in word for word in words):
            found.append(process)
    return found


def wait_until_gone(data: Path, seconds: float = 60.0) -> list[str]:
    """Return the command lines of what still runs of this platform after waiting for it to end."""
    end = time.monotonic() + seconds
    while (left := processes_of(data)) and time.monotonic() < end:
        time.sleep(0.1)
    return [" ".join(process.cmdline()) for process in left if process.is_running()]


@contextmanager
def nobody_at_home(port: int) -> Iterator[None]:
    """Take the port of a platform that was just killed, and hang up on whoever calls."""

    def hang_up() -> None:
        with suppress(OSError):
            while True:
                taken.accept()[0].close()

    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end = time.monotonic() + 60
        while not _takes(taken, port):
            assert time.monotonic() < end, f"Port {port} does not become free."
            time.sleep(0.01)
        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        try:
            yield
        finally:
            taken.shutdown(socket.SHUT_RDWR)
            hanging_up.join()


def _takes(taken: socket.socket, port: int) -> bool:
    """Say whether the port could be taken; two may be bound to it as long as none listens."""
    try:
        taken.bind(("127.0.0.1", port))
        taken.listen()
    except OSError:
        return False
    return True
