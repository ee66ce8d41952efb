"""However a session ends, nothing of it is left, and its events say why."""

import contextlib
import datetime
import resource
import signal
import sqlite3
import time
from pathlib import Path

import psutil
import pytest

from sessions_app.local.process import seal_of, start_ticks
from sessions_app.local.shim import RLIMIT_LOCKS

from .harness import Platform, Skaha, eventually, marked, running
from .test_sessions import daemon_of

# It does not end when asked, and makes a daemon that nothing ties to it: forked twice, in a session of its own,
# and with empty variables.
WASHED = """
import os, signal, sys, time
again = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100)"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print('daemon', os.getpid(), flush=True)
        os.execve(sys.executable, ['python3', '-c', again], {})
    os._exit(0)
os.wait()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(100)
"""
# Always another process: each one forks and is gone.
HYDRA = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('on', flush=True)
if os.fork() == 0:
    while os.fork() == 0:
        os.setsid()
    os._exit(0)
time.sleep(100)
"""


def washed(alice: Skaha) -> tuple[str, psutil.Process]:
    session = alice.python(WASHED)
    daemon = psutil.Process(daemon_of(alice, session))
    eventually(lambda: daemon.environ() == {})
    return session, daemon


def shim_of(data: Path, session: str) -> psutil.Process:
    def look() -> psutil.Process | None:
        lines = ((process, " ".join(process.cmdline())) for process in marked(data))
        return next((process for process, line in lines if "shim.py" in line and session in line), None)

    return eventually(look)


def seal_in(data: Path, session: str) -> int:
    with contextlib.closing(sqlite3.connect(data / "state.sqlite3")) as db:
        return seal_of(db.execute("SELECT value FROM meta WHERE key = 'platform'").fetchone()[0], session)


def sealed(seal: int) -> list[int]:
    """Find the processes of a session in so short a look that it meets even those that hardly live."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if resource.prlimit(pid, RLIMIT_LOCKS)[0] == seal and start_ticks(pid):
                found.append(pid)
    return found


def gone(process: psutil.Process) -> bool:
    """Say whether a process is over; it may go while it is looked at."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_daemon_without_a_trace_is_gone_before_the_end_is_told(platform: Platform, alice: Skaha) -> None:
    session, daemon = washed(alice)
    shim_of(platform.data, session).kill()
    assert alice.finished(session) == "Failed"
    assert gone(daemon)
    assert "killed from outside" in alice.view(session, "events")


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("away", [False, True])
def test_nor_does_it_outlive_a_platform_that_was_killed(data: Path, deleted: bool, away: bool) -> None:
    with running(data, "--grace", "5") as platform:
        session, daemon = washed(platform.alice)
        shim = shim_of(data, session)
        if deleted:
            platform.alice.delete(session)
        platform.stop(signal.SIGKILL)
        if away:
            shim.kill()
        alice = platform.start().alice
        if not away:
            shim.kill()
        assert deleted or alice.finished(session) == "Failed"
        assert alice.info(session) == {} or not deleted
        eventually(lambda: gone(daemon))
        eventually(lambda: deleted is False or not (data / "sessions" / session).exists())


def test_a_session_that_stops_its_shim_is_ended_all_the_same(platform: Platform, alice: Skaha) -> None:
    session = alice.python("import os, signal, time; os.kill(os.getppid(), signal.SIGSTOP); time.sleep(100)")
    shim = shim_of(platform.data, session)
    eventually(lambda: shim.status() == psutil.STATUS_STOPPED)
    alice.delete(session)
    eventually(lambda: gone(shim))
    eventually(lambda: not (platform.data / "sessions" / session).exists())


@pytest.mark.parametrize("alone", [False, True])
def test_a_chain_of_processes_that_never_rest_is_ended(data: Path, alone: bool) -> None:
    with running(data, "--grace", "1") as platform:
        session = platform.alice.python(HYDRA)
        eventually(lambda: platform.alice.view(session, "logs"))
        seal = seal_in(data, session)
        assert eventually(lambda: sealed(seal))
        if alone:
            shim_of(data, session).kill()
        platform.alice.delete(session)
        eventually(lambda: not (data / "sessions" / session).exists())
        assert not any(sealed(seal) for _ in range(200))


def test_at_its_deadline_the_whole_tree_is_ended(data: Path) -> None:
    with running(data, "--grace", "0.5", "--headless-lifetime", "2") as platform:
        session, daemon = washed(platform.alice)
        assert platform.alice.finished(session) == "Failed"
        assert gone(daemon)
        assert "DeadlineExceeded" in platform.alice.view(session, "events")


def passed(row: dict[str, str]) -> bool:
    return datetime.datetime.fromisoformat(row["expiryTime"]).timestamp() < time.time()


def test_a_deadline_that_passed_while_the_platform_was_away_is_kept_at_once(data: Path) -> None:
    with running(data, "--grace", "0.5", "--headless-lifetime", "2") as platform:
        session = platform.alice.create("sleep", "60")
        row = platform.alice.until(session, "Running")
        platform.stop()
        eventually(lambda: passed(row))
        alice = platform.start().alice
        # The first answer says so; it does not wait for the next look at the clock.
        assert alice.info(session)["status"] != "Running"
        assert alice.until(session, "Failed")
        assert "DeadlineExceeded" in alice.view(session, "events")


def test_what_ended_by_itself_after_its_deadline_was_too_long_too(data: Path) -> None:
    with running(data, "--headless-lifetime", "1") as platform:
        session = platform.alice.create("sleep", "2.5")
        platform.alice.until(session, "Running")
        platform.stop()
        eventually(lambda: not marked(data))
        alice = platform.start().alice
        assert alice.info(session)["status"] == "Failed"
        assert "DeadlineExceeded" in alice.view(session, "events")


def test_a_session_that_waits_for_its_image_has_a_deadline_and_can_be_renewed(data: Path) -> None:
    with running(data, "--lifetime", "2", "--headless-lifetime", "2") as platform:
        alice, image = platform.alice, "images.canfar.net/skaha/nothing:1"
        session = alice.create(image=image)
        before = alice.info(session)["expiryTime"]
        eventually(lambda: alice.post(f"/session/{session}", action="renew").status_code == 200)
        assert eventually(lambda: alice.finished(session)) == "Failed"
        assert alice.info(session)["expiryTime"] >= before
        assert "DeadlineExceeded" in alice.view(session, "events")
