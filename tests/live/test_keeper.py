"""What a session leaves behind is kept when it ends, whether or not anybody looks."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import AsyncClient

from sessions_app import connections
from sessions_app.client import AsyncSession, errors
from sessions_app.connections import change, connection, writes
from sessions_app.live import feeds, keeper, spool
from sessions_app.live.keeper import Keeper, Patience
from sessions_app.models import Credential, Person, Record
from tests.conftest import until
from tests.live.fakes import FakeSource
from tests.live.test_consumers import key_of
from tests.live.test_over_http import Page
from tests.live.test_spool import everything
from tests.live.test_with_the_platform import launched
from tests.platforms import RunningPlatform

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("connections_closed")]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a minute pass in a moment."""
    for name, value in (("LIST_EVERY", 0.3), ("TRY_PAUSE", 0.01), ("EVENT_PAUSE", 0.01)):
        monkeypatch.setattr(keeper, name, value)
    monkeypatch.setattr(connection, "RESTLESS_FRESHNESS", 0.1)


@pytest.fixture
async def running() -> AsyncIterator[Keeper]:
    """Return a keeper at work; nothing of it or of its feeds is left behind."""
    before = asyncio.all_tasks()
    made = Keeper()
    made.start()
    yield made
    await made.stop()
    await feeds.registry().close()
    await connections.close_all()
    assert asyncio.all_tasks() - {asyncio.current_task()} <= before
    assert (connection.after_list, writes.before_destroy) == ([], [])


@pytest.fixture
async def somebody(clean_platform: RunningPlatform) -> Person:
    person = await Person.objects.aenter(django_settings.PLATFORM_KEY, "somebody")
    await Credential.objects.akeep(person, clean_platform.token)
    return person


async def known(person: Person) -> Record:
    """Let the portal see what runs, as a page would."""
    await (await connections.connection_for(person)).rows(patience=10)
    return await Record.objects.aget(owner=person)


async def kept(record: Record) -> Record | None:
    """Return the record once all of it is kept."""
    return await Record.objects.filter(pk=record.pk).exclude(events_kept_at=None).afirst()


def text_of(record: Record) -> list[str]:
    """Return the newest text that is kept."""
    found = spool.kept(django_settings.DATA_DIR / "spool", record.slug)
    return everything(found, found.epoch) if found is not None else []


async def test_a_session_that_ends_while_nobody_looks_is_read_a_last_time(
    clean_platform: RunningPlatform, somebody: Person, running: Keeper
) -> None:
    await launched(clean_platform, "seq 1 5;sleep 2;echo last words;exit 3")
    record = await known(somebody)
    assert not record.over
    found = await until(lambda: kept(record), what="the last read")
    assert text_of(record) == ["1", "2", "3", "4", "5", "last words"]
    assert (found.state, found.log_lines, found.log_bytes, found.log_complete) == ("failed", 6, 21, True)
    assert any("3" in event["message"] for event in found.events)
    assert not feeds.registry().feeds or not any(feed.viewers for feed in feeds.registry().feeds.values())


async def test_what_is_kept_is_shown_when_the_platform_has_forgotten_the_session_and_is_away(
    clean_platform: RunningPlatform, somebody: Person, running: Keeper
) -> None:
    found = await launched(clean_platform, "seq 1 3;printf half")
    record = await known(somebody)
    await until(lambda: kept(record), what="the last read")
    async with AsyncSession(url=clean_platform.url, token=clean_platform.token) as session:
        await session.destroy([found])
    browser = AsyncClient()
    browser.cookies[django_settings.SESSION_COOKIE_NAME] = await key_of(somebody)

    async def fallen_back() -> str:
        answer = await browser.get(f"/s/{record.slug}/log.txt")
        return b"".join([piece async for piece in answer.streaming_content]).decode()

    clean_platform.kill()
    await feeds.registry().close()
    answer = await browser.get(f"/s/{record.slug}/log/since")
    frames = answer.json()["frames"]
    assert [line for frame in frames if frame["t"] == "log" for line in frame["lines"]] == [
        "1",
        "2",
        "3",
        "half",
    ]
    ended = [frame for frame in frames if frame["t"] == "state"][-1]
    assert (ended["state"], ended["text"]) == ("ended", "The session has ended; this is its whole log.")
    events = Page(browser, record, "events")
    await events.until("state", state="ended")
    assert [frame["state"] for frame in events.frames if frame["t"] == "session"] == ["completed"]
    assert [frame["rows"] for frame in events.frames if frame["t"] == "events"][-1]
    assert await fallen_back() == "1\n2\n3\nhalf\n"


async def test_before_a_destroy_of_ours_the_log_is_read_once_more(
    clean_platform: RunningPlatform, somebody: Person, running: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "LIST_EVERY", 60.0)
    await launched(clean_platform, "seq 1 5;exec sleep 60")
    record = await known(somebody)
    source = await connections.connection_for(somebody)

    async def written() -> bool:
        async with source.stream_log(record, 1000) as pieces:
            return b"5\n" in b"".join([piece async for piece in pieces])

    await until(written, what="the log")
    operation = await writes.destroy(source, [record], "form-1")
    assert [step.state for step in await writes.wait(operation, 20)] == ["done"]
    assert text_of(record) == ["1", "2", "3", "4", "5"]
    record = await Record.objects.aget(pk=record.pk)
    assert record.events

    async def gone() -> Record | None:
        await source.rows(patience=5)
        return await kept(record)

    found = await until(gone, what="the end")
    assert (found.log_lines, text_of(record)) == (5, ["1", "2", "3", "4", "5"])


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_last_look_that_hangs_or_fails_does_not_keep_a_session_from_being_destroyed(
    clean_platform: RunningPlatform, somebody: Person, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    async def look(source: Any, records: Any) -> None:
        if hangs:
            await asyncio.Event().wait()
        raise RuntimeError("It fails.")

    monkeypatch.setattr(change, "before_destroy", [look])
    monkeypatch.setattr(change, "LAST_LOOK", 0.1)
    await launched(clean_platform, "exec sleep 60")
    record = await known(somebody)
    operation = await writes.destroy(await connections.connection_for(somebody), [record], "form-1")
    assert [step.state for step in await writes.wait(operation, 20)] == ["done"]


async def test_a_list_that_anybody_reads_tells_of_the_end(
    clean_platform: RunningPlatform, somebody: Person, running: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(lambda: _looked(running), what="its first look")
    monkeypatch.setattr(keeper, "LIST_EVERY", 60.0)
    await launched(clean_platform, "echo done")
    source = await connections.connection_for(somebody)

    async def seen() -> Record | None:
        await source.rows(patience=5)
        return await Record.objects.exclude(events_kept_at=None).afirst()

    record = await until(seen, what="the last read")
    assert text_of(record) == ["done"]


async def _looked(running: Keeper) -> bool:
    return running._lists_due > 0


async def test_a_platform_that_is_away_is_asked_less_and_less_and_quietly(
    clean_platform: RunningPlatform,
    somebody: Person,
    running: Keeper,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await launched(clean_platform, "exec sleep 60")
    await known(somebody)
    clean_platform.kill()
    try:
        await until(lambda: _failed(running, somebody, 3), what="three failures")
    finally:
        clean_platform.start_again()
    assert not [entry for entry in caplog.records if entry.levelname in {"ERROR", "CRITICAL"}]
    running._people[somebody.pk].again = 0
    await until(lambda: _failed(running, somebody, 0), what="an answer")


def test_what_fails_again_and_again_is_tried_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    monkeypatch.setattr(keeper, "LIST_EVERY", 60.0)
    patience, pauses = Patience(), []
    assert not patience.waits
    for _ in range(20):
        patience.failed()
        pauses.append((patience.again - 1000) / keeper.LIST_EVERY)
    assert patience.waits
    assert pauses[:4] == [1, 2, 4, 8]
    assert max(pauses) == pauses[-1] == 30


async def _failed(running: Keeper, person: Person, times: int) -> bool:
    patience = running._people.get(person.pk)
    return patience is not None and (patience.failures >= times if times else patience.failures == 0)


async def test_whose_credential_is_not_kept_is_not_looked_for(
    clean_platform: RunningPlatform, somebody: Person, running: Keeper
) -> None:
    await launched(clean_platform, "exec sleep 60")
    await known(somebody)
    assert [person.pk for person in await keeper._people_to_look_for()] == [somebody.pk]
    await Credential.objects.adrop(somebody)
    assert await keeper._people_to_look_for() == []


class Slow(FakeSource):
    """Many ended sessions whose logs take until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.state = "completed"
        self.go = asyncio.Event()
        self.now = self.most = 0

    @asynccontextmanager
    async def stream_log(self, record: Record, max_bytes: int) -> AsyncIterator[Any]:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.go.wait()
        self.now -= 1
        self.text = b"one\n"
        async with super().stream_log(record, max_bytes) as pieces:
            yield pieces

    async def refresh_events(self, record: Record) -> None:
        """Have none."""


async def ended_records(person: Person, count: int, gone: datetime | None = None) -> list[Record]:
    records = []
    for number in range(count):
        record = Record.objects.draft(person, f"session{number}")
        record.state, record.gone = "completed", gone
        await record.asave()
        records.append(record)
    return records


async def test_at_most_so_many_last_reads_go_on_at_once(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    person = await Person.objects.aenter(django_settings.PLATFORM_KEY, "somebody")
    await Credential.objects.akeep(person, "token")
    monkeypatch.setattr(keeper, "READS_AT_ONCE", 4)
    monkeypatch.setattr(keeper, "CALLS_PER_SECOND", 1000.0)
    records = await ended_records(person, 12)
    source = Slow()
    loop = asyncio.get_running_loop()
    feeds._registries[loop] = feeds.Registry(source.connect, feeds.note_frozen)
    monkeypatch.setattr(keeper, "connection_for", source.connect)
    made = Keeper()
    made.start()

    async def four() -> bool:
        return source.now == 4

    await until(four, what="four reads")
    source.go.set()

    async def all_kept() -> bool:
        return not await Record.objects.filter(events_kept_at=None).aexists()

    await until(all_kept, what="all of them")
    assert source.most == 4
    assert {record.log_lines async for record in Record.objects.all()} == {1}
    assert len(records) == 12
    await made.stop()
    await feeds._registries[loop].close()


async def test_of_what_is_long_gone_and_was_never_kept_nobody_is_asked(
    somebody: Person, running: Keeper, data_folder: Path
) -> None:
    [record] = await ended_records(somebody, 1, datetime.now(UTC) - timedelta(days=2))
    found = await until(lambda: kept(record), what="the record")
    assert (found.log_lines, found.log_complete) == (0, False)
    assert not list((data_folder / "spool").glob(f"{record.slug}.*"))


async def test_however_many_vanish_at_once_the_platform_is_asked_politely_newest_first_also_after_a_restart(
    somebody: Person, monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    calls: list[tuple[float, str]] = []

    @asynccontextmanager
    async def no_log(self: Any, record: Record, max_bytes: int) -> AsyncIterator[Any]:
        calls.append((time.monotonic(), record.slug))
        raise errors.NotFoundError
        yield

    async def no_events(self: Any, record: Record) -> list[Any]:
        calls.append((time.monotonic(), record.slug))
        raise errors.NotFoundError

    monkeypatch.setattr(connection.Connection, "stream_log", no_log)
    monkeypatch.setattr(connection.Connection, "_read_events", no_events)
    records = await ended_records(somebody, 40, datetime.now(UTC))
    first, second = Keeper(), Keeper()

    async def how_many() -> int:
        return await Record.objects.exclude(events_kept_at=None).acount()

    async def some() -> bool:
        return await how_many() >= 8

    async def all_kept() -> bool:
        return await how_many() == len(records)

    first.start()
    try:
        await until(some, what="some to be read")
    finally:
        await first.stop()
    before = await how_many()
    assert before < len(records)
    newest = [record.slug for record in sorted(records, key=lambda record: -record.pk)]
    early = list(dict.fromkeys(slug for _, slug in calls))
    assert set(early) == set(newest[: len(early)])
    second.start()
    try:
        await until(all_kept, what="the rest to be read")
    finally:
        await second.stop()
        await feeds.registry().close()
    moments = [at for at, _ in calls]
    busiest = max(sum(at <= other < at + 1 for other in moments) for at in moments)
    assert 4 <= busiest <= 10
    # What was cut off by the restart is asked for once more.
    assert len(calls) <= 2 * len(records) + 2 * keeper.READS_AT_ONCE


async def test_old_spools_are_let_go_and_the_record_says_so(
    somebody: Person, running: Keeper, data_folder: Path
) -> None:
    [record] = await ended_records(somebody, 1)
    await record.note_log(1, 3, complete=True)
    await record.anote({"events_kept_at": datetime.now(UTC)})
    old = spool.Spool(data_folder / "spool", record.slug)
    old.append(["one"], 1)
    old.save({}, {"at": 1, "words": "It has ended.", "complete": True})
    long_ago = time.time() - 40 * 86400
    for path in (data_folder / "spool").iterdir():
        os.utime(path, (long_ago, long_ago))
    running._prune_due = 0.0
    running._woken.set()

    async def let_go() -> Record | None:
        return await Record.objects.filter(log_dropped_at__isnull=False).afirst()

    found = await until(let_go, what="the spool to go")
    assert (found.log_lines, found.log_complete) == (0, False)
    assert not list((data_folder / "spool").iterdir())


async def test_a_session_that_was_taken_for_gone_is_thawed_when_it_is_listed_again(
    clean_platform: RunningPlatform, somebody: Person, running: Keeper
) -> None:
    await launched(clean_platform, "echo one;exec sleep 60")
    record = await known(somebody)
    await record.note_log(0, 0, complete=False)
    await record.anote({"events_kept_at": datetime.now(UTC)})
    await (await connections.connection_for(somebody)).rows(patience=5)

    async def thawed() -> bool:
        return (await Record.objects.aget(pk=record.pk)).log_kept_at is None

    await until(thawed, what="the thaw")


async def test_the_server_says_when_to_begin_and_when_to_end(settings: Any) -> None:
    from canfarweb.asgi import application

    said: list[str] = []
    heard = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, str]:
        return {"type": next(heard)}

    async def send(message: dict[str, str]) -> None:
        said.append(message["type"])
        assert bool(writes.before_destroy) is (message["type"] == "lifespan.startup.complete")

    await application({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
