"""What a session's page tells beside its state: what it runs, for how long, how it ended, and nothing that is empty."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from sessions_app.client.values import Event
from sessions_app.connections import timeline
from sessions_app.connections.runs import run_of
from sessions_app.models import Record
from tests.conftest import until
from tests.portal.conftest import FRAGMENT
from tests.portal.test_sessions_pages import _is, launched

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def facts(page: str) -> dict[str, str]:
    """Return the list of facts of a page, as a person reads it."""
    part = page[page.index('id="session-facts"') :]
    pairs = re.findall(r"<dt>(.*?)</dt>\s*<dd[^>]*>(.*?)</dd>", part, re.DOTALL)
    plain = [[" ".join(unescape(re.sub(r"<[^>]+>", "", each)).split()) for each in pair] for pair in pairs]
    return dict(plain)


def still(facts: dict[str, str]) -> dict[str, str]:
    """Leave out what may be another a second later; that such a time is there at all counts."""
    kept = {fact: value for fact, value in facts.items() if not fact.endswith(" used")}
    return kept | {fact: "" for fact in ("Started", "Ends in") if fact in facts}


def told(*events: tuple[str, str, int], states: tuple[tuple[str, int], ...] = ()) -> Record:
    """Return a record of a session of which the platform told these events, at these seconds after noon."""
    rows = [
        Event("Normal", reason, message, NOON + timedelta(seconds=second), NOON + timedelta(seconds=second))
        for reason, message, second in events
    ]
    seen = [[state, (NOON + timedelta(seconds=second)).isoformat()] for state, second in states]
    return Record(events=timeline.merged([], rows), states=seen)


@pytest.mark.parametrize(
    ("events", "code", "signal"),
    [
        ([("Started", "", 1), ("Failed", "Exited with code 3", 61)], 3, ""),
        ([("Started", "", 1), ("Completed", "Exited with code 0", 61)], 0, ""),
        ([("Started", "", 1), ("Failed", "Ended by signal 9 (SIGKILL)", 61)], None, "9 (SIGKILL)"),
        (
            [
                ("Started", "", 1),
                ("BackoffLimitExceeded", "It failed with exit code 137 (OOM)", 61),
            ],
            137,
            "",
        ),
        # What a helper of the platform ended with says nothing of the program.
        ([("Started", "", 1), ("FailedMount", "mount failed: exit status 32", 61)], None, ""),
    ],
)
def test_a_runs_end_is_read_from_what_the_platform_told(events, code, signal):
    run = run_of(told(*events, states=(("pending", 0), ("running", 2), ("failed", 61))), "failed")
    assert (run.exit_code, run.signal, run.seconds) == (code, signal, 60.0)


def test_what_never_started_has_no_length_and_what_runs_no_end():
    never = run_of(told(("FailedMount", "exit status 32", 3), states=(("failed", 5),)), "failed")
    assert (never.began, never.seconds, never.exit_code) == (None, None, None)
    running = run_of(told(("Started", "", 1), states=(("running", 2),)), "running")
    assert (running.began, running.ended) == (NOON + timedelta(seconds=1), None)


def test_the_first_start_counts_where_a_program_was_started_again():
    record = told(("Started", "", 1), ("Started", "again", 40), ("Failed", "Exited with code 1", 61))
    assert run_of(record, "failed").seconds == 60.0


@pytest.mark.django_db(transaction=True)
async def test_a_failed_replica_tells_what_it_ran_how_long_and_its_exit_code(alice):
    await launched(
        alice,
        cmd="python3",
        args="-c raise(SystemExit(3))",
        env="SECRET=sesame\nPLACE=here",
        replicas="2",
        name="fit",
    )
    record = await until(lambda: Record.objects.filter(name="fit-2").afirst(), what="the second replica")
    await until(lambda: _is(alice, record.slug, "failed"), what="the session to fail")

    async def with_code():
        page = (await alice.get(f"/s/{record.slug}")).text
        return page if "Exit code" in page else None

    page = await until(with_code, what="the exit code")
    found = facts(page)
    assert found["Command"] == "python3 -c 'raise(SystemExit(3))'"
    assert found["Variables, without their values"] == "PLACE, SECRET"
    assert (found["Replica"], found["Exit code"]) == ("2 of 2", "3")
    assert {"Started", "Ended", "Ran for"} <= set(found)
    assert "Ends in" not in found
    assert "sesame" not in page


@pytest.mark.django_db(transaction=True)
async def test_a_running_session_shows_nothing_that_is_empty(alice):
    slug = await launched(alice)
    await until(lambda: _is(alice, slug, "running"), what="the session to run")
    page = (await alice.get(f"/s/{slug}")).text
    found = facts(page)
    assert {"Kind", "Image", "Command", "Started", "Ends in"} <= set(found)
    assert not {"Ended", "Ran for", "Exit code", "Replica", "GPUs", "Variables, without their values"} & set(
        found
    )
    assert "—" not in "".join(found.values())
    # The part that is asked for again brings the facts along.
    again = facts((await alice.get(f"/s/{slug}", headers=FRAGMENT)).text)
    assert still(again) == still(found)


@pytest.mark.django_db(transaction=True)
async def test_of_a_session_launched_elsewhere_what_the_platform_tells_is_shown(alice, platform):
    slug = await launched(alice)
    await until(lambda: _is(alice, slug, "running"), what="the session to run")
    record = await Record.objects.aget(slug=slug)
    await record.steps.all().adelete()
    found = facts((await alice.get(f"/s/{slug}")).text)
    assert "Command" not in found
    assert {"Kind", "Image", "Started"} <= set(found)


def test_the_steps_of_a_start_are_folded_once_it_runs_and_what_was_noted_stays():
    at = [(NOON + timedelta(seconds=second)).isoformat() for second in range(20)]

    def row(source, reason, second, type_="Normal"):
        same = {"message": "", "first": at[second], "last": at[second], "count": 1, "says": reason}
        return {"id": f"{source}{reason}", "source": source, "type": type_, "reason": reason, **same}

    start = [
        row("person", "Launch", 0),
        row("state", "Pending", 1),
        row("platform", "Scheduled", 2),
        row("platform", "WithoutGPU", 2),
        row("platform", "Failed", 3, "Warning"),
        row("platform", "Started", 12),
    ]
    assert [each.get("fold") for each in timeline.ordered(start)] == [None] * len(start)
    rows = timeline.ordered(start, [row("state", "Running", 14)])
    assert [(each["says"], each.get("fold")) for each in rows] == [
        ("Launch", None),
        ("Started in 12 s.", None),
        ("Pending", "start"),
        ("Scheduled", "start"),
        ("WithoutGPU", None),
        ("Failed", None),
        ("Started", "start"),
        ("Running", None),
    ]


def test_states_stand_at_the_times_that_the_platform_told_however_late_they_were_seen():
    told = [
        Event("Normal", reason, message, NOON + timedelta(seconds=second), NOON + timedelta(seconds=second))
        for reason, message, second in (
            ("Scheduled", "", 0),
            ("Started", "", 3),
            ("Ready", "", 5),
            ("Failed", "Exited with code 3", 65),
        )
    ]
    late = {"pending": 3600, "running": 3602, "failed": 3604}
    record = told_late(late)
    rows = timeline.ordered(timeline.platform_rows(timeline.merged([], told)), timeline._state_rows(record))
    seen = [(row["reason"], row["last"][14:19]) for row in rows if row["source"] == "state"]
    assert seen == [("Pending", "00:00"), ("Running", "00:05"), ("Failed", "01:05")]
    assert [row["reason"] for row in rows if row["source"] != "fold"] == [
        "Pending",
        "Scheduled",
        "Started",
        "Ready",
        "Running",
        "Failed",
        "Failed",
    ]


def told_late(seen: dict[str, int]) -> Record:
    return told(states=tuple(seen.items()))
