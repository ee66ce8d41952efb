"""One timeline per session, kept: what the platform told, the states, and what people did."""

from datetime import UTC, datetime, timedelta

import pytest

from sessions_app.client.values import Event
from sessions_app.connections import connection_for, forget, timeline
from sessions_app.connections.redaction import Redactor
from sessions_app.models import Person, Record
from tests.conftest import until
from tests.portal.test_sessions_pages import _is, launched

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(reason: str, message: str, second: int, *, until_second: int | None = None) -> Event:
    last = second if until_second is None else until_second
    return Event("Normal", reason, message, NOON + timedelta(seconds=second), NOON + timedelta(seconds=last))


def test_an_event_told_again_is_one_row_with_a_count_and_its_first_and_last_time():
    kept = timeline.merged([], [event("BackOff", "again", 0)])
    for second in (0, 20, 20, 40):
        kept = timeline.merged(kept, [event("BackOff", "again", 0, until_second=second)])
    [row] = kept
    assert (row["count"], row["first"], row["last"]) == (
        3,
        "2026-03-01T12:00:00+00:00",
        "2026-03-01T12:00:40+00:00",
    )


def test_progress_is_one_row_with_its_newest_words():
    kept = timeline.merged([], [event("Progress", "Downloaded 1 of 9", 0)])
    kept = timeline.merged(kept, [event("Progress", "Downloaded 9 of 9", 0, until_second=8)])
    kept = timeline.merged(kept, [event("Progress", "Downloaded 1 of 9", 0)])
    assert [(row["message"], row["count"]) for row in kept] == [("Downloaded 9 of 9", 1)]


def test_a_row_keeps_its_id_when_it_is_told_again_and_no_two_share_one():
    kept = timeline.merged([], [event("BackOff", "again", 0), event("Started", "there", 5)])
    later = timeline.merged(kept, [event("BackOff", "again", 0, until_second=60)])
    before, after = timeline.platform_rows(kept), timeline.platform_rows(later)
    assert [row["reason"] for row in before] == ["BackOff", "Started"]
    assert [row["reason"] for row in after] == ["Started", "BackOff"]
    assert {row["reason"]: row["id"] for row in before} == {row["reason"]: row["id"] for row in after}
    assert len({row["id"] for row in after}) == 2


def test_what_is_kept_and_what_is_shown_are_bounded():
    kept = timeline.merged([], [event("Odd", f"{n} " + "🙂" * 2000, n) for n in range(500)])
    assert len(kept) == timeline.MOST_EVENTS
    assert kept[-1]["message"].startswith("499 ")
    rows = timeline.ordered(timeline.platform_rows(kept))
    assert 0 < len(rows) < 200
    assert sum(len(str(row).encode()) for row in rows) <= timeline.MOST_BYTES * 1.1
    assert rows[-1]["message"].startswith("499 ")


def test_a_probe_that_fails_while_it_starts_is_not_a_warning():
    told = Event("Warning", "Unhealthy", "Readiness probe failed", NOON, NOON)
    [row] = timeline.platform_rows(timeline.merged([], [told]))
    assert (row["type"], row["says"]) == ("Normal", "It did not answer yet.")


def _state(name: str, second: int) -> timeline.TimelineRow:
    at = (NOON + timedelta(seconds=second)).isoformat()
    return {"source": "state", "reason": name, "message": "", "first": at, "last": at, "says": "", "id": name}


@pytest.mark.parametrize(
    ("told", "order"),
    [
        # Seen only when it was over; "Ready" may come in between.
        (
            [event("Started", "", 1), event("Ready", "", 2), event("Failed", "Exited with code 3", 3)],
            "Started Ready Running Failed Failed",
        ),
        ([event("Started", "", 1), event("Completed", "", 3)], "Started Running Completed Failed"),
        # It runs anew after an end.
        (
            [event("OOMKilled", "", 2), event("Started", "", 1, until_second=3)],
            "OOMKilled Started Running Failed",
        ),
        # What never started did not run before that end.
        ([event("FailedMount", "exit status 32", 2)], "FailedMount Running Failed"),
    ],
)
def test_running_stands_between_the_start_and_an_end_that_was_told_before_it_was_seen(told, order):
    rows = timeline.ordered(
        timeline.platform_rows(timeline.merged([], told)), [_state("Running", 5), _state("Failed", 6)]
    )
    rows = [row for row in rows if row["source"] != "fold"]
    assert " ".join(row["reason"] for row in rows) == order
    times = [row["last"] for row in rows]
    assert times == sorted(times)


async def _rows(client, slug):
    connection = await connection_for(client.person)
    record = await Record.objects.aget(slug=slug)
    await connection.rows()
    await connection.refresh_events(record)
    return await connection.timeline_of(record)


@pytest.mark.django_db(transaction=True)
async def test_events_states_and_actions_are_one_list_in_the_order_of_time(alice):
    slug = await launched(alice, cmd="sleep", args="60")
    await until(lambda: _is(alice, slug, "running"), what="the session to run")
    await alice.post("/renew", {"s": slug, "key": "r"}, follow=True)

    async def whole():
        rows = await _rows(alice, slug)
        says = [row["says"] for row in rows]
        return rows if "The program was started." in says and "It is running." in says else None

    rows = await until(whole, what="the timeline")
    # The platform cuts its times to seconds, so only those are comparable.
    assert [row["last"][:19] for row in rows] == sorted(row["last"][:19] for row in rows)
    assert {row["source"] for row in rows} == {"platform", "state", "person", "fold"}
    says = [row["says"] for row in rows]
    assert f"{alice.person.name} launched it." in says
    assert any(
        each.startswith(f"{alice.person.name} asked to renew it. The platform kept the end") for each in says
    )
    order = [
        f"{alice.person.name} launched it.",
        "It waits to start.",
        "The program was started.",
        "It is running.",
    ]
    assert sorted(order, key=says.index) == order


@pytest.mark.django_db(transaction=True)
async def test_the_timeline_survives_the_sessions_end_and_a_restart_of_the_portal(alice):
    slug = await launched(alice, cmd="python3", args="-c raise(SystemExit(3))")
    await until(lambda: _is(alice, slug, "failed"), what="the session to fail")

    async def told():
        return "Ended with exit code 3." in [row["says"] for row in await _rows(alice, slug)]

    await until(told, what="the reason")
    await alice.post("/destroy", {"s": slug, "key": "d"}, follow=True)
    await until(lambda: _is(alice, slug, "gone"), what="the session to be gone")
    # Nothing but the database is left to read from.
    forget(alice.person)
    page = (await alice.get(f"/s/{slug}")).text
    for words in (
        "launched it.",
        "The program was started.",
        "It failed.",
        "Ended with exit code 3.",
        "destroyed it.",
        "The platform no longer lists it.",
    ):
        assert words in page
    assert 'data-id="' in page


@pytest.mark.django_db(transaction=True)
async def test_openings_are_kept_without_their_address_merged_and_bounded():
    person = await Person.objects.aenter("somewhere", "alice")
    record = Record.objects.draft(person, "abcd1234")
    await record.asave()
    before = timeline.changes(record)
    await timeline.keep_opening(record, person)
    await timeline.keep_opening(record, person)
    assert timeline.changes(record) != before
    [row] = [row for row in await timeline.history(record, Redactor()) if row["reason"] == "Open"]
    assert (row["says"], row["count"], row["source"]) == ("alice opened it.", 2, "person")
    await record.arefresh_from_db()
    assert "abcd1234" not in str(record.opened)
    old = [
        {
            "who": "alice",
            "first": f"2026-01-01T00:{n:02}:00+00:00",
            "last": f"2026-01-01T00:{n:02}:00+00:00",
            "count": 1,
        }
        for n in range(50)
    ]
    await Record.objects.filter(pk=record.pk).aupdate(opened=old)
    await timeline.keep_opening(record, person)
    await record.arefresh_from_db()
    assert len(record.opened) == timeline.MOST_OPENINGS
    assert record.opened[0]["first"].startswith("2026-01-01T00:01")


@pytest.mark.django_db(transaction=True)
async def test_an_older_copy_of_a_record_does_not_lose_what_was_kept_since():
    person = await Person.objects.aenter("somewhere", "alice")
    older = Record.objects.draft(person, "abcd1234")
    await older.asave()
    newer = await Record.objects.aget(pk=older.pk)
    await timeline.keep_events(newer, [event("Scheduled", "here", 0)], Redactor())
    await timeline.keep_events(older, [event("Started", "there", 1)], Redactor())
    kept = await Record.objects.aget(pk=older.pk)
    assert (
        [row["reason"] for row in kept.events]
        == ["Scheduled", "Started"]
        == [row["reason"] for row in older.events]
    )


def test_no_row_seems_older_than_the_one_before_it_as_all_times_are_cut_to_seconds():
    at = (NOON + timedelta(seconds=5.9)).isoformat()
    asked = {**_state("Launch", 5), "source": "person", "first": at, "last": at}
    told = timeline.platform_rows(timeline.merged([], [event("Scheduled", "here", 5)]))
    rows = timeline.ordered(told, [asked])
    assert [row["reason"] for row in rows] == ["Launch", "Scheduled"]
    assert [row["last"] for row in rows] == [(NOON + timedelta(seconds=5)).isoformat()] * 2


def test_the_steps_of_a_start_fold_also_where_the_program_ended_before_it_was_seen_to_run():
    told = [
        event("Scheduled", "", 0),
        event("Created", "", 0),
        event("Started", "", 1),
        event("Completed", "", 1),
    ]
    rows = timeline.ordered(timeline.platform_rows(timeline.merged([], told)), [_state("Completed", 2)])
    assert [row["reason"] for row in rows if not row.get("fold")] == ["Start", "Completed", "Completed"]
    # What waits still shows each step.
    rows = timeline.ordered(timeline.platform_rows(timeline.merged([], told[:2])), [_state("Pending", 0)])
    assert not any(row.get("fold") for row in rows)
