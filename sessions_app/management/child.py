"""The local platform as a process of the portal's own."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from django.core.management.base import CommandError

STOP_GRACE = 5.0
PR_SET_PDEATHSIG = 1


class LocalPlatform:
    """Starts the local platform, hears what it announces, and stops it; its sessions live on."""

    def __init__(self, port: int, data: Path, images: str | None = None) -> None:
        self.command = [sys.executable, "-m", "sessions_app.local", "--port", str(port), "--data", str(data)]
        if images:
            self.command += ["--images", images]
        # A group of its own: Ctrl-C reaches the portal alone, which then stops the platform in order.
        self._process = subprocess.Popen(  # noqa: S603
            self.command,
            cwd=Path(__file__).resolve().parents[2],
            env=environment(),
            stdout=subprocess.PIPE,
            process_group=0,
            text=True,
            # Even a killed portal takes its platform along; there is one thread as yet, so this is safe.
            preexec_fn=_end_with_the_portal if sys.platform == "linux" else None,
        )
        self._stopping = False

    def announcement(self) -> dict[str, str]:
        """Wait until the platform answers; return its address, its first user, their token and a new password."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            told = json.loads(line)
            return {name: str(told[name]) for name in ("url", "user", "token")} | _password(told)
        except (ValueError, KeyError) as error:
            self.stop()
            raise CommandError("The local platform did not start; what it said stands above.") from error

    def watch(self, say: Callable[[str], object]) -> None:
        """Say so when the platform ends by itself, and how to start it again."""

        def waiting() -> None:
            code = self._process.wait()
            if not self._stopping:
                again = " ".join(self.command)
                say(
                    f"The local platform ended ({_ending(code)}). Its sessions go on. Start it again with:\n  {again}"
                )

        threading.Thread(target=waiting, daemon=True).start()

    def stop(self) -> None:
        """End the platform's process, not its sessions."""
        self._stopping = True
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _password(told: dict[str, str]) -> dict[str, str]:
    """Return the password, which is told only by the start that made it."""
    return {"password": told["password"]} if "password" in told else {}


def _end_with_the_portal() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def environment() -> dict[str, str]:
    """Return the portal's environment without the portal's secrets."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CANFARWEB_") or name in {"CANFARWEB_PRODUCTION", "CANFARWEB_LOG_LEVEL"}
    }


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
