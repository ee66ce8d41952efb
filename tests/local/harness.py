"""A platform in a process of its own, as anybody would run it, and what tests ask of it."""

import contextlib
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from sessions_app.local.process import MARKER
from sessions_app.local.shim import RLIMIT_LOCKS

ROOT = Path(__file__).parents[2]
IMAGES = Path(os.environ.get("CANFARWEB_TEST_IMAGES", ROOT / "var" / "test-images"))
TERMINAL = "images.canfar.net/skaha/terminal:latest"
NOTEBOOK = "images.canfar.net/skaha/base-notebook:latest"
MARIMO = "images.canfar.net/skaha/marimo:latest"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def eventually(what: Callable[[], Any], within: float = 15, every: float = 0.03) -> Any:
    """Wait until something is true, and answer it."""
    deadline = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Skaha:
    """One person's view of a Skaha, over plain HTTP."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def post(self, path: str, **parameters: Any) -> httpx.Response:
        return self.http.post(path, params=parameters, headers=FORM)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.http.get(path, params=parameters)

    def delete(self, session: str) -> httpx.Response:
        return self.http.delete(f"/session/{session}")

    def create(self, *command: str, **more: Any) -> str:
        """Create a headless session; answer its id."""
        given = {"name": "test", "image": TERMINAL, **more}
        if command:
            given |= {"cmd": command[0]}
        if command[1:]:
            given |= {"args": " ".join(command[1:])}
        answer = self.post("/session", **given)
        assert answer.status_code == 200, answer.text
        return answer.text.strip()

    def python(self, code: str, **more: Any) -> str:
        """Create a session that runs Python code, which may hold spaces: the only thing cut is `args`."""
        return self.create("python3", "-c", f"exec(bytes.fromhex('{code.encode().hex()}'))", **more)

    def info(self, session: str) -> dict[str, Any]:
        answer = self.get(f"/session/{session}")
        return answer.json() if answer.status_code == 200 else {}

    def view(self, session: str, view: str) -> str:
        return self.get(f"/session/{session}", view=view).text

    def until(self, session: str, *statuses: str, within: float = 15) -> dict[str, Any]:
        return eventually(lambda: (i := self.info(session)).get("status") in statuses and i, within)

    def finished(self, session: str, within: float = 15) -> str:
        return self.until(session, "Completed", "Failed", within=within)["status"]


class Platform:
    """The local platform as a child process."""

    def __init__(self, data: Path, *options: str, port: int = 0) -> None:
        self.data, self.options, self.port = data, options, port or free_port()

    def start(self) -> "Platform":
        self.log = (self.data.parent / f"{self.data.name}.err").open("a")
        command = [
            sys.executable,
            "-m",
            "sessions_app.local",
            "--port",
            str(self.port),
            "--data",
            str(self.data),
        ]
        self.process = subprocess.Popen(
            [*command, "--images", str(IMAGES), "--user", "alice", *self.options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, "CANARY_SECRET": "tweet"},
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, Path(self.log.name).read_text()
        self.word = json.loads(line)
        self.alice = Skaha(self.word["url"], self.word["token"])
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()
        self.log.close()
        return code

    def again(self, number: int = signal.SIGTERM) -> "Platform":
        self.stop(number)
        return self.start()

    def person(self, name: str) -> Skaha:
        """Add a person, while the platform serves."""
        command = [sys.executable, "-m", "sessions_app.local", "user-add", name, "--data", str(self.data)]
        token = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        return Skaha(f"http://localhost:{self.port}/skaha/v1", token)


def platform_number(data: Path) -> int:
    """Read the number that is in the seal of each process of a platform's sessions."""
    with contextlib.closing(sqlite3.connect(data / "state.sqlite3")) as db:
        return int(db.execute("SELECT value FROM meta WHERE key = 'platform'").fetchone()[0][:5], 16)


def marked(data: Path) -> list[psutil.Process]:
    """Find every process that a platform's sessions have: by their seal, or their mark and where their home is."""
    found, platform = [], platform_number(data)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                resource.prlimit(process.pid, RLIMIT_LOCKS)[0] >> 42 == platform
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
                continue
            variables = process.environ()
            spec = " ".join(process.cmdline())
            if MARKER in variables and (variables.get("HOME", "").startswith(str(data)) or str(data) in spec):
                found.append(process)
    return found


@contextlib.contextmanager
def running(data: Path, *options: str) -> Iterator[Platform]:
    """Serve a platform, then see that nothing of it is left."""
    platform = Platform(data, *options).start()
    try:
        yield platform
        for row in platform.alice.get("/session").json():
            platform.alice.delete(row["id"])
        eventually(lambda: not marked(data), within=20)
    finally:
        platform.stop()
        for process in (left := marked(data)):
            process.kill()
        assert not left
