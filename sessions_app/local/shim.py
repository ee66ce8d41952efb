"""Run one session's command, be the parent of all it starts, and write down how it ended.

Every session has one shim, so that it needs nothing from the platform while it runs: output goes straight to
its log, its end is written to a file, and whatever it leaves behind is killed with it, as in a container.
It is started as `python -I -S shim.py SPEC`, and imports next to nothing because one stays in memory for each
session: `signal`, `ctypes`, `json` and `typing` would double its start, hence their C halves and `marshal`.
"""

from __future__ import annotations

import _ctypes
import _signal  # type: ignore[import-not-found]
import marshal
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
RLIMIT_LOCKS = 10
STUBBORN = 5.0


def main(spec_path: str) -> None:
    """Start what the spec says, wait for its end, and leave nothing of it behind."""
    with open(spec_path, "rb") as file:
        spec = marshal.load(file)  # noqa: S302 - written by the platform, in a folder that only it can enter
    seal(spec["seal"])
    # Descendants that lose their parent come to us instead of to init: a double fork hides nothing.
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    log = os.open(spec["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    signals = [_signal.SIGTERM, _signal.SIGUSR1]
    _signal.pthread_sigmask(_signal.SIG_BLOCK, signals)
    pid, problem = start(spec, log)
    _signal.signal(_signal.SIGTERM, lambda *_: ask_to_end(spec["grace"]))
    _signal.signal(_signal.SIGALRM, kill_all)
    _signal.signal(_signal.SIGUSR1, kill_all)
    tell(problem, log)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, signals)
    status = wait_for(pid)
    at = time.time()
    left = "" if kill_rest() else "left\n"
    write(spec["status"], f"{f'problem {problem}' if problem else f'status {status}'}\n{at}\n{left}")


def prctl(option: int, value: int) -> None:
    """Call prctl(2), where there is one."""
    call("prctl", option, value, 0, 0, 0)


def seal(number: int) -> None:
    """Mark us and all that we start by a limit that has had no effect since Linux 2.4.

    It passes to every child, whatever that does with its environment, its parents and its groups.
    """
    call("setrlimit", RLIMIT_LOCKS, number.to_bytes(8, sys.byteorder) * 2)


def call(name: str, *arguments: Any) -> None:
    """Call a function of the C library, where there is such a one."""
    try:
        function = _ctypes.dlsym(_ctypes.dlopen(None, 2), name)  # type: ignore[arg-type]
    except OSError:
        return
    _ctypes.call_function(function, arguments)


def start(spec: dict[str, Any], log: int) -> tuple[int, str]:
    """Fork the command; answer its pid and why it could not run, if it could not."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            become(spec, log)
        except BaseException as error:
            os.write(write_end, describe(error, spec["argv"][0]).encode()[:1000])
        finally:
            os._exit(127)
    os.close(write_end)
    # The pipe closes by itself when the program takes over.
    problem = os.read(read_end, 1000).decode()
    os.close(read_end)
    return pid, problem


def become(spec: dict[str, Any], log: int) -> None:
    """Turn this fork into the command."""
    prctl(PR_SET_PDEATHSIG, int(_signal.SIGKILL))
    os.setsid()
    os.dup2(log, 1)
    os.dup2(log, 2)
    # Python ignores these two, and a program would inherit that: `yes | head` would never end.
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
    limit(spec)
    os.chdir(spec["cwd"])
    os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606 - no shell is the point


def limit(spec: dict[str, Any]) -> None:
    """Hold the command to the cores and the memory that were asked for."""
    if spec["cpus"]:
        os.sched_setaffinity(0, spec["cpus"])
    if spec["data"]:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (spec["data"], spec["data"]))


def describe(error: BaseException, program: str) -> str:
    """Say in one line why a program could not run."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"could not run {program!r}: {reason or type(error).__name__}".replace("\n", " ")


def tell(problem: str, log: int) -> None:
    """Let the platform know that the command runs, or why not; then our output is the log's."""
    try:  # noqa: SIM105 - contextlib is one more import
        os.write(1, problem.encode() or b"\n")
    except OSError:
        pass  # The platform is gone; it will read the status file when it is back.
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def wait_for(pid: int) -> int:
    """Reap whatever ends until the command itself does; answer its wait status."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return status


def ask_to_end(grace: float) -> None:
    """Ask the whole tree to end, and set the clock for those that do not."""
    for pid in descendants(os.getpid()):
        send(pid, _signal.SIGTERM)
        send(pid, _signal.SIGCONT)
    _signal.setitimer(_signal.ITIMER_REAL, max(grace, 0.01))


def kill_all(_number: int = 0, _frame: FrameType | None = None) -> None:
    """Kill the whole tree."""
    for pid in descendants(os.getpid()):
        send(pid, _signal.SIGKILL)


def kill_rest() -> bool:
    """Kill what the command left behind; orphans become our children, so go on until there are none.

    Answer whether that was done in time.
    """
    deadline = time.monotonic() + STUBBORN
    while time.monotonic() < deadline:
        kill_all()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        time.sleep(0.001)
    return False


def descendants(root: int) -> list[int]:
    """List every process below one, nearest first."""
    found: list[int] = []
    todo = [root]
    while todo:
        children = children_of(todo.pop(0))
        found += children
        todo += children
    return found


def children_of(pid: int) -> list[int]:
    """List the children of one process, whichever of its threads started them."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass  # It has just ended.
    return found


def send(pid: int, number: int) -> None:
    """Signal a process that may have ended by now."""
    try:  # noqa: SIM105
        os.kill(pid, number)
    except OSError:
        pass


def write(path: str, text: str) -> None:
    """Write a small file that is either whole or absent, even after a power cut."""
    file = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(file, text.encode())
    os.fsync(file)
    os.close(file)
    os.rename(path + ".new", path)


if __name__ == "__main__":
    main(sys.argv[1])
