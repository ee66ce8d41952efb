"""`manage.py up`: what it refuses, in a sentence, and that nothing of it stays behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.platforms import ROOT


def command(*arguments: str) -> tuple[list[str], dict[str, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANFARWEB_")}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    return [sys.executable, "manage.py", *arguments], environment


def refused(*arguments: str, **variables: str) -> str:
    """Run a command that must fail and return the one line it says."""
    words, environment = command(*arguments)
    done = subprocess.run(
        words, cwd=ROOT, env={**environment, **variables}, capture_output=True, text=True, timeout=30
    )
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_taken_port_is_said(tmp_path, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as taken:
        taken.bind((address, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refused("up", "--no-browser", "--data", str(tmp_path), "--port", port)
    assert f"Port {port} cannot be used" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "99999"], "--port takes a port from 1 to 65535"),
        (["--port", "18080", "--platform-port", "18080"], "cannot both have port 18080"),
    ],
)
def test_an_impossible_port_is_said(tmp_path, arguments, said):
    assert said in refused("up", "--no-browser", "--data", str(tmp_path), *arguments)


def test_a_data_folder_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be used" in refused("up", "--no-browser", "--data", str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "CANFARWEB_SECRET_KEY"),
        ({"CANFARWEB_DEBUG": "true"}, "CANFARWEB_DEBUG"),
        ({"CANFARWEB_SECRET_KEY": "x"}, "CANFARWEB_CREDENTIAL_KEYS"),
        (
            {"CANFARWEB_SECRET_KEY": "x", "CANFARWEB_CREDENTIAL_KEYS": "y", "CANFARWEB_LOOKUP_KEY": "z"},
            "Fernet",
        ),
    ],
)
def test_a_production_start_without_what_it_needs_names_the_variable(tmp_path, variables, named):
    assert named in refused("check", CANFARWEB_PRODUCTION="true", CANFARWEB_DATA=str(tmp_path), **variables)


def test_a_second_portal_on_the_same_data_is_refused_and_a_closed_terminal_ends_both_programs(tmp_path):
    port, platform_port = free_port(), free_port()
    ports = ["--port", port, "--platform-port", platform_port]
    words, environment = command("up", "--no-browser", "--data", str(tmp_path), *ports)
    first = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline().startswith("Portal: ")
        others = ["--port", free_port(), "--platform-port", free_port()]
        assert "Another portal runs on" in refused("up", "--no-browser", "--data", str(tmp_path), *others)
        first.send_signal(signal.SIGHUP)
        first.wait(15)
        assert left_of(tmp_path) == []
    finally:
        if first.poll() is None:
            first.kill()
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def left_of(data: Path) -> list[str]:
    """Return what still runs on this folder after a moment."""
    end = time.monotonic() + 8
    while time.monotonic() < end:
        running = [" ".join(each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"])]
        left = [line for line in running if str(data) in line]
        if not left:
            break
        time.sleep(0.1)
    return left
