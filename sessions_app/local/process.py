"""Real processes: start one behind its shim, recognise it again, notice its end, kill what is left."""

import asyncio
import hashlib
import logging
import marshal
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from .limits import bus
from .shim import RLIMIT_LOCKS

log = logging.getLogger("sessions_app.local")

SHIM = str(Path(__file__).with_name("shim.py"))
MARKER = "CANFARWEB_SESSION"
LONGEST_KILLING = 5.0
QUIET_LOOKS, QUICK_LOOKS = 5, 30


@dataclass(frozen=True)
class Spec:
    """What a shim is told: the command, its surroundings and its limits."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    log: str
    status: str
    grace: float
    cpus: list[int]
    data: int
    seal: int


@dataclass(frozen=True)
class End:
    """How a session's command ended: with a status, or with a problem that kept it from running.

    Something may be left of it: what its shim could not kill in time.
    """

    at: float
    code: int | None = None
    number: int | None = None
    problem: str = ""
    left: bool = False

    @property
    def text(self) -> str:
        """Say it in a few words."""
        if self.problem:
            return self.problem
        if self.number is not None:
            return f"ended by signal {self.number} ({signal_name(self.number)})"
        return f"exited with code {self.code}"


def signal_name(number: int) -> str:
    """Name a signal."""
    with suppress(ValueError):
        return signal.Signals(number).name
    return "unknown"


def start_ticks(pid: int) -> int | None:
    """Read when a process started, in ticks since boot; none if it is gone or a zombie."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else int(rest[18])


class Process:
    """A session's shim: ours, or one that an earlier run of the platform started."""

    def __init__(self, pid: int, ticks: int, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid, self.ticks = pid, ticks
        self._child = child
        self._handle = os.pidfd_open(pid)

    @classmethod
    def adopt(cls, pid: int, ticks: int) -> "Process | None":
        """Find a process again by its pid and start time; none if that pid is another one's by now."""
        try:
            process = cls(pid, ticks)
        except OSError:
            return None
        # Asked after the handle is held: what it holds cannot be replaced any more.
        if start_ticks(pid) == ticks:
            return process
        process.close()
        return None

    async def ended(self) -> None:
        """Wait for the end; a pidfd works for processes that are not our children too."""
        loop = asyncio.get_running_loop()
        seen = asyncio.Event()
        loop.add_reader(self._handle, seen.set)
        try:
            await seen.wait()
        finally:
            loop.remove_reader(self._handle)

    def send(self, number: int) -> None:
        """Signal the shim; SIGTERM makes it end its whole tree."""
        with suppress(OSError):
            signal.pidfd_send_signal(self._handle, number)

    def close(self) -> None:
        """Let go of it, and reap it if it was our child and has ended."""
        if self._child is not None:
            self._child.poll()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


async def launch(spec: Spec, mark: str, folder: Path, front: list[str]) -> tuple[Process, str]:
    """Start a command behind a shim; answer it and what kept the command from running, if anything did."""
    process, word = await _launch(spec, mark, folder, front)
    if not word and front:
        # What stands in front of the shim has its own needs, and they may have gone since they were looked at.
        log.warning("%s did not start a session; it is started without it", front[0])
        process.close()
        process, word = await _launch(spec, mark, folder, [])
    return process, word.strip() if word else "its shim could not start"


async def _launch(spec: Spec, mark: str, folder: Path, front: list[str]) -> tuple[Process, str]:
    heard, says = os.pipe()
    os.set_blocking(heard, False)
    try:
        process = await asyncio.to_thread(_spawn, spec, mark, folder, says, front)
    except BaseException:
        os.close(heard)
        raise
    finally:
        os.close(says)
    return process, await _hear(heard)


def _spawn(spec: Spec, mark: str, folder: Path, says: int, front: list[str]) -> Process:
    path = folder / "spec"
    # Through a file, so that a session's own variables cannot bend the shim and `ps` shows none of them.
    path.write_bytes(marshal.dumps(asdict(spec)))
    # The one in front needs to find systemd; the shim and the session must not.
    clean = [*front, "env", "-i", f"{MARKER}={mark}"] if front else []
    child = subprocess.Popen(  # noqa: S603 - our own shim
        [*clean, sys.executable, "-I", "-S", SHIM, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=says,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={MARKER: mark, **(bus() | {"PATH": os.defpath} if front else {})},
        start_new_session=True,
    )
    ticks = start_ticks(child.pid)
    return Process(child.pid, ticks or 0, child)


async def _hear(heard: int) -> str:
    """Wait for the shim's word: a bare newline for a command that runs, else what is wrong; nothing if it died."""
    loop = asyncio.get_running_loop()
    said = asyncio.Event()
    loop.add_reader(heard, said.set)
    try:
        await said.wait()
        word = os.read(heard, 2000)
    finally:
        loop.remove_reader(heard)
        os.close(heard)
    return word.decode(errors="replace")


def read_end(path: Path) -> End | None:
    """Read what the shim wrote when the command ended."""
    try:
        what, at, *left = path.read_text().splitlines()
    except (OSError, ValueError):
        return None
    word, _, rest = what.partition(" ")
    if word == "problem":
        return End(float(at), problem=rest, left=bool(left))
    code = os.waitstatus_to_exitcode(int(rest))
    if code < 0:
        return End(float(at), number=-code, left=bool(left))
    return End(float(at), code=code, left=bool(left))


def seal_of(platform: str, session: str) -> int:
    """Compose the number that marks a session's processes for good, as no two sessions have it."""
    digest = hashlib.sha256(f"{platform}/{session}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def marked(platform: str, sessions: Collection[str]) -> dict[str, list[psutil.Process]]:
    """Find every process of these sessions by its seal, or by its variables before it has one: one pass for all."""
    seals = {seal_of(platform, session): session for session in sessions}
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            sealed = seals.get(resource.prlimit(process.pid, RLIMIT_LOCKS)[0])
            session = sealed or process.environ().get(MARKER, "").removeprefix(f"{platform}/")
            if session in sessions and start_ticks(process.pid) is not None:
                found.setdefault(session, []).append(process)
    return found


def kill_marked(platform: str, sessions: Collection[str]) -> int:
    """Kill every process of these sessions, whoever its parent is; answer how many there were."""
    killed: set[int] = set()
    for process in (process for processes in marked(platform, sessions).values() for process in processes):
        with suppress(psutil.Error):
            process.kill()
            killed.add(process.pid)
    # One of them may have forked meanwhile, and there are those that do nothing else: one look can miss them.
    seals, deadline = {seal_of(platform, session) for session in sessions}, time.monotonic() + LONGEST_KILLING
    quiet = 0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        more = _kill_sealed(seals, psutil.pids(), killed)
        for _ in range(QUICK_LOOKS):
            more |= _kill_sealed(seals, _newest_pids(), killed)
        quiet = 0 if more else quiet + 1
    return len(killed)


def _kill_sealed(seals: Collection[int], pids: Iterable[int], killed: set[int]) -> bool:
    """Kill what has one of these seals and was not killed before; answer whether there was any."""
    before = len(killed)
    for pid in pids:
        with suppress(OSError):
            if pid not in killed and resource.prlimit(pid, RLIMIT_LOCKS)[0] in seals:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
    return len(killed) > before


def _newest_pids() -> Iterable[int]:
    """List the pids that were given out last, with some that come next."""
    last = int(Path("/proc/loadavg").read_text().split()[-1])
    return range(last + 3, max(1, last - 30), -1)


def adopt_marked(processes: list[psutil.Process]) -> Process | None:
    """Find the shim among the processes of a session."""
    for found in processes:
        with suppress(psutil.Error):
            ticks = start_ticks(found.pid)
            if SHIM in found.cmdline() and ticks is not None:
                return Process.adopt(found.pid, ticks)
    return None
