"""Real processes: start one behind its shim, recognise it again, notice its end, kill what is left."""

import asyncio
import marshal
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

SHIM = str(Path(__file__).with_name("shim.py"))
MARKER = "CANFARWEB_SESSION"


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


@dataclass(frozen=True)
class End:
    """How a session's command ended: with a status, or with a problem that kept it from running."""

    at: float
    code: int | None = None
    number: int | None = None
    problem: str = ""

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


async def launch(spec: Spec, mark: str, folder: Path) -> tuple[Process, str]:
    """Start a command behind a shim; answer it and what kept the command from running, if anything did."""
    heard, says = os.pipe()
    os.set_blocking(heard, False)
    try:
        process = await asyncio.to_thread(_spawn, spec, mark, folder, says)
    except BaseException:
        os.close(heard)
        raise
    finally:
        os.close(says)
    return process, await _hear(heard)


def _spawn(spec: Spec, mark: str, folder: Path, says: int) -> Process:
    path = folder / "spec"
    # Through a file, so that a session's own variables cannot bend the shim and `ps` shows none of them.
    path.write_bytes(marshal.dumps(asdict(spec)))
    child = subprocess.Popen(  # noqa: S603 - our own shim
        [sys.executable, "-I", "-S", SHIM, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=says,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={MARKER: mark},
        start_new_session=True,
    )
    ticks = start_ticks(child.pid)
    return Process(child.pid, ticks or 0, child)


async def _hear(heard: int) -> str:
    """Wait for the shim's word: a bare newline for a command that runs, else what is wrong."""
    loop = asyncio.get_running_loop()
    said = asyncio.Event()
    loop.add_reader(heard, said.set)
    try:
        await said.wait()
        word = os.read(heard, 2000)
    finally:
        loop.remove_reader(heard)
        os.close(heard)
    return word.decode(errors="replace").strip() if word else "its shim could not start"


def read_end(path: Path) -> End | None:
    """Read what the shim wrote when the command ended."""
    try:
        what, at = path.read_text().rstrip("\n").rsplit("\n", 1)
    except (OSError, ValueError):
        return None
    word, _, rest = what.partition(" ")
    if word == "problem":
        return End(float(at), problem=rest)
    code = os.waitstatus_to_exitcode(int(rest))
    return End(float(at), code=code) if code >= 0 else End(float(at), number=-code)


def marked(platform: str) -> dict[str, list[psutil.Process]]:
    """Find every process that carries a mark of this platform, by session: one pass for all of them."""
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            owner, _, session = process.environ().get(MARKER, "").partition("/")
            if owner == platform and session:
                found.setdefault(session, []).append(process)
    return found


def kill_marked(platform: str, sessions: set[str]) -> int:
    """Kill every process of these sessions, whoever its parent is; answer how many there were."""
    killed = 0
    for session, processes in marked(platform).items():
        for process in processes if session in sessions else ():
            with suppress(psutil.Error):
                process.kill()
                killed += 1
    return killed


def adopt_marked(processes: list[psutil.Process]) -> Process | None:
    """Find the shim among the processes of a session."""
    for found in processes:
        with suppress(psutil.Error):
            ticks = start_ticks(found.pid)
            if SHIM in found.cmdline() and ticks is not None:
                return Process.adopt(found.pid, ticks)
    return None
