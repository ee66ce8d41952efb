"""`manage.py up`: what it refuses, in a sentence, and that nothing of it stays behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from sessions_app.management.last_start import LastStart, running_elsewhere
from tests import platforms
from tests.platforms import ROOT, nobody_at_home


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
    return str(platforms.free_port())


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
        first.wait(60)
        assert left_of(tmp_path) == []
    finally:
        if first.poll() is None:
            first.kill()
    open_to_others = [each for each in tmp_path.iterdir() if each.stat().st_mode & 0o077]
    assert open_to_others == []


def test_the_first_start_shows_the_password_of_the_first_user_and_no_later_one_does(tmp_path):
    port, platform_port = free_port(), free_port()
    words, environment = command(
        "up", "--no-browser", "--data", str(tmp_path), "--port", port, "--platform-port", platform_port
    )
    shown = []
    for _ in range(2):
        portal = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        lines = [portal.stdout.readline() for _ in range(3)]
        portal.send_signal(signal.SIGTERM)
        shown.append([*lines, *portal.stdout.read().splitlines()])
        portal.stdout.close()
        portal.wait(60)
    said = [line for line in shown[0] if line.startswith("Password of ")]
    assert len(said) == 1
    assert f"http://localhost:{port}/signin" in said[0]
    assert not [line for line in shown[1] if "assword" in line]


def test_welcome_says_in_a_sentence_why_there_is_no_link(tmp_path):
    missing, empty, damaged, remote = (tmp_path / name for name in ("missing", "empty", "damaged", "remote"))
    assert "There is no data folder" in refused("welcome", "--data", str(missing))
    assert not missing.exists()
    for folder in (empty, damaged, remote):
        folder.mkdir()
    assert "No portal was started on" in refused("welcome", "--data", str(empty))
    LastStart(8000, "https://skaha.example/skaha/v1").keep(remote)
    assert "http://localhost:8000/signin" in refused("welcome", "--data", str(remote))
    LastStart(8000, user="ann").keep(damaged)
    assert "has no user yet" in refused("welcome", "--data", str(damaged))
    (damaged / "platform").mkdir()
    (damaged / "platform" / "token").write_text("x")
    assert "database" in refused("welcome", "--data", str(damaged))


def test_welcome_without_a_folder_takes_that_of_a_portal_of_this_checkout_that_runs(tmp_path):
    (tmp_path / "manage.py").write_text("print('up', flush=True); input()")
    starts = {"remote": LastStart(1, "https://skaha.example"), "local": LastStart(2), "other": LastStart(3)}
    for name, start in starts.items():
        (tmp_path / name).mkdir()
        start.keep(tmp_path / name)
    assert running_elsewhere(tmp_path) is None
    options = (["--data", "local"], ["--data=remote"], ["--data", "never-started"])
    running = [standing_in(tmp_path, *each) for each in options]
    try:
        assert running_elsewhere(tmp_path) == tmp_path / "local"
        assert running_elsewhere(tmp_path / "other") is None
    finally:
        for each in running:
            each.communicate("\n")
    assert running_elsewhere(tmp_path) is None


def standing_in(checkout: Path, *options: str) -> subprocess.Popen[str]:
    """Start something that looks like a portal of this checkout to whoever lists processes."""
    words = [sys.executable, "manage.py", "up", "--no-browser", *options]
    process = subprocess.Popen(words, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    return process


def test_people_are_added_by_a_management_command_and_it_says_what_it_refuses(tmp_path):
    words, environment = command("local_user", "add", "bob", "--group", "astro", "--data", str(tmp_path))
    told = json.loads(
        subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, check=True).stdout
    )
    assert told.keys() == {"user", "password", "token"}
    assert (tmp_path / "platform" / "state.sqlite3").exists()
    assert (
        refused("local_user", "add", "bob", f"--data={tmp_path}") == "There is already somebody called bob."
    )
    words, environment = command("local_user", "list", "--data", str(tmp_path))
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[3:] == ["bob", "yes", "astro"]


def test_the_local_platform_serves_without_the_portal(tmp_path):
    port = free_port()
    words, environment = command("local_platform", "--data", str(tmp_path), "--user", "ann", "--port", port)
    platform = subprocess.Popen(
        words, cwd=ROOT, env=environment | {"CANFARWEB_LOOKUP_KEY": "x"}, stdout=subprocess.PIPE, text=True
    )
    try:
        word = json.loads(platform.stdout.readline())
        assert (word["user"], word["url"]) == ("ann", f"http://localhost:{port}/skaha/v1")
        assert "CANFARWEB_LOOKUP_KEY" not in psutil.Process(platform.pid).environ()
        platform.terminate()
        assert platform.wait(60) == 0
    finally:
        platform.kill()
        platform.communicate()


def left_of(data: Path) -> list[str]:
    """Return what still runs on this folder after a moment."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        running = [" ".join(each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"])]
        left = [line for line in running if str(data) in line]
        if not left:
            break
        time.sleep(0.1)
    return left


def children(process: subprocess.Popen) -> list[psutil.Process]:
    """Return the local platform that this portal started; one that was just killed has no command any more."""
    found = []
    for child in psutil.Process(process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "sessions_app.local" in " ".join(child.cmdline()):
                found.append(child)
    return found


def until(look, what: str, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"Waited {seconds} s for {what}."
        time.sleep(0.1)
    return found


def test_a_local_platform_that_died_is_started_again_and_the_page_says_so_meanwhile(tmp_path):
    port, platform_port = free_port(), free_port()
    words, environment = command(
        "up", "--no-browser", "--data", str(tmp_path), "--port", port, "--platform-port", platform_port
    )
    told = tmp_path / "told"
    with told.open("w") as errors:
        portal = subprocess.Popen(
            words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        link = portal.stdout.readline().removeprefix("Portal: ").strip()
        with httpx.Client(follow_redirects=True, timeout=30, trust_env=False) as browser:
            fields = dict(
                re.findall(r'name="(csrfmiddlewaretoken|key)" value="([^"]+)"', browser.get(link).text)
            )
            assert browser.post(link.partition("?")[0], data=fields).status_code == 200
            page = f"http://localhost:{port}/"
            assert "being started again" not in browser.get(page).text
            until(lambda: children(portal), "the platform")[0].kill()
            # It is started again within a second, but not where its place is taken.
            with nobody_at_home(int(platform_port)):
                until(
                    lambda: (
                        "The local platform stopped, and is being started again." in browser.get(page).text
                    ),
                    "the page to say so",
                )
            until(lambda: "answers again" in told.read_text(), "the platform to answer again")
            assert "The local platform ended (SIGKILL). Its sessions go on." in told.read_text()
            until(lambda: "being started again" not in browser.get(page).text, "the page to be as before")
        # However the portal ends, what it started ends with it, the second time too.
        portal.kill()
        portal.wait(15)
        until(lambda: left_of(tmp_path) == [], "the platform to end with the portal")
    finally:
        portal.kill()
        portal.wait(15)
        portal.stdout.close()


def test_the_local_platform_offers_as_many_gpus_as_the_start_says(tmp_path):
    words, environment = command(
        *("up", "--gpus", "2", "--no-browser", "--data", str(tmp_path)),
        *("--port", free_port(), "--platform-port", free_port()),
    )
    portal = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        told = dict(line.split("=", 1) for line in [portal.stdout.readline() for _ in range(3)][1:])
        url, token = (told[f"export CANFAR_{name}"].strip() for name in ("URL", "TOKEN"))
        answer = httpx.get(f"{url}/context", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        assert answer.json()["gpus"] == {"options": [1, 2]}
    finally:
        portal.terminate()
        portal.wait(15)
        portal.stdout.close()
