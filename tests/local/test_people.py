"""The people of a served platform, as the `user` command makes and changes them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import httpx

from tests.platforms import free_port

from .harness import ROOT, Platform, Skaha, running


def login(platform: Platform, name: str, password: str) -> httpx.Response:
    url = f"http://localhost:{platform.port}/ac/login"
    return httpx.post(url, data={"username": name, "password": password})


def told(platform: Platform, *arguments: str) -> dict[str, str]:
    return dict(json.loads(platform.command("user", *arguments).stdout))


def test_somebody_who_is_added_is_let_in_at_once_by_token_and_by_password(platform: Platform) -> None:
    bob = told(platform, "add", "bob")
    assert bob.keys() == {"user", "password", "token"}
    for token in (bob["token"], login(platform, "bob", bob["password"]).text):
        answer = Skaha(platform.alice.url, token).get("/session")
        assert (answer.status_code, answer.headers["x-vo-authenticated"]) == (200, "bob")


def test_a_name_is_given_once(platform: Platform) -> None:
    first = told(platform, "add", "twice")
    second = platform.command("user", "add", "twice")
    assert (second.returncode, second.stderr) == (1, "There is already somebody called twice.\n")
    assert login(platform, "twice", first["password"]).status_code == 200


def test_a_new_password_ends_what_the_old_one_opened(platform: Platform) -> None:
    old = told(platform, "add", "carol")
    token = login(platform, "carol", old["password"]).text
    new = told(platform, "password", "carol")["password"]
    assert Skaha(platform.alice.url, token).get("/session").status_code == 401
    assert Skaha(platform.alice.url, old["token"]).get("/session").status_code == 200
    assert login(platform, "carol", old["password"]).status_code == 401
    assert login(platform, "carol", new).status_code == 200


def test_a_new_token_takes_the_place_of_the_old_one(platform: Platform) -> None:
    old, new = told(platform, "add", "dave"), told(platform, "token", "dave")
    assert Skaha(platform.alice.url, old["token"]).get("/session").status_code == 401
    assert Skaha(platform.alice.url, new["token"]).get("/session").status_code == 200


def test_somebody_who_is_not_allowed_is_known_but_not_served(platform: Platform) -> None:
    erin = told(platform, "add", "erin")
    platform.command("user", "deny", "erin")
    answer = Skaha(platform.alice.url, erin["token"]).get("/session")
    assert (answer.status_code, answer.text) == (403, "Not authorized to use the skaha system\n")
    assert answer.headers["x-vo-authenticated"] == "erin"
    assert login(platform, "erin", erin["password"]).status_code == 200
    platform.command("user", "allow", "erin")
    assert Skaha(platform.alice.url, erin["token"]).get("/session").status_code == 200


def test_groups_are_shown_in_sessions_by_their_numbers(platform: Platform) -> None:
    frank = Skaha(
        platform.alice.url, told(platform, "add", "frank", "--group", "astro", "--group", "radio")["token"]
    )
    grace = Skaha(platform.alice.url, told(platform, "add", "grace", "--group", "astro")["token"])
    sessions = {frank: frank.create("true"), grace: grace.create("true")}
    astro, radio = frank.info(sessions[frank])["supplementalGroups"]
    assert grace.info(sessions[grace])["supplementalGroups"] == [astro]
    assert (
        platform.command("user", "group", "frank", "-astro", "+optical").stdout
        == "frank is in optical, radio.\n"
    )
    optical = (set(frank.get("/session").json()[0]["supplementalGroups"]) - {radio}).pop()
    assert optical not in (astro, radio)
    for person, session in sessions.items():
        person.delete(session)


def test_a_group_keeps_its_number_when_all_have_left(platform: Platform) -> None:
    hal = Skaha(platform.alice.url, told(platform, "add", "hal", "--group", "dust")["token"])
    session = hal.create("sleep", "600")
    before = hal.info(session)["supplementalGroups"]
    platform.command("user", "group", "hal", "-dust")
    assert hal.info(session)["supplementalGroups"] == []
    platform.command("user", "group", "hal", "+gas", "+dust")
    assert before[0] in hal.info(session)["supplementalGroups"]
    hal.delete(session)


def test_somebody_is_removed_when_their_sessions_are_gone(platform: Platform) -> None:
    ivan = Skaha(platform.alice.url, told(platform, "add", "ivan")["token"])
    session = ivan.create("sleep", "60")
    refused = platform.command("user", "remove", "ivan")
    assert (refused.returncode, refused.stderr) == (1, "ivan still has sessions: delete them first.\n")
    ivan.delete(session)
    assert platform.command("user", "remove", "ivan").returncode == 0
    assert ivan.get("/session").status_code == 401
    assert "ivan" not in platform.command("user", "list").stdout
    assert platform.command("user", "remove", "alice").returncode == 1


def test_everybody_is_listed(platform: Platform) -> None:
    told(platform, "add", "judy", "--group", "b", "--group", "a")
    platform.command("user", "deny", "judy")
    header, *rows = [line.split() for line in platform.command("user", "list").stdout.splitlines()]
    assert header == ["NAME", "ALLOWED", "GROUPS"]
    assert ["alice", "yes"] in rows
    assert ["judy", "no", "a", "b"] in rows


def test_what_cannot_be_is_said_in_a_sentence(platform: Platform) -> None:
    for arguments in (
        ["add", "../x"],
        ["add", "kim", "--group", "a b"],
        ["token", "nobody"],
        ["deny", "nobody"],
    ):
        done = platform.command("user", *arguments)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


def test_the_first_user_has_a_password_that_is_told_once_and_never_logged(data: Path) -> None:
    with running(data) as platform:
        password = platform.word["password"]
        assert login(platform, "alice", password).status_code == 200
        platform.again()
        assert "password" not in platform.word
        assert login(platform, "alice", password).status_code == 200
        assert platform.word["token"] == platform.alice.token
        new = told(platform, "token", "alice")["token"]
        platform.again()
        assert platform.word["token"] == new
        log = (data.parent / f"{data.name}.err").read_text()
    assert password not in log
    assert new not in log
    kept = b"".join(path.read_bytes() for path in data.glob("state.sqlite3*"))
    assert not any(secret.encode() in kept for secret in (password, new))


def test_at_a_terminal_the_first_password_is_told_in_a_sentence(data: Path) -> None:
    terminal, shown = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "sessions_app.local",
        "serve",
        "--port",
        str(free_port()),
        "--data",
        str(data),
    ]
    process = subprocess.Popen(
        [*command, "--user", "zoe"], cwd=ROOT, stdout=shown, stderr=subprocess.PIPE, text=True
    )
    try:
        word = json.loads(os.read(terminal, 4096))
        assert process.stderr
        said = next(line for line in process.stderr if "password" in line)
        assert said.startswith(f"The password of zoe is {word['password']}. ")
    finally:
        process.terminate()
        process.communicate(timeout=60)
        os.close(terminal)
        os.close(shown)
