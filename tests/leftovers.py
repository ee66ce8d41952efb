"""A run of tests leaves no process, no listening port and no file of the local platform behind, or it fails.

A plugin (see ``pyproject.toml``), as only what comes after the last test can tell. What the tests start inherits a
variable that names the run; sessions do not, as the platform keeps its environment from them, but their home lies
below the run's own folder. Other runs beside this one are left alone.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sessions_app.local.process import MARKER

RUN = "TEST_RUN_OF_PORTAL"
PATIENCE = 60.0
BEFORE = pytest.StashKey[set[Path]]()


def pytest_configure(config: pytest.Config) -> None:
    if is_worker(config):
        return
    os.environ[RUN] = uuid.uuid4().hex
    config.stash[BEFORE] = set(temporary())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if is_worker(config) or config.option.collectonly:
        return
    factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]
    end = time.monotonic() + PATIENCE
    while (left := list(leftovers(os.environ[RUN], factory.getbasetemp(), config.stash[BEFORE]))) and (
        time.monotonic() < end
    ):
        time.sleep(0.2)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reporter.line("")
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.section("left behind by the tests", red=True)
    elif not config.option.help:
        reporter.write_line("The tests left no process, port or file of a platform behind.")
    for each in left:
        reporter.line(each)


def is_worker(config: pytest.Config) -> bool:
    """Say whether this process is one of several that share the tests."""
    return hasattr(config, "workerinput")


def leftovers(run: str, base: Path, before: set[Path]) -> Iterator[str]:
    """Describe what is there of a run that should not be there any more."""
    for process in processes(run, base):
        with suppress(psutil.Error):
            yield f"process {process.pid}: {' '.join(process.cmdline())[:200]}"
            for found in process.net_connections("tcp"):
                if found.status == psutil.CONN_LISTEN:
                    yield f"port {found.laddr.port}, of process {process.pid}"
    yield from (f"file {path}" for path in set(temporary()) - before if is_stale(path))


def processes(run: str, base: Path) -> Iterator[psutil.Process]:
    """Find the processes that a run started, but for those that run the tests themselves."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            variables = process.environ()
            ours = variables.get(RUN) == run and not runs_tests(process)
            session = MARKER in variables and variables.get("HOME", "").startswith(f"{base}/")
            if process.pid != os.getpid() and (ours or session):
                yield process


def runs_tests(process: psutil.Process) -> bool:
    """Say whether this is a process among which the tests are shared, or what keeps its semaphores."""
    words = " ".join(process.cmdline())
    return "execnet" in words or "sys.stdin.readline" in words or "resource_tracker" in words


def temporary() -> Iterator[Path]:
    """Find what a platform may put outside its own folder: sockets with short paths, and displays."""
    shared = Path(tempfile.gettempdir())
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or shared)
    yield from runtime.glob(f"skaha-{os.getuid()}-*")
    yield from Path("/tmp").glob(".X*-lock")
    yield from Path("/tmp/.X11-unix").glob("X*")


def is_stale(path: Path) -> bool:
    """Say whether nobody uses a file any more: another run may have made it."""
    if path.is_dir():
        return not any(answers(each) for each in path.glob("*.sock"))
    if path.suffix == ".sock" or path.parent.name == ".X11-unix":
        return not answers(path)
    with suppress(OSError, ValueError):
        return not psutil.pid_exists(int(path.read_text()))
    return False


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(path))
        return True
    return False
