"""What is said of the sessions is what was asked for, answered and stored; nothing else."""

import asyncio
from datetime import UTC, datetime

import pytest

from sessions_app import connections
from sessions_app.client import AsyncSession, errors, values
from sessions_app.connections import change, timeline
from sessions_app.models import Record
from sessions_app.models.record import LONGEST_REASON, fitting
from tests.conftest import until
from tests.portal.conftest import FRAGMENT
from tests.portal.test_changes import running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def held_lists(monkeypatch) -> asyncio.Event:
    """Hold every list that is asked for until the event is set."""
    go_on, fetch = asyncio.Event(), AsyncSession.fetch
    go_on.set()

    async def held(self, *given, **named):
        await go_on.wait()
        return await fetch(self, *given, **named)

    monkeypatch.setattr(AsyncSession, "fetch", held)
    return go_on


async def test_rows_that_were_read_before_the_last_change_are_not_called_current(alice, held_lists):
    connection = await connections.connection_for(alice.person)
    assert (await connection.rows(patience=10)).current
    held_lists.clear()
    connection.expire_rows()
    reading = await connection.rows(patience=0.01)
    assert (reading.value, reading.outdated, reading.current) == ((), True, False)
    held_lists.set()
    assert (await connection.rows(patience=10)).current


async def test_a_renewal_whose_new_end_could_not_be_read_is_not_told_as_an_end_that_was_kept(
    alice, held_lists, monkeypatch
):
    slug = await running(alice, "renewed")
    monkeypatch.setattr(change, "NEW_END_PATIENCE", 0.1)
    held_lists.clear()
    answer = await alice.post("/renew", {"s": slug}, headers=FRAGMENT)
    assert "was renewed" in answer.text
    assert "not known yet" in answer.text
    assert "kept the end" not in answer.text
    held_lists.set()


async def test_that_no_reason_is_given_is_said_once_it_was_asked_for(alice):
    record = Record(state="failed", events=[], reason="", seen=datetime.now(UTC))
    assert not timeline.explained(record, "failed")
    record.reason = "The platform gives no reason."
    assert timeline.explained(record, "failed").sentence == "The platform gives no reason."


async def test_an_end_is_not_explained_by_what_was_told_before_it(alice, monkeypatch):
    slug = await running(alice, "ends")
    connection = await connections.connection_for(alice.person)
    await connection.events(await Record.objects.aget(slug=slug))
    await Record.objects.aupdate(state="failed", events=[], reason="")
    record = await Record.objects.aget(slug=slug)
    asked, go_on = [], asyncio.Event()

    async def slowly(_):
        asked.append(1)
        await go_on.wait()
        raise errors.NotFoundError

    old = connection._events[slug]
    monkeypatch.setattr(old, "_read", lambda: slowly(record))
    monkeypatch.setattr(old, "_value", [values.Event("Normal", "Started", "Started", None, None)])
    old.expire()
    await connection.refresh_events(record)
    assert (record.reason, bool(asked)) == ("", True)
    go_on.set()

    async def explained() -> bool:
        await connection.refresh_events(record)
        return record.reason == "The platform gives no reason."

    await until(explained, what="the reason")


def test_a_reason_fits_its_column_and_is_cut_between_words():
    long = "word " * 200
    cut = fitting(long)
    assert len(cut) <= LONGEST_REASON == Record._meta.get_field("reason").max_length
    assert cut.endswith("word…")
    assert fitting("short") == "short"
    assert len(fitting("x" * 900)) == LONGEST_REASON
