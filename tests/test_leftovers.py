"""What is left behind is seen, so that a run which says that nothing is can be believed."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from sessions_app.local.process import MARKER

from . import leftovers


@pytest.fixture
def sleeping(request: pytest.FixtureRequest):
    started = []

    def start(**variables: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], **variables})
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_process_of_this_run_is_seen_and_another_runs_is_not(sleeping, tmp_path):
    ours = sleeping(**{leftovers.RUN: "one"})
    sleeping(**{leftovers.RUN: "another"})
    assert [process.pid for process in leftovers.processes("one", tmp_path)] == [ours.pid]


def test_a_session_is_seen_by_where_its_home_is(sleeping, tmp_path):
    ours = sleeping(**{MARKER: "p/s", "HOME": f"{tmp_path}/data/home/ann"})
    sleeping(**{MARKER: "p/s", "HOME": "/data/home/ann"})
    assert [process.pid for process in leftovers.processes("none", tmp_path)] == [ours.pid]


def test_a_port_that_is_still_open_is_told(tmp_path):
    code = "import socket as s, sys; o = s.create_server(('127.0.0.1', 0)); print(o.getsockname()[1], flush=True)"
    code += "; sys.stdin.read()"
    environment = {"PATH": os.environ["PATH"], leftovers.RUN: "ports"}
    with subprocess.Popen(
        ["python3", "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        port = server.stdout.readline().strip()
        told = list(leftovers.leftovers("ports", tmp_path, set(leftovers.temporary())))
        server.stdin.close()
    assert any(line.startswith(f"port {port}, ") for line in told)


def test_a_socket_is_stale_once_nobody_listens(tmp_path: Path):
    folder = tmp_path / "skaha-0-x"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "api.sock"))
        listening.listen()
        assert not leftovers.is_stale(folder)
    assert leftovers.is_stale(folder)


def test_a_display_is_stale_once_its_server_is_gone(tmp_path: Path, sleeping):
    lock = tmp_path / ".X7-lock"
    server = sleeping()
    lock.write_text(f"{server.pid:>10}\n")
    assert not leftovers.is_stale(lock)
    server.kill()
    server.wait()
    assert leftovers.is_stale(lock)
