"""Lists that are long, and lists that cannot be stored: what is shown is what is stored, and others can write."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import OperationalError

from sessions_app.client import AsyncSession
from sessions_app.connections import lists, storing
from sessions_app.connections.lists import Listed, understood
from sessions_app.connections.rows import Listing
from sessions_app.models import Operation, Person, Record
from tests.portal.conftest import FRAGMENT

pytestmark = pytest.mark.django_db(transaction=True)


def row(number: int, status: str = "Running", **more) -> dict[str, object]:
    start = f"2026-01-05T10:{number // 60 % 60:02}:{number % 60:02}Z"
    listed = {"id": f"s{number:07}", "name": f"fit-{number}", "type": "headless", "status": status}
    return {**listed, "image": "h/p/i:1", "startTime": start, **more}


def listed(*rows: dict[str, object]) -> Listed:
    return understood(list(rows))


async def somebody(name: str = "ann") -> Person:
    return await Person.objects.aenter(settings.PLATFORM_KEY, name)


def now() -> datetime:
    return datetime.now(UTC)


def states(listing: Listing) -> dict[str, str]:
    return {each.name: each.state for each in listing.rows()}


async def stored_states(person: Person) -> dict[str, str]:
    return {each.name: each.state async for each in Record.objects.filter(owner=person, gone=None)}


@pytest.mark.parametrize("write", ["bulk_update", "bulk_create"])
async def test_what_could_not_be_written_is_not_believed_and_is_written_with_the_next_list(
    monkeypatch, write
):
    person = await somebody()
    listing = Listing(person)
    await listing.update(listed(row(1)), now())
    calls = []

    def locked(*_, **__):
        calls.append(write)
        raise OperationalError("database is locked")

    monkeypatch.setattr(storing.Record.objects, write, locked)
    news = listed(row(1, "Failed"), row(2)) if write == "bulk_create" else listed(row(1, "Failed"))
    with pytest.raises(OperationalError):
        await listing.update(news, now())
    assert calls
    assert states(listing) == await stored_states(person) == {"fit-1": "running"}
    monkeypatch.undo()
    await listing.update(news, now())
    wanted = {"fit-1": "failed"} | ({"fit-2": "running"} if write == "bulk_create" else {})
    assert states(listing) == await stored_states(person) == wanted
    record = await Record.objects.aget(name="fit-1")
    assert [state for state, _ in record.states] == ["running", "failed"]


async def test_an_end_that_could_not_be_written_is_written_with_the_next_list(monkeypatch):
    person = await somebody()
    listing = Listing(person)
    await listing.update(listed(row(1), row(2)), now())
    await Record.objects.aupdate(seen=now() - timedelta(hours=1))

    def locked(*_):
        raise OperationalError("database is locked")

    monkeypatch.setattr(storing, "_mark", locked)
    with pytest.raises(OperationalError):
        await listing.update(listed(row(1)), now())
    assert states(listing) == {"fit-1": "running", "fit-2": "running"}
    monkeypatch.undo()
    await listing.update(listed(row(1)), now())
    assert await stored_states(person) == {"fit-1": "running"}
    assert states(listing) == {"fit-1": "running", "fit-2": "gone"}


async def test_what_was_stored_before_a_step_failed_is_not_written_twice(monkeypatch):
    person = await somebody()
    listing = Listing(person)
    rows = [row(number) for number in range(3 * storing.STEP)]
    create, calls = Record.objects.bulk_create, []

    def third_fails(drafts, **named):
        calls.append(len(drafts))
        if len(calls) == 3:
            raise OperationalError("database is locked")
        return create(drafts, **named)

    monkeypatch.setattr(storing.Record.objects, "bulk_create", third_fails)
    with pytest.raises(OperationalError):
        await listing.update(listed(*rows), now())
    await listing.update(listed(*rows), now())
    assert calls == [storing.STEP] * 4
    assert len(listing.rows()) == await Record.objects.acount() == 3 * storing.STEP


async def test_others_write_while_a_long_list_is_stored_and_the_loop_goes_on(monkeypatch):
    person, other = await somebody(), await somebody("bob")
    rows = [row(number) for number in range(20 * storing.STEP)]
    steps, waited, pieces, over = [], [], [], asyncio.Event()
    step = storing._write

    def counted(*given, **named):
        steps.append(len(given[1]))
        return step(*given, **named)

    monkeypatch.setattr(storing, "_write", counted)

    async def write() -> None:
        while not over.is_set():
            before = len(steps)
            await Operation.objects.acreate(person=other, verb="launch", form_key=f"{time.monotonic()}")
            waited.append(len(steps) - before)
            await asyncio.sleep(0.01)

    async def beat() -> None:
        """Note what the loop's own thread computes in one piece, however long others make it wait."""
        while not over.is_set():
            began = time.thread_time()
            await asyncio.sleep(0.005)
            pieces.append(time.thread_time() - began)

    beside = [asyncio.create_task(write()), asyncio.create_task(beat())]
    listing, began = Listing(person), time.process_time()
    await listing.update(await storing.off_the_loop(understood, rows), now())
    spent = time.process_time() - began
    over.set()
    await asyncio.gather(*beside)
    assert len(listing.rows()) == sum(steps) == len(rows)
    # Nobody waits for more than a part of the list, and the loop does only a small part in one piece.
    assert len(waited) > 10
    assert max(waited) < len(steps) / 2
    assert max(pieces) < spent / 5


def test_of_too_long_a_list_what_has_not_ended_is_shown_first_then_the_newest(monkeypatch):
    monkeypatch.setattr(lists, "MOST_LISTED", 4)
    rows = [
        row(1, "Pending", startTime=""),
        row(2, "Running"),
        *(row(number, "Completed") for number in range(10, 16)),
        row(3, "Running"),
        "nonsense",
        {"id": "BAD"},
    ]
    found = understood(rows)
    assert {info.name for info in found.shown} == {"fit-1", "fit-2", "fit-3", "fit-15"}
    assert found.beyond == [f"s{number:07}" for number in range(10, 15)]
    assert found.not_understood == 2


async def test_what_is_listed_but_not_shown_is_neither_gone_nor_forgotten(monkeypatch):
    person = await somebody()
    listing = Listing(person)
    await listing.update(listed(*(row(number) for number in range(1, 7))), now())
    await Record.objects.aupdate(seen=now() - timedelta(hours=1))
    monkeypatch.setattr(lists, "MOST_LISTED", 4)
    for fresh in (listing, Listing(person)):
        await fresh.update(listed(*(row(number) for number in range(1, 7))), now())
        assert set(states(fresh)) == {"fit-3", "fit-4", "fit-5", "fit-6"}
        assert fresh.beyond == 2
        assert set(await stored_states(person)) == {f"fit-{number}" for number in range(1, 7)}
    await listing.update(listed(*(row(number) for number in range(2, 7))), now())
    assert set(await stored_states(person)) == {f"fit-{number}" for number in range(2, 7)}


async def test_the_page_says_how_many_are_not_shown(alice, monkeypatch):
    monkeypatch.setattr(lists, "MOST_LISTED", 4)

    async def fetch(self, *given, **named):
        return [row(number) for number in range(1, 7)]

    monkeypatch.setattr(AsyncSession, "fetch", fetch)
    page = " ".join((await alice.get("/", headers=FRAGMENT)).text.split())
    assert "The platform lists 2 more sessions of yours than are shown here." in page


async def test_rows_stay_one_object_until_there_is_news():
    person = await somebody()
    listing = Listing(person)
    await listing.update(listed(row(1)), now())
    await listing.update(listed(row(1)), now())
    rows = listing.rows()
    await listing.update(listed(row(1)), now())
    assert listing.rows() is rows
    await listing.update(listed(row(1, ramInUse="1.50")), now())
    assert listing.rows() is not rows


async def test_a_reason_that_could_not_be_written_is_not_shown(monkeypatch):
    person = await somebody()
    record = Record(owner=person, slug="one", reason="")
    await record.asave()

    async def locked(*_, **__):
        raise OperationalError("database is locked")

    monkeypatch.setattr("django.db.models.query.QuerySet.aupdate", locked)
    with pytest.raises(OperationalError):
        await record.anote({"reason": "Out of memory."})
    assert record.reason == ""
