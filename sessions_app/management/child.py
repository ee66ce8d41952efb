"""The local platform as a process of the portal's own, which is started again when it dies."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.core.management.base import CommandError

from sessions_app.connections import supervised

STOP_GRACE = 5.0
# Seconds before it is started again; the last one for all further times.
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
# So often in a row; one that has run for a while begins the count anew.
MOST_STARTS = 10
RAN_WELL = 60.0
CHECKOUT = Path(__file__).resolve().parents[2]
PAGE_GOES_ON = "This page goes on by itself."


class LocalPlatform:
    """Starts the local platform, hears what it announces, and stops it; its sessions live on."""

    def __init__(
        self, port: int, data: Path, images: str | None = None, gpus: int | None = None, umask: int = -1
    ) -> None:
        self.command = [sys.executable, "-m", "sessions_app.local", "--port", str(port), "--data", str(data)]
        if images:
            self.command += ["--images", images]
        if gpus is not None:
            self.command += ["--gpus", str(gpus)]
        self._umask = umask
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process = self._start()

    def announcement(self) -> dict[str, str]:
        """Wait until the platform answers; return its address, its first user, their token and a new password."""
        try:
            told = json.loads(self._word())
            return {name: str(told[name]) for name in ("url", "user", "token")} | _password(told)
        except (ValueError, KeyError) as error:
            self.stop()
            raise CommandError("The local platform did not start; what it said stands above.") from error

    def watch(self, say: Callable[[str], object]) -> threading.Thread:
        """Start the platform again whenever it ends by itself, and say so here and on the pages; in a thread."""

        def told(words: str) -> None:
            # The terminal may be gone; what is watched over is not.
            with suppress(OSError):
                say(words)

        thread = threading.Thread(target=self._supervise, args=[told], daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the platform's process, not its sessions."""
        with self._lock:
            self._stopping.set()
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[str]:
        # A group of its own: Ctrl-C reaches the portal alone, which then stops the platform in order.
        # Even a killed portal takes its platform along, which minds its parent.
        return subprocess.Popen(  # noqa: S603
            [*self.command, "--with-parent", str(os.getpid())],
            cwd=CHECKOUT,
            env=environment(),
            stdout=subprocess.PIPE,
            umask=self._umask,
            process_group=0,
            text=True,
        )

    def _word(self) -> str:
        """Wait until it says that it answers; nothing if it ends before."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _supervise(self, say: Callable[[str], object]) -> None:
        began, starts = time.monotonic(), 0
        while True:
            code = self._process.wait()
            if self._stopping.is_set():
                return
            starts = 0 if time.monotonic() - began >= RAN_WELL else starts
            if starts >= MOST_STARTS:
                self._give_up(say)
                return
            pause = PAUSES[min(starts, len(PAUSES) - 1)]
            supervised.away("The local platform stopped, and is being started again.", PAGE_GOES_ON)
            say(
                f"The local platform ended ({_ending(code)}). Its sessions go on. It is started again in {pause:g} s."
            )
            if self._stopping.wait(pause):
                return
            began, starts = time.monotonic(), starts + 1
            self._begin_again(say)

    def _begin_again(self, say: Callable[[str], object]) -> None:
        with self._lock:
            if self._stopping.is_set():
                return
            if self._process.stdout is not None:
                self._process.stdout.close()
            try:
                self._process = self._start()
            except OSError as error:
                say(f"It could not be started: {error.strerror}.")
                return
        if self._word():
            supervised.back()
            say("The local platform answers again.")

    def _give_up(self, say: Callable[[str], object]) -> None:
        told = f"The local platform was started again {MOST_STARTS} times in a row, and stopped each time."
        supervised.away(
            told, "It is not started again; the terminal that the portal was started in shows why."
        )
        again = f"cd {shlex.quote(str(CHECKOUT))} && {shlex.join(self.command)}"
        say(f"{told} Its sessions go on. Start it with:\n  {again}")


def _password(told: dict[str, str]) -> dict[str, str]:
    """Return the password, which is told only by the start that made it."""
    return {"password": told["password"]} if "password" in told else {}


def environment() -> dict[str, str]:
    """Return the portal's environment without the portal's secrets."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CANFARWEB_") or name in {"CANFARWEB_PRODUCTION", "CANFARWEB_LOG_LEVEL"}
    }


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
