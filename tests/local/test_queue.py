"""What does not fit the machine waits its turn, as where a queue admits sessions (contract 4.6)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Platform, eventually, running


@pytest.fixture
def small(data: Path) -> Iterator[Platform]:
    """A platform with room for two cores and 4 GiB."""
    with running(data, "--grace", "1", "--capacity-cores", "2", "--capacity-memory", "4") as platform:
        yield platform


def test_who_comes_too_late_waits_without_a_trace_and_starts_in_turn(small: Platform) -> None:
    alice = small.alice
    first = alice.create("sleep", "60", name="first", cores=1, ram=2)
    alice.until(first, "Running")
    second = alice.create("sleep", "60", name="second", cores=2, ram=2)
    third = alice.create("echo", "hello", name="third", ram=1)
    for waiting in (second, third):
        row = alice.info(waiting)
        assert row["status"] == "Pending"
        assert not row.keys() & {"startTime", "expiryTime"}
        events = alice.get(f"/session/{waiting}", view="events")
        assert (events.status_code, events.text) == (404, f"session {waiting} not found.\n")
        assert alice.view(waiting, "logs") == ""
        assert alice.post(f"/session/{waiting}", action="renew").text.startswith("No active job for user")
    assert {"startTime" in row for row in alice.get("/session", view="all").json()} == {True, False}
    alice.delete(first)
    assert alice.until(second, "Running")["startTime"]
    assert alice.finished(third) == "Completed"
    assert alice.view(third, "logs") == "hello\n"
    assert "Scheduled" in alice.view(third, "events")


def test_a_small_one_does_not_overtake_a_large_one(small: Platform) -> None:
    alice = small.alice
    running_now = alice.create("sleep", "60", ram=2)
    large, flexible = alice.create("sleep", "60", ram=4), alice.create("true")
    alice.until(running_now, "Running")
    assert {alice.info(session)["status"] for session in (large, flexible)} == {"Pending"}
    alice.delete(large)
    assert alice.finished(flexible) == "Completed"


def test_who_waits_can_be_deleted_and_is_gone_at_once(small: Platform) -> None:
    alice = small.alice
    alice.create("sleep", "60", ram=4)
    waiting = alice.create("sleep", "60", ram=4)
    alice.delete(waiting)
    assert alice.get(f"/session/{waiting}").status_code == 404


def test_who_waits_still_waits_after_the_platform_was_killed(small: Platform) -> None:
    first = small.alice.create("sleep", "60", ram=4)
    small.alice.until(first, "Running")
    waiting = [small.alice.create("echo", word, name=word, ram=4) for word in ("one", "two")]
    alice = small.again(9).alice
    assert {alice.info(session)["status"] for session in waiting} == {"Pending"}
    alice.delete(first)
    eventually(lambda: [alice.info(session)["status"] for session in waiting] == ["Completed"] * 2)
    assert alice.info(waiting[0])["startTime"] <= alice.info(waiting[1])["startTime"]


def test_its_time_begins_when_it_starts(data: Path) -> None:
    with running(data, "--grace", "1", "--capacity-memory", "1", "--headless-lifetime", "3") as platform:
        alice = platform.alice
        first, second = (alice.create("sleep", "60", ram=1) for _ in range(2))
        assert alice.finished(first) == "Failed"
        assert alice.until(second, "Running")["status"] == "Running"
        assert alice.finished(second) == "Failed"
