"""Why a session is pending or how it ended, from what the platform tells."""

from datetime import UTC, datetime, timedelta

import pytest

from sessions_app.client.values import Event
from sessions_app.reasons import sentence

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def told(*events: tuple[str, str, str]) -> list[Event]:
    """Return events one second apart, each (type, reason, message)."""
    moments = (NOON + timedelta(seconds=number) for number in range(len(events)))
    return [Event(*event, moment, moment) for event, moment in zip(events, moments, strict=True)]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Exited with code 3", "Ended with exit code 3."),
        ("Container exited with exit code 137", "Ended with exit code 137."),
        ("Ended by signal 9", "Ended by signal 9."),
        ("OOMKilled", "Ended: it ran out of memory."),
        ("Job was active longer than specified deadline", "Ended: it reached its end time."),
    ],
)
def test_an_end_is_told_in_one_sentence(message, said):
    assert sentence("failed", told(("Normal", "Started", "Started"), ("Warning", "Failed", message))) == said


def test_a_missing_image_is_named_as_the_cause_although_the_last_event_only_says_back_off():
    events = told(
        ("Normal", "Scheduled", "Accepted"),
        ("Warning", "Failed", 'Failed to pull image "h/p/nope:1": image not found'),
        ("Normal", "BackOff", 'Back-off pulling image "h/p/nope:1"'),
    )
    assert sentence("pending", events) == "The image was not found: check its name and tag."


def test_what_is_on_its_way_is_told_by_the_last_event_in_time_not_in_place():
    events = told(("Normal", "Scheduled", "Accepted"), ("Normal", "Pulling", "Pulling image"))
    assert sentence("pending", events[::-1]) == "Pulling the image."


def test_of_events_in_the_same_second_the_later_row_is_the_newer():
    events = [Event("Normal", reason, "…", NOON, NOON) for reason in ("Scheduled", "Created", "Started")]
    assert sentence("pending", events) == "Started; waiting for the application to answer."


def test_a_pull_tells_how_far_it_is():
    events = told(("Normal", "Progress", "Downloaded 40 of 91 packages"))
    assert sentence("pending", events) == "Pulling the image: Downloaded 40 of 91 packages."


def test_a_reason_that_no_rule_knows_is_shown_as_it_came():
    assert sentence("failed", told(("Warning", "Evicted", "The node was low on disk"))) == (
        "Evicted: The node was low on disk"
    )


def test_a_failure_without_events_says_that_there_is_no_reason():
    assert sentence("failed", []) == "The platform gives no reason."


def test_a_running_session_needs_no_reason():
    assert sentence("running", told(("Normal", "Started", "Started"))) == ""
