"""Sessions beyond what the machine has wait for room, and are told for what."""

import datetime
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sessions_app.local import image_command
from sessions_app.local.catalogue import WEB_TERMINAL as WEB_TERMINAL_IMAGE

from .harness import IMAGES, WEB_TERMINAL, Platform, Skaha, eventually, marked, running


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of one core and two GiB."""
    small = ("--capacity-cores", "1", "--capacity-ram", "2")
    with running(tmp_path_factory.mktemp("queue") / "data", "--grace", "1", *small) as platform:
        yield platform


def moment(row: dict[str, Any]) -> datetime.datetime:
    return datetime.datetime.fromisoformat(row["startTime"])


def waiting(alice: Skaha, session: str) -> str:
    """Answer what a session is told to wait for."""
    return next((line for line in alice.view(session, "events").splitlines() if " Waiting " in line), "")


def test_a_queued_session_has_no_time_and_no_log_cannot_be_renewed_and_is_told_for_what_it_waits(
    alice: Skaha,
) -> None:
    first = alice.create("sleep", "60", cores=1, ram=1, name="first")
    second = alice.create("sleep", "60", cores=1, ram=1, name="second")
    alice.until(first, "Running")
    row = alice.info(second)
    assert row["status"] == "Pending"
    assert not row.keys() & {"startTime", "expiryTime"}
    public = [row for row in alice.get("/session", view="all").json() if row["status"] == "Pending"]
    assert [row.keys() for row in public] == [{"userid", "type", "status"}]
    assert "Waits for 1 core; `first` holds it" in waiting(alice, second)
    log = alice.get(f"/session/{second}", view="logs")
    assert (log.status_code, log.text) == (200, "")
    renewed = alice.post(f"/session/{second}", action="renew")
    assert renewed.status_code == 400
    assert renewed.text.startswith("No active job for user PosixPrincipal [uidNumber=")
    alice.delete(first)
    row = alice.until(second, "Running")
    assert row["startTime"] < row["expiryTime"]
    assert "Scheduled" in alice.view(second, "events")
    alice.delete(second)


def test_whoever_waits_is_told_anew_when_that_changes(alice: Skaha) -> None:
    first, second = (alice.create("sleep", "60", ram=1, name=name) for name in ("one", "two"))
    third = alice.create("sleep", "60", ram=2, name="three")
    eventually(lambda: "Waits for 2 GiB of memory; `one` and `two` hold it" in waiting(alice, third))
    alice.delete(first)
    eventually(
        lambda: (
            "Waits for 2 GiB of memory, of which 1 GiB is free; `two` holds the rest" in waiting(alice, third)
        )
    )
    assert alice.view(third, "events").count(" Waiting ") == 1
    alice.delete(second)
    alice.until(third, "Running")
    alice.delete(third)


def test_the_sessions_of_others_are_told_without_their_names(platform: Platform, alice: Skaha) -> None:
    bob = platform.person("bob")
    theirs = [bob.create("sleep", "60", ram=1, name="secret"), bob.create("sleep", "60", name="secret")]
    mine = alice.create("sleep", "60", ram=2)
    told = eventually(lambda: waiting(alice, mine))
    assert "2 sessions of other people hold the rest" in told
    bob.delete(theirs[0])
    told = eventually(
        lambda: "another person's session holds" in waiting(alice, mine) and waiting(alice, mine)
    )
    assert "secret" not in told
    bob.delete(theirs[1])
    alice.until(mine, "Running")
    alice.delete(mine)


def test_smaller_and_flexible_sessions_pass_a_large_one_that_waits(alice: Skaha) -> None:
    holding = alice.create("sleep", "60", cores=1, ram=1)
    large = [alice.create("sleep", "1.2", cores=1, ram=1) for _ in range(2)]
    flexible, small = alice.create("true"), alice.create("true", ram=1)
    assert [alice.finished(session) for session in (flexible, small)] == ["Completed"] * 2
    assert [alice.info(session).get("startTime") for session in large] == [None, None]
    alice.delete(holding)
    assert [alice.finished(session) for session in large] == ["Completed"] * 2
    assert moment(alice.info(large[0])) < moment(alice.info(large[1]))


def test_room_is_kept_for_a_large_one_that_was_passed_long_enough(data: Path) -> None:
    small = ("--capacity-cores", "2", "--capacity-ram", "2", "--passing", "0", "--grace", "1")
    with running(data, *small) as platform:
        alice = platform.alice
        holding = alice.create("sleep", "60", cores=1)
        large = alice.create("sleep", "1.2", cores=2, name="large")
        late, flexible = alice.create("true", cores=1), alice.create("true")
        assert alice.finished(flexible) == "Completed"  # It takes nothing that the large one waits for.
        assert "Waits for its turn; `large` came first and needs the room" in waiting(alice, late)
        assert "Waits for 2 cores, of which 1 is free; `test` holds the rest" in waiting(alice, large)
        alice.delete(holding)
        assert alice.finished(late) == "Completed"
        assert moment(alice.info(late)) > moment(alice.info(large))


def test_a_session_that_cannot_be_pulled_holds_no_room(alice: Skaha) -> None:
    lost = alice.create("true", image="images.canfar.net/skaha/nothing:1", cores=1, ram=2)
    other = alice.create("true", cores=1, ram=2)
    assert alice.finished(other) == "Completed"
    assert "ImagePullBackOff" in alice.view(lost, "events")
    assert alice.info(lost)["status"] == "Pending"
    alice.delete(lost)


def test_a_session_takes_room_when_its_image_has_come(data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    assert image_command.main(["pull", "skaha/web-terminal", "--images", str(IMAGES)]) == 0
    programs, images = tmp_path / "bin", tmp_path / "images"
    for folder in (programs, images):
        folder.mkdir(mode=0o700)
    for name in ("sleep", "true", "sh", "bash"):
        (programs / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(programs))  # Without npm this image cannot be pulled.
    small = ("--capacity-cores", "1", "--grace", "1", "--backoff", "0.3", "--images", str(images))
    with running(data, *small) as platform:
        alice = platform.alice
        session = alice.create(image=WEB_TERMINAL, type="contributed", cores=1)
        eventually(lambda: "this machine lacks npm" in alice.view(session, "events"))
        holding = alice.create("sleep", "60", cores=1)
        alice.until(holding, "Running")
        (images / WEB_TERMINAL_IMAGE.folder).symlink_to(IMAGES / WEB_TERMINAL_IMAGE.folder)
        eventually(lambda: "Waits for 1 core; `test` holds it" in waiting(alice, session))
        assert "startTime" not in alice.info(session)
        alice.delete(holding)
        alice.until(session, "Running", within=30)


def test_deleting_a_queued_session_works_at_once_and_lets_the_next_one_start(data: Path) -> None:
    with running(data, "--capacity-ram", "2", "--passing", "0", "--grace", "1") as platform:
        alice = platform.alice
        alice.create("sleep", "60", ram=1)
        large, small = alice.create("sleep", "60", ram=2), alice.create("true")
        assert "startTime" not in alice.info(small)
        assert alice.delete(large).status_code == 200
        assert alice.info(large) == {}
        assert alice.finished(small) == "Completed"


def test_what_is_larger_than_the_whole_runs_alone(alice: Skaha) -> None:
    session = alice.create("true", ram=4)
    assert alice.finished(session) == "Completed"


def test_flexible_sessions_take_no_cores_but_their_number_is_bounded_by_memory(alice: Skaha) -> None:
    fixed = alice.create("sleep", "60", cores=1, ram=1)
    sessions = [alice.create("sleep", "60") for _ in range(17)]
    eventually(lambda: sum("startTime" in alice.info(session) for session in sessions) == 16)
    assert "startTime" not in alice.info(sessions[-1])
    alice.delete(sessions[0])
    eventually(lambda: "startTime" in alice.info(sessions[-1]))
    for session in (fixed, *sessions):
        alice.delete(session)


def test_the_queue_outlives_the_platform_and_keeps_its_order(data: Path) -> None:
    with running(data, "--capacity-cores", "1", "--grace", "1", "--headless-lifetime", "60") as platform:
        holding, *waiting = (platform.alice.create("sleep", "1", cores=1) for _ in range(4))
        platform.alice.until(holding, "Running")
        alice = platform.again(signal.SIGKILL).alice
        assert not any("startTime" in alice.info(session) for session in waiting[1:])
        for session in waiting:
            assert alice.finished(session) == "Completed"
        rows = [alice.info(session) for session in (holding, *waiting)]
        assert [moment(row) for row in rows] == sorted({moment(row) for row in rows})
        # The deadline counts from the start, not from the request.
        for row in rows:
            end = datetime.datetime.fromisoformat(row["expiryTime"])
            assert (end - moment(row)).total_seconds() == 60


def test_two_hundred_flexible_sessions_are_let_in_at_once(data: Path) -> None:
    with running(data, "--capacity-ram", "24", "--grace", "1") as platform:
        alice = platform.alice
        for _ in range(200):
            alice.create("sleep", "60")
        rows = alice.get("/session").json()
        assert len(rows) == sum("startTime" in row for row in rows) == 200
        eventually(lambda: len(alice.get("/session", status="Running").json()) == 200)
        assert len(marked(data)) >= 400


def test_none_is_lost_or_doubled_while_the_platform_is_killed_again_and_again(data: Path) -> None:
    with running(data, "--capacity-cores", "1", "--grace", "1") as platform:
        alice = platform.alice
        code = "import os, time; print(os.getpid()); time.sleep(.2)"
        sessions = [alice.python(code, cores=1) for _ in range(12)]
        for at in (2, 5, 8):
            alice.until(sessions[at], "Running", "Completed")
            alice = platform.again(signal.SIGKILL).alice
        assert [alice.finished(session) for session in sessions] == ["Completed"] * 12
        assert [len(alice.view(session, "logs").split()) for session in sessions] == [1] * 12
        starts = [moment(alice.info(session)) for session in sessions]
        assert starts == sorted(starts)
