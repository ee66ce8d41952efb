"""What a start leaves in the data folder for later commands: its port, and who the platform's first user is."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

FILE, LOCK = "started.json", "up.lock"


@dataclass(frozen=True)
class LastStart:
    """The last start on a data folder; ``platform`` is empty for the local one, ``user`` for any other."""

    port: int
    platform: str = ""
    user: str = ""

    def keep(self, data: Path) -> None:
        """Write it down, whole."""
        draft = data / f"{FILE}.new"
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        draft.replace(data / FILE)


def last_start(data: Path) -> LastStart | None:
    """Read how the portal was started on this folder; None where it never was."""
    try:
        told = json.loads((data / FILE).read_text(encoding="utf-8"))
        return LastStart(int(told["port"]), str(told["platform"]), str(told["user"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_running(data: Path) -> bool:
    """Say whether a portal holds this folder now."""
    try:
        with (data / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def running_elsewhere(checkout: Path) -> Path | None:
    """Return the folder of the portal that was started last from this checkout and runs, if one does.

    One on the local platform comes before any other: links are for that one.
    """
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if "up" not in words[1:4] or not _is_ours(words, Path(process.cwd()), checkout):
                continue
            data = _data_of(words, process)
            started = last_start(data)
            if started is not None:
                found.append((not started.platform, process.create_time(), data))
        except (psutil.Error, OSError):
            continue
    return max(found)[2] if found else None


def _is_ours(words: list[str], cwd: Path, checkout: Path) -> bool:
    before = words[: words.index("up")]
    return any(
        word.endswith("manage.py") and (cwd / word).resolve() == checkout / "manage.py" for word in before
    )


def _data_of(words: list[str], process: psutil.Process) -> Path:
    named = process.environ().get("CANFARWEB_DATA", "")
    for place, word in enumerate(words):
        if word.startswith("--data="):
            named = word.partition("=")[2]
        elif word == "--data" and place + 1 < len(words):
            named = words[place + 1]
    return Path(os.path.normpath(Path(process.cwd()) / (named or "var")))
