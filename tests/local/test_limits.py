"""How sessions are held to what they asked for, and how the platform says so."""

import os
import re
import signal
import time
from pathlib import Path

import httpx
import pytest

from sessions_app.local.watch import EVERY

from .harness import Platform, Skaha, eventually, marked, running

# Each child stays within the limit of one process; together they do not.
TOGETHER = """
import os, time
for n in range(5):
    if os.fork() == 0:
        own = b"x" * (300 << 20)
        time.sleep(100)
time.sleep(100)
"""
# Far more pages in memory than was asked for, if those of a fork, and of a file, are counted as its own.
SHARED = """
import mmap, os, time
def wait_until_it_was_seen():
    while os.path.exists("large"):
        time.sleep(0.1)
own = b"x" * (600 << 20)
with open("large", "wb") as file:
    file.truncate(1 << 30)
for n in range(3):
    if os.fork() == 0:
        wait_until_it_was_seen()
        os._exit(0)
with open("large", "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(sum(mapped[::4096]), flush=True)
wait_until_it_was_seen()
"""
SYSTEMD_RUN = """#!/bin/sh
echo "$XDG_RUNTIME_DIR $*" >> {record}
for word; do
    shift
    if [ "$word" = -- ]; then {then}; fi
done
"""


def test_processes_that_are_too_much_only_together_are_ended_and_it_says_why(
    platform: Platform, alice: Skaha
) -> None:
    session = alice.python(TOGETHER, ram=1)
    assert alice.finished(session) == "Failed"
    row = next(line for line in alice.view(session, "events").splitlines() if "OOMKilled" in line)
    found = re.search(
        r"Warning +OOMKilled +Used (1\.\d\d) GB of the 1\.07 GB it asked for, and was ended", row
    )
    assert found
    assert float(found[1]) > 1.07
    eventually(
        lambda: not [p for p in marked(platform.data) if session in p.environ().get("skaha_sessionid", "")]
    )
    assert "Ended by" not in alice.view(session, "events")


def test_memory_that_is_shared_or_a_file_is_not_counted_twice(platform: Platform, alice: Skaha) -> None:
    session = alice.python(SHARED, ram=1)
    eventually(lambda: alice.view(session, "logs"))
    eventually(lambda: float(alice.info(session).get("ramInUse") or 0) > 1.5)
    time.sleep(3 * EVERY)  # It ends what it finds beyond the limit in two looks.
    next(platform.data.rglob("large")).unlink()
    assert alice.finished(session) == "Completed"


def test_a_process_that_its_own_limit_stops_says_its_exit_status(alice: Skaha) -> None:
    session = alice.python("x = b'x' * (3 << 30)", ram=1)
    assert alice.finished(session) == "Failed"
    assert "Exited with code 1" in alice.view(session, "events")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_two_sessions_of_one_core_get_different_ones_even_over_a_restart(data: Path) -> None:
    with running(data) as platform:
        code = "import os, time; print(os.sched_getaffinity(0), flush=True); time.sleep(60)"
        first = platform.alice.python(code, cores=1)
        one = eventually(lambda: platform.alice.view(first, "logs"))
        alice = platform.again(signal.SIGKILL).alice
        second = alice.python(code, cores=1)
        assert eventually(lambda: alice.view(second, "logs")) != one


def test_the_page_and_the_events_say_which_means_are_in_force(platform: Platform, alice: Skaha) -> None:
    page = httpx.get(f"http://localhost:{platform.port}/").text
    assert "RLIMIT_DATA" in page
    assert "<code>=</code>" in page
    session, free = alice.create("true", cores=1, ram=1), alice.create("true")
    for one in (session, free):
        alice.finished(one)
    assert re.search(
        r"Normal +Limits +1 core and 1\.07 GB, held by .*RLIMIT_DATA", alice.view(session, "events")
    )
    assert "Limits" not in alice.view(free, "events")


def pretend_systemd(folder: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> Path:
    """Put a systemd-run on the path that writes down what it is asked; answer where."""
    program, record = folder / "bin" / "systemd-run", folder / "record"
    program.parent.mkdir()
    program.write_text(SYSTEMD_RUN.format(record=record, then=then))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
    return record


def test_where_systemd_gives_scopes_a_fixed_session_runs_in_one(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = pretend_systemd(tmp_path, monkeypatch, 'exec "$@"')
    with running(data) as platform:
        code = "import os, time; print([open(f'/proc/{p}/environ').read() for p in ('self', os.getppid())], flush=True)"
        alice, ends = platform.alice, code + "; time.sleep(2)"
        assert "MemoryMax" in httpx.get(f"http://localhost:{platform.port}/").text
        session = alice.python(code + "; time.sleep(100)", cores=1, ram=2)
        seen = eventually(lambda: alice.view(session, "logs"))
        assert "XDG_RUNTIME_DIR" not in seen
        assert "CANFARWEB_SESSION" in seen
        shim = next(p for p in marked(data) if "shim.py" in " ".join(p.cmdline()))
        probe, asked = record.read_text().splitlines()
        scope = f"{tmp_path}/runtime --user --scope --quiet --collect"
        assert probe == f"{scope} true"
        assert asked.startswith(
            f"{scope} -p MemoryMax={2 << 30} -p CPUQuota=100% -- env -i CANFARWEB_SESSION="
        )
        alice.finished(alice.create("true"))
        assert len(record.read_text().splitlines()) == 2
        # What was in front has become the shim: it is found again by its pid and its time.
        alice = platform.again(signal.SIGKILL).alice
        assert alice.info(session)["status"] == "Running"
        assert shim.is_running()
        assert alice.finished(alice.python(ends, ram=1)) == "Completed"


def test_where_a_scope_is_refused_later_the_session_runs_without_it(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = pretend_systemd(tmp_path, monkeypatch, "exit 1")
    with running(data) as platform:
        assert platform.alice.finished(platform.alice.create("true", ram=1)) == "Completed"
        assert "MemoryMax" in record.read_text()


def test_where_systemd_does_not_answer_it_is_left_alone(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = pretend_systemd(tmp_path, monkeypatch, "exit 1")
    program = tmp_path / "bin" / "systemd-run"
    program.write_text(program.read_text() + "exit 1\n")
    with running(data) as platform:
        assert "MemoryMax" not in httpx.get(f"http://localhost:{platform.port}/").text
        assert platform.alice.finished(platform.alice.create("true", ram=1)) == "Completed"
        assert len(record.read_text().splitlines()) == 1
