"""A session that computes and writes nothing gets a word about output that waits inside the program."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from sessions_app.live import feeds, silence
from sessions_app.live.feeds import Registry
from sessions_app.live.following import is_silent
from sessions_app.live.log_feed import LogFeed
from sessions_app.live.messages import Follow, Topic
from sessions_app.live.silence import Silence
from sessions_app.live.topics import LogTopic
from sessions_app.models import Person, Record
from tests.live.fakes import FakeSource, Looker, until
from tests.live.fakes import record as made


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def running(kind: str = "headless", since: float = 1_700_000_000.0) -> Record:
    record = made()
    record.kind = kind
    record.states = [["running", datetime.fromtimestamp(since, UTC).isoformat()]]
    return record


def test_it_is_told_after_a_minute_in_which_it_computes_and_writes_nothing() -> None:
    clock = Clock()
    watched = Silence(running(), None, clock)
    clock.now += 59
    assert not watched.look("running", 1.0)
    clock.now += 1
    assert watched.look("running", 1.0)
    # A pause of the program is no news, a line is.
    assert watched.look("running", 0.0)
    watched.end()
    assert not watched.told
    clock.now += 59
    assert not watched.look("running", 1.0)
    clock.now += 1
    assert watched.look("running", 1.0)
    assert not watched.look("completed", 1.0)


@pytest.mark.parametrize(
    ("kind", "cores"), [("headless", None), ("headless", 0.0), ("headless", 0.04), ("notebook", 2.0)]
)
def test_what_sleeps_is_not_measured_or_writes_elsewhere_is_no_silence(
    kind: str, cores: float | None
) -> None:
    clock = Clock()
    watched = Silence(running(kind), None, clock)
    clock.now += 3600
    assert not watched.look("running", cores)


def test_time_in_a_queue_and_before_the_last_kept_line_does_not_count() -> None:
    clock = Clock()
    record = running()
    record.state, record.states = "pending", [["pending", record.states[0][1]]]
    waited = Silence(record, None, clock)
    clock.now += 3600
    assert not waited.look("running", 1.0)
    clock.now += 60
    assert waited.look("running", 1.0)
    kept = Silence(running(), clock.now - 10, clock)
    assert not kept.look("running", 1.0)
    # One that ran for long before anybody looked was silent for as long.
    assert Silence(running(), None, clock).look("running", 1.0)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "AFTER", 0.0)


def frames_of(topic: LogTopic) -> list[str]:
    found = []
    while (frame := topic.next(10**6)) is not None:
        found.append(frame)
    return found


@pytest.mark.usefixtures("at_once")
async def test_viewers_are_told_and_told_otherwise_with_the_next_line(
    registry: Registry, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = registry.feed(LogFeed, "log", running())
    assert isinstance(feed, LogFeed)
    topic = LogTopic(feed, Follow(Topic("slug1", "log")))
    feed.join(Looker())
    await until(lambda: feed.state.kind == "live")
    assert not any("silent" in frame for frame in frames_of(topic))
    source.cores_in_use = 0.9
    await until(lambda: feed.state.silent)
    assert '"silent":true' in frames_of(topic)[-1]
    # It begins to be silent anew.
    monkeypatch.setattr(silence, "AFTER", 60.0)
    source.text = b"at last\n"
    await until(lambda: not feed.state.silent)
    assert '"silent"' not in "".join(frames_of(topic))
    assert feed.state.text == ""


@pytest.mark.usefixtures("at_once", "platform_source", "transactional_db")
async def test_a_page_without_scripts_asks_for_itself_and_only_where_there_can_be_a_silence(
    alice: Person, alices: Record, source: FakeSource
) -> None:

    alices.kind, alices.states = "headless", running().states
    kept = feeds.registry().feeds
    for state, cores in (("running", 0.0), ("running", None), ("pending", 1.0)):
        assert not await is_silent(alice, alices, state, cores)
    assert not kept
    source.cores_in_use = 1.0
    # The first look may take longer than a page waits.
    while not await is_silent(alice, alices, "running", 1.0):
        await asyncio.sleep(0.01)
    [feed] = kept.values()
    assert not feed.viewers
