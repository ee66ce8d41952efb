"""Time, restarts and what a run leaves to the next one."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil

from sessions_app.client.drivers import wiring
from sessions_app.local import serve

from .harness import ROOT, eventually, marked, running

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("on", flush=True)
time.sleep(100)
"""
# It counts until the test has seen what it wanted to see.
TICKING = """
import itertools, pathlib, time
for n in itertools.count():
    print(n, flush=True)
    time.sleep(0.1)
    if n >= 9 and pathlib.Path("seen").exists():
        break
"""


def test_sessions_are_found_again_after_the_platform_was_killed(data: Path) -> None:
    with running(data) as platform:
        alice = platform.alice
        ticking, fails = alice.python(TICKING), alice.python(TICKING + "\n1/0")
        for session in (ticking, fails):
            alice.until(session, "Running")
        pids = {process.pid for process in marked(data)}
        token = alice.token
        alice = platform.again(signal.SIGKILL).alice
        assert alice.token == token
        assert alice.info(ticking)["status"] == "Running"
        assert pids & {process.pid for process in marked(data)}
        (data / "home" / "alice" / "seen").touch()
        assert alice.finished(ticking) == "Completed"
        numbers = alice.view(ticking, "logs").split()
        assert numbers == [str(n) for n in range(len(numbers))]
        assert len(numbers) >= 10
        assert alice.finished(fails) == "Failed"
        assert "Exited with code 1" in alice.view(fails, "events")


def test_what_ended_while_the_platform_was_away_is_settled_with_its_status(data: Path) -> None:
    with running(data) as platform:
        good, bad = (
            platform.alice.create("sleep", "0.5"),
            platform.alice.python("import time;time.sleep(.5);1/0"),
        )
        for session in (good, bad):
            platform.alice.until(session, "Running")
        assert platform.stop() == 0
        eventually(lambda: not marked(data))
        alice = platform.start().alice
        assert alice.info(good)["status"] == "Completed"
        assert alice.info(bad)["status"] == "Failed"
        assert "exited with code 1" in alice.view(bad, "events").lower()


def test_a_session_whose_shim_was_killed_meanwhile_fails_and_leaves_nothing(data: Path) -> None:
    with running(data) as platform:
        session = platform.alice.create("sh", "-c", "sleep\t100&\nwait")
        platform.alice.until(session, "Running")
        eventually(lambda: len(marked(data)) >= 3)
        platform.stop(signal.SIGKILL)
        next(p for p in marked(data) if "shim.py" in " ".join(p.cmdline())).kill()
        alice = platform.start().alice
        assert alice.info(session)["status"] == "Failed"
        eventually(lambda: not marked(data))


def test_a_delete_goes_on_after_the_platform_was_killed(data: Path) -> None:
    with running(data, "--grace", "1") as platform:
        session = platform.alice.python(STUBBORN)
        eventually(lambda: platform.alice.view(session, "logs"))
        platform.alice.delete(session)
        alice = platform.again(signal.SIGKILL).alice
        assert alice.info(session) == {}
        eventually(lambda: not marked(data))


def test_it_stops_without_waiting_for_sessions_and_leaves_them_running(data: Path) -> None:
    with running(data) as platform:
        platform.alice.until(platform.alice.create("sleep", "60"), "Running")
        began = time.monotonic()
        assert platform.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < 10
        assert marked(data)
        platform.start()


def test_at_its_deadline_a_session_is_ended_and_fails(data: Path) -> None:
    with running(data, "--headless-lifetime", "1") as platform:
        session = platform.alice.create("sleep", "60")
        assert platform.alice.finished(session) == "Failed"
        assert "DeadlineExceeded" in platform.alice.view(session, "events")
        assert not marked(data)


def test_a_finished_session_leaves_the_list_after_its_time(data: Path) -> None:
    with running(data, "--headless-keep", "1") as platform:
        session = platform.alice.create("true")
        platform.alice.finished(session)
        eventually(lambda: platform.alice.info(session) == {})
        eventually(lambda: not (data / "sessions" / session).exists())


def refusal(*arguments: str, **variables: str) -> str:
    """Run the platform where it must not run; answer its sentence."""
    ended = subprocess.run(
        [sys.executable, "-m", "sessions_app.local", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr


def test_it_refuses_a_taken_port_a_shared_folder_and_production(data: Path, tmp_path: Path) -> None:
    with running(data) as platform:
        taken = refusal("--port", str(platform.port), "--data", str(tmp_path / "other"))
        assert f"Port {platform.port} cannot be used" in taken
        assert "already running" in refusal("--data", str(data))
    assert "production" in refusal("--data", str(data), CANFARWEB_PRODUCTION="1")


def test_it_refuses_a_state_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert "not a folder of its own" in refusal("--data", str(tmp_path / "link"))
    (tmp_path / "file").write_text("")
    assert "cannot be used" in refusal("--data", str(tmp_path / "file"))


def test_what_it_keeps_is_for_its_owner_only(data: Path) -> None:
    with running(data) as platform:
        platform.alice.finished(platform.alice.create("true"))
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE((data / "token").stat().st_mode) == 0o600
        assert platform.alice.token.encode() not in (data / "state.sqlite3").read_bytes()


def test_it_listens_on_loopback_only(data: Path) -> None:
    with running(data) as platform:
        listening = [
            c.laddr for c in psutil.Process(platform.process.pid).net_connections() if c.status == "LISTEN"
        ]
        assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}
        assert {address.port for address in listening} == {platform.port}


def test_the_platform_lets_a_connection_rest_longer_than_our_client_does():
    assert serve.RESTING > wiring.KEEPALIVE
