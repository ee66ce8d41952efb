"""With what this machine can hold a session to a fixed request, and which cores it gets."""

import logging
import math
import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass

from . import machine
from .shim import descendants

log = logging.getLogger("sessions_app.local")

SCOPE = ("--user", "--scope", "--quiet", "--collect")
BUS = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
PROBE_TIME = 2.0
ALWAYS = "CPU affinity, a limit on the data of each process (RLIMIT_DATA) and a watch over the memory of all"


@dataclass(frozen=True)
class Enforcement:
    """The means that are in force: always those of every Linux, and a cgroup where systemd gives us one."""

    systemd_run: str = ""

    @property
    def means(self) -> str:
        """Name the means."""
        group = "a control group of its own (systemd scope with MemoryMax and CPUQuota), " * bool(
            self.systemd_run
        )
        return group + ALWAYS

    def front(self, cores: float | None, ram: float | None) -> list[str]:
        """Compose what is put in front of a session's shim; it becomes the shim, and so keeps its pid.

        This was tried with a stand-in for systemd-run only, not yet on a machine with systemd.
        """
        properties = [f"MemoryMax={int(ram * machine.GIB)}"] if ram else []
        properties += [f"CPUQuota={cores * 100:.0f}%"] if cores else []
        if not self.systemd_run or not properties:
            return []
        return [self.systemd_run, *SCOPE, *(word for one in properties for word in ("-p", one)), "--"]


def find_enforcement() -> Enforcement:
    """Try once whether systemd gives us scopes; where it does not, it says so at once or not at all."""
    found = shutil.which("systemd-run")
    if not found or not bus():
        return Enforcement()
    command = [found, *SCOPE, "true"]
    try:
        quiet = subprocess.DEVNULL
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, timeout=PROBE_TIME, stdin=quiet, stdout=quiet, stderr=quiet, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return Enforcement()
    return Enforcement(found) if done.returncode == 0 else Enforcement()


def bus() -> dict[str, str]:
    """Answer the variables by which systemd is reached; sessions do not get them."""
    return {name: os.environ[name] for name in BUS if name in os.environ}


class Cores:
    """Which cores the fixed sessions are held to, so that two do not share one while another is idle."""

    def __init__(self) -> None:
        self._taken: dict[str, list[int]] = {}

    def take(self, session: str, wanted: float | None) -> list[int]:
        """Choose the cores that the fewest have; none stands for all of them."""
        count = math.ceil(wanted or 0)
        if not 0 < count < machine.cores():
            return []
        taken = Counter(core for cores in self._taken.values() for core in cores)
        mine = sorted(os.sched_getaffinity(0), key=lambda core: (taken[core], core))
        self._taken[session] = mine[:count]
        return mine[:count]

    def note(self, session: str, shim: int) -> None:
        """Learn what a session of an earlier run was given."""
        for command in descendants(shim)[:1]:
            try:
                cores = sorted(os.sched_getaffinity(command))
            except OSError:
                continue  # It has just ended.
            if len(cores) < machine.cores():
                self._taken[session] = cores

    def give_back(self, session: str) -> None:
        """Let others have a session's cores."""
        self._taken.pop(session, None)
