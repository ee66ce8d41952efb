"""A platform in a process of its own, as anybody would run it, and what tests ask of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from sessions_app.local.process import MARKER
from tests.platforms import free_port

ROOT = Path(__file__).parents[2]
IMAGES = Path(os.environ.get("CANFARWEB_TEST_IMAGES", ROOT / "var" / "test-images")).resolve()
TERMINAL = "images.canfar.net/skaha/terminal:latest"
NOTEBOOK = "images.canfar.net/skaha/base-notebook:latest"
MARIMO = "images.canfar.net/skaha/marimo:latest"
WEB_TERMINAL = "images.canfar.net/skaha/web-terminal:latest"
DESKTOP = "images.canfar.net/skaha/desktop:latest"
XTERM = "images.canfar.net/skaha/xterm:latest"
JS9 = "images.canfar.net/skaha/js9-stand-in:latest"
PULL = 240
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def eventually(what: Callable[[], Any], within: float = 60, every: float = 0.03) -> Any:
    """Wait until something is true, and answer it."""
    deadline = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)
    return found


class Skaha:
    """One person's view of a Skaha, over plain HTTP."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        # A connection that rested for a while may be closed by the platform in the instant in which it is used again.
        resting = httpx.Limits(keepalive_expiry=1.0)
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=60, limits=resting)

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

    def emptied(self) -> None:
        """Delete everything, and see it gone."""
        for row in self.get("/session").json():
            self.delete(row["id"])
        eventually(lambda: self.get("/session").text == "[]")

    def info(self, session: str) -> dict[str, Any]:
        answer = self.get(f"/session/{session}")
        return answer.json() if answer.status_code == 200 else {}

    def view(self, session: str, view: str) -> str:
        return self.get(f"/session/{session}", view=view).text

    def until(self, session: str, *statuses: str, within: float = 60) -> dict[str, Any]:
        return eventually(lambda: (i := self.info(session)).get("status") in statuses and i, within)

    def finished(self, session: str, within: float = 60) -> str:
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
        code = self.process.wait(60)
        assert self.process.stdout
        self.process.stdout.close()
        self.log.close()
        return code

    def again(self, number: int = signal.SIGTERM) -> "Platform":
        self.stop(number)
        return self.start()

    def person(self, name: str) -> Skaha:
        """Add a person, while the platform serves."""
        token = json.loads(self.command("user", "add", name).stdout)["token"]
        return Skaha(f"http://localhost:{self.port}/skaha/v1", token)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command on this platform's data."""
        command = [sys.executable, "-m", "sessions_app.local", *arguments, "--data", str(self.data)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def marked(data: Path) -> list[psutil.Process]:
    """Find every process that a platform's sessions have: by where they work, or by their mark and their command."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            inside = process.cwd().startswith(f"{data}/")
            if inside or (MARKER in process.environ() and str(data) in " ".join(process.cmdline())):
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
        eventually(lambda: not marked(data))
    finally:
        platform.stop()
        for process in (left := marked(data)):
            process.kill()
        assert not left
