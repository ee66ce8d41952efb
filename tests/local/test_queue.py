"""Sessions beyond what the machine has wait for room, first come first served."""

import datetime
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .harness import Platform, Skaha, eventually, marked, running


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of one core and two GiB."""
    small = ("--capacity-cores", "1", "--capacity-ram", "2")
    with running(tmp_path_factory.mktemp("queue") / "data", "--grace", "1", *small) as platform:
        yield platform


def moment(row: dict[str, Any]) -> datetime.datetime:
    return datetime.datetime.fromisoformat(row["startTime"])


def test_a_queued_session_has_no_time_no_events_no_log_and_cannot_be_renewed(alice: Skaha) -> None:
    first, second = alice.create("sleep", "60", cores=1, ram=1), alice.create("sleep", "60", cores=1, ram=1)
    alice.until(first, "Running")
    row = alice.info(second)
    assert row["status"] == "Pending"
    assert not row.keys() & {"startTime", "expiryTime"}
    public = [row for row in alice.get("/session", view="all").json() if row["status"] == "Pending"]
    assert [row.keys() for row in public] == [{"userid", "type", "status"}]
    events, log = alice.get(f"/session/{second}", view="events"), alice.get(f"/session/{second}", view="logs")
    assert (events.status_code, events.text) == (404, f"session {second} not found.\n")
    assert (log.status_code, log.text) == (200, "")
    renewed = alice.post(f"/session/{second}", action="renew")
    assert renewed.status_code == 400
    assert renewed.text.startswith("No active job for user PosixPrincipal [uidNumber=")
    alice.delete(first)
    row = alice.until(second, "Running")
    assert row["startTime"] < row["expiryTime"]
    assert "Scheduled" in alice.view(second, "events")
    alice.delete(second)


def test_they_start_in_the_order_in_which_they_came_and_nobody_overtakes(alice: Skaha) -> None:
    holding = alice.create("sleep", "60", cores=1, ram=1)
    # The second wants more than is free; the third would fit beside the one that runs, but came later.
    large = alice.create("sleep", "1.2", ram=2)
    small = alice.create("true")
    eventually(lambda: alice.info(holding)["status"] == "Running")
    assert [alice.info(session).get("startTime") for session in (large, small)] == [None, None]
    alice.delete(holding)
    alice.until(large, "Running")
    assert "startTime" not in alice.info(small)
    assert alice.finished(small) == "Completed"
    assert moment(alice.info(small)) > moment(alice.info(large))


def test_deleting_a_queued_session_works_at_once_and_lets_the_next_one_start(alice: Skaha) -> None:
    holding = alice.create("sleep", "60", ram=1)
    large, small = alice.create("sleep", "60", ram=2), alice.create("true")
    assert alice.delete(large).status_code == 200
    assert alice.info(large) == {}
    assert alice.finished(small) == "Completed"
    alice.delete(holding)


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
            assert alice.finished(session, within=20) == "Completed"
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
        eventually(lambda: len(alice.get("/session", status="Running").json()) == 200, within=60)
        assert len(marked(data)) >= 400


def test_none_is_lost_or_doubled_while_the_platform_is_killed_again_and_again(data: Path) -> None:
    with running(data, "--capacity-cores", "1", "--grace", "1") as platform:
        alice = platform.alice
        code = "import os, time; print(os.getpid()); time.sleep(.2)"
        sessions = [alice.python(code, cores=1) for _ in range(12)]
        for at in (2, 5, 8):
            alice.until(sessions[at], "Running", "Completed", within=30)
            alice = platform.again(signal.SIGKILL).alice
        assert [alice.finished(session, within=30) for session in sessions] == ["Completed"] * 12
        assert [len(alice.view(session, "logs").split()) for session in sessions] == [1] * 12
        starts = [moment(alice.info(session)) for session in sessions]
        assert starts == sorted(starts)
