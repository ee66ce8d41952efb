"""One socket for a tab: who may open it, what comes through it, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from sessions_app import access
from sessions_app.client import errors
from sessions_app.live import consumers, feeds, following, log_feed, spool
from sessions_app.live.consumers import Limits, LiveConsumer
from sessions_app.live.sockets import sockets
from sessions_app.models import Person, Record
from sessions_app.routing import sockets as application
from tests.live.fakes import FakeSource, event, until

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = b"http://localhost:8000"


class Tab:
    """A browser's tab: a cookie, a socket, and what came through it."""

    def __init__(self, key: str = "", origin: bytes = ORIGIN) -> None:
        cookie = f"other=1; {settings.SESSION_COOKIE_NAME}={key}".encode()
        headers = [(b"origin", origin), (b"host", b"localhost:8000"), (b"cookie", cookie)]
        self.socket = WebsocketCommunicator(application, "/ws/", headers=headers)
        self.seen: list[dict[str, Any]] = []
        self.bytes = 0

    async def open(self) -> bool:
        accepted, _ = await self.socket.connect(timeout=30)
        return accepted

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send_json_to({"t": kind, **fields})

    async def follow_log(self, record: Record, **fields: Any) -> None:
        await self.say("follow", s=record.slug, w="log", **fields)

    async def hear(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return the next message of that kind with these fields, passing over others."""
        while True:
            message = await self.listen()
            if message["t"] == kind and fields.items() <= message.items():
                return message

    async def listen(self) -> dict[str, Any]:
        output = await self.socket.receive_output(timeout=30)
        assert output["type"] == "websocket.send", f"Instead of a message came {output}."
        text = output["text"]
        self.bytes += len(text.encode())
        message: dict[str, Any] = json.loads(text)
        self.seen.append(message)
        return message

    async def closed(self) -> int:
        """Return the code with which the portal closes."""
        while (output := await self.socket.receive_output(timeout=30))["type"] != "websocket.close":
            pass
        code: int = output["code"]
        return code

    def lines(self) -> list[str]:
        return [line for message in self.seen if message["t"] == "log" for line in message["lines"]]

    async def leave(self) -> None:
        await self.socket.disconnect(timeout=30)


@pytest.fixture(autouse=True)
def portal(settings: Any) -> None:
    """Run at http://localhost:8000."""
    settings.PORTAL_ORIGINS = [ORIGIN.decode()]


async def key_of(person: Person) -> str:
    """Sign a person in, return the session key."""
    store = SessionStore()
    await store.aset(SESSION_KEY, str(person.pk))
    await store.asave()
    return str(store.session_key)


@pytest.fixture
async def tab(alice: Person, alices: Record) -> AsyncIterator[Tab]:
    """Return an open tab of Alice's."""
    tab = Tab(await key_of(alice))
    assert await tab.open()
    yield tab
    await tab.leave()


def limit(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Set other limits for the sockets of this test."""
    monkeypatch.setattr(LiveConsumer, "limits", Limits(**changes))


async def test_who_is_not_signed_in_is_told_so(platform_source: FakeSource) -> None:
    for key in ("", "nosuchsessionkey", "'; drop table"):
        tab = Tab(key)
        assert await tab.open()
        assert await tab.closed() == 4401


async def test_signing_out_closes_the_sockets_of_all_that_persons_browsers(
    alice: Person, platform_source: FakeSource
) -> None:
    bob = await Person.objects.aenter(settings.PLATFORM_KEY, "bob")
    tabs = [Tab(await key_of(each)) for each in (alice, alice, bob)]
    for tab in tabs:
        assert await tab.open()
    began = time.monotonic()
    await access.sign_out(alice)
    assert [await tab.closed() for tab in tabs[:2]] == [4401, 4401]
    assert time.monotonic() - began < 10
    again = Tab(await key_of(alice))
    assert await again.open()
    assert await again.closed() == 4401
    await tabs[2].leave()


async def test_another_origin_is_refused_before_anything_is_built(alice: Person, alices: Record) -> None:
    assert not await Tab(await key_of(alice), origin=b"http://localhost:8001").open()


async def test_the_log_comes_through_as_it_grows(
    tab: Tab, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"one\n"
    await tab.follow_log(alices)
    assert (await tab.hear("epoch"))["why"] == "start"
    first = await tab.hear("log")
    assert (first["from"], first["lines"]) == (1, ["one"])
    [[index, second]] = first["at"]
    assert (index, abs(second - time.time()) < 60) == (0, True)
    platform_source.text += b"two\nthr"
    assert await tab.hear("log", **{"from": 2, "lines": ["two"], "partial": None})
    assert await tab.hear("log", **{"from": 3, "lines": [], "partial": "thr"})
    platform_source.text += b"ee\n"
    platform_source.state = "completed"
    assert await tab.hear("log", **{"from": 3, "lines": ["three"], "partial": None})
    assert (await tab.hear("state", state="ended"))["line"] == 3


async def test_events_and_the_sessions_state_come_through(
    tab: Tab, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.told = [event("Started", "it runs")]
    await tab.say("follow", s=alices.slug, w="events")
    assert await tab.hear("session", state="running")
    rows = (await tab.hear("events"))["rows"]
    assert [(row["reason"], row["count"]) for row in rows] == [("Started", 1)]
    platform_source.state, platform_source.reason = "failed", "Ended with exit code 3."
    assert await tab.hear("session", state="failed", reason="Ended with exit code 3.")


async def test_a_strangers_session_looks_like_none_and_costs_nothing(
    alices: Record, platform_source: FakeSource
) -> None:
    bob = await Person.objects.aenter(settings.PLATFORM_KEY, "bob")
    tab = Tab(await key_of(bob))
    await tab.open()
    for what in ("log", "events"):
        await tab.say("follow", s=alices.slug, w=what)
        theirs = await tab.hear("denied")
        await tab.say("follow", s="nosuchslug", w=what)
        assert {**theirs, "s": ""} == {**await tab.hear("denied"), "s": ""}
    assert (platform_source.logs, platform_source.events_asked) == (0, 0)
    assert not feeds.registry().feeds
    await tab.leave()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 65_000, 4009),
        ("{", 4003),
        ('{"type":"websocket.disconnect"}', 4008),
        ('{"t":"signed_out"}', 4008),
    ],
)
async def test_what_is_not_a_message_closes_the_socket(tab: Tab, text: str, code: int) -> None:
    await tab.socket.send_to(text_data=text)
    assert await tab.closed() == code


async def test_bytes_close_the_socket(tab: Tab) -> None:
    await tab.socket.send_to(bytes_data=b"{}")
    assert await tab.closed() == 4003


async def test_too_many_messages_close_the_socket(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(LiveConsumer.limits.burst + 20):
        await tab.say("pong")
    assert await tab.closed() == 4008


async def test_a_ping_is_answered(tab: Tab) -> None:
    await tab.say("ping")
    assert await tab.hear("pong")


async def test_who_comes_back_gets_only_the_missing_lines(
    tab: Tab, alice: Person, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"".join(b"line %d\n" % n for n in range(1, 101))
    await tab.follow_log(alices)
    epoch = (await tab.hear("log"))["e"]
    await tab.leave()
    platform_source.text += b"line 101\n"
    again = Tab(await key_of(alice))
    await again.open()
    await again.follow_log(alices, epoch=epoch, after=98)
    await until(lambda: feeds.registry().feeds)
    while len(again.lines()) < 3:
        await again.hear("log")
    assert again.lines() == ["line 99", "line 100", "line 101"]
    assert not [message for message in again.seen if message["t"] in {"gap", "epoch"}]
    await again.leave()


async def test_a_place_that_is_not_known_is_read_anew_and_said_so(
    tab: Tab, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"one\n"
    await tab.follow_log(alices, epoch=7, after=500)
    assert (await tab.hear("epoch"))["why"] == "reread"
    assert (await tab.hear("log"))["lines"] == ["one"]


async def test_a_restart_is_marked(tab: Tab, alices: Record, platform_source: FakeSource) -> None:
    platform_source.text = b"first\n"
    await tab.follow_log(alices)
    epoch = (await tab.hear("log"))["e"]
    platform_source.text = b"second\n"
    assert await tab.hear("epoch", e=epoch + 1, why="restarted")
    assert await tab.hear("log", **{"from": 1, "lines": ["second"]})


async def test_of_a_long_log_a_new_viewer_gets_the_end_behind_a_gap(
    tab: Tab, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"".join(b"line %d\n" % n for n in range(1, 501))
    feed = following.begin(alices, consumers.Follow(consumers.Topic(alices.slug, "log"))).feed
    feed.join(consumers_viewer := _Viewer(tab))
    await until(lambda: feed.spool.last.line == 500)  # type: ignore[attr-defined]
    await tab.follow_log(alices, tail=10)
    assert await tab.hear("gap", **{"from": 1, "to": 490, "kept": True})
    assert (await tab.hear("log"))["lines"][0] == "line 491"
    feed.leave(consumers_viewer)


async def test_what_is_dropped_and_what_is_only_left_out_are_two_gaps(
    tab: Tab, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "CAP", 8000)
    platform_source.text, platform_source.piece = b"".join(b"line %d\n" % n for n in range(1, 5001)), 500
    feed = following.begin(alices, consumers.Follow(consumers.Topic(alices.slug, "log"))).feed
    feed.join(viewer := _Viewer(tab))
    await until(lambda: feed.spool.last.line == 5000)  # type: ignore[attr-defined]
    first = feed.spool.first_of(feed.spool.epoch)  # type: ignore[attr-defined]
    assert first > 1
    await tab.follow_log(alices, tail=10)
    dropped, left_out = await tab.hear("gap"), await tab.hear("gap")
    assert (dropped["from"], dropped["to"], dropped["kept"]) == (1, first - 1, False)
    assert (left_out["from"], left_out["to"], left_out["kept"]) == (first, 4990, True)
    feed.leave(viewer)


async def test_who_comes_after_a_restart_learns_what_was_before(
    tab: Tab, alice: Person, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"one\ntwo\n"
    await tab.follow_log(alices)
    started = await tab.hear("epoch")
    assert started["earlier"] == []
    await tab.hear("log")
    platform_source.text = b"another\n"
    restarted = await tab.hear("epoch", why="restarted")
    assert "earlier" not in restarted
    for position in ({}, {"epoch": 7, "after": 500}):
        await tab.follow_log(alices, **position)
        said = await tab.hear("epoch", e=restarted["e"])
        assert said["earlier"] == [{"e": started["e"], "first": 1, "last": 2}]


class _Viewer:
    def __init__(self, tab: Tab) -> None:
        self.person = Person(pk=1)

    def wake(self) -> None: ...


async def test_who_does_not_acknowledge_gets_no_more_than_the_window_and_later_the_rest(
    tab: Tab, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"".join(b"%06d " % n + b"x" * 100 + b"\n" for n in range(20_000))
    await tab.follow_log(alices)
    feed = None
    while not tab.lines():
        await tab.hear("log")
    feed = feeds.registry().feeds[(alices.pk, "log")]
    await until(lambda: feed.spool.last.line == 20_000)  # type: ignore[attr-defined]
    while not await tab.socket.receive_nothing(timeout=0.2):
        await tab.listen()
    assert tab.bytes < 256 * 1024 + 2000
    while len(tab.lines()) < 20_000:
        await tab.say("ack", s=alices.slug, w="log", n=_newest(tab))
        await tab.hear("log")
    assert [int(line[:6]) for line in tab.lines()] == list(range(20_000))


def _newest(tab: Tab) -> int:
    return max(message["n"] for message in tab.seen if message["t"] == "log")


async def test_nobody_can_acknowledge_what_was_not_sent(
    tab: Tab, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"x" * 99 + b"\n"
    await tab.follow_log(alices)
    await tab.hear("log")
    await tab.say("ack", s=alices.slug, w="log", n=2**50)
    platform_source.text += (b"y" * 99 + b"\n") * 20_000
    feed = feeds.registry().feeds[(alices.pk, "log")]
    await until(lambda: feed.spool.last.line == 20_001)  # type: ignore[attr-defined]
    while not await tab.socket.receive_nothing(timeout=0.2):
        await tab.listen()
    assert tab.bytes < 256 * 1024 + 4000


async def test_who_never_acknowledges_is_closed(
    alice: Person, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, stuck=0.1)
    platform_source.text = b"one\n"
    tab = Tab(await key_of(alice))
    await tab.open()
    await tab.follow_log(alices)
    assert await tab.closed() == 4408


async def test_who_is_silent_is_closed_and_who_answers_is_not(
    alice: Person, alices: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, heartbeat=0.05, silence=0.8)
    lively, silent = Tab(await key_of(alice)), Tab(await key_of(alice))
    await lively.open()
    await silent.open()
    for _ in range(32):
        await lively.hear("ping")
        await lively.say("pong")
    assert await silent.closed() == 4408
    await lively.leave()


async def test_an_old_socket_is_to_be_opened_anew(
    alice: Person, alices: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, heartbeat=0.02, age=0.1)
    tab = Tab(await key_of(alice))
    await tab.open()
    assert await tab.closed() == 4409


async def test_signing_out_closes_the_socket_at_once(alice: Person, alices: Record) -> None:
    key, other = await key_of(alice), await key_of(alice)
    tab, elsewhere = Tab(key), Tab(other)
    await tab.open()
    await elsewhere.open()
    await SessionStore(key).aflush()
    assert await tab.closed() == 4401
    await elsewhere.say("ping")
    assert await elsewhere.hear("pong")
    await elsewhere.leave()


async def test_a_session_that_ran_out_is_noticed(
    alice: Person, alices: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, recheck=0.05)
    key = await key_of(alice)
    tab = Tab(key)
    await tab.open()
    await SessionStore().model.objects.filter(session_key=key).aupdate(expire_date="2020-01-01T00:00Z")
    assert await tab.closed() == 4401


async def test_a_topic_that_is_no_longer_theirs_is_denied(
    alice: Person, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, recheck=0.05)
    platform_source.text = b"one\n"
    tab = Tab(await key_of(alice))
    await tab.open()
    await tab.follow_log(alices)
    await tab.hear("log")
    bob = await Person.objects.aenter(settings.PLATFORM_KEY, "bob")
    await Record.objects.filter(pk=alices.pk).aupdate(owner=bob)
    assert await tab.hear("denied", s=alices.slug, w="log")
    assert not feeds.registry().feeds[(alices.pk, "log")].viewers
    await tab.leave()


async def test_one_person_cannot_open_sockets_without_end(
    alice: Person, alices: Record, settings: Any
) -> None:
    settings.SOCKETS_PER_PERSON = 2
    tabs = [Tab(await key_of(alice)) for _ in range(3)]
    for tab in tabs:
        await tab.open()
    assert await tabs[2].closed() == 4429
    await tabs[0].leave()
    again = Tab(await key_of(alice))
    await again.open()
    await again.say("ping")
    assert await again.hear("pong")
    await again.leave()
    await tabs[1].leave()


async def test_a_log_that_cannot_be_opened_leaves_the_rest_of_the_tab_as_it_is(
    tab: Tab, alices: Record, platform_source: FakeSource, data_folder: Any
) -> None:
    (data_folder / "spool").write_text("a file where the folder should be")
    await tab.follow_log(alices)
    said = await tab.hear("state", s=alices.slug, w="log")
    assert said["state"] == "trouble"
    assert "cannot open what it kept" in said["text"]
    await tab.say("follow", s=alices.slug, w="events")
    assert await tab.hear("session", s=alices.slug)


async def test_a_log_that_cannot_be_read_any_more_leaves_the_rest_of_the_tab_as_it_is(
    tab: Tab, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any, cursor: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(log_feed.LogFeed, "body_after", broken)
    platform_source.text = b"one\n"
    await tab.follow_log(alices)
    await tab.hear("state", s=alices.slug, w="log", state="trouble")
    await tab.say("ping")
    assert await tab.hear("pong")


async def test_an_error_in_a_handler_leaves_no_task_no_viewer_and_one_log_entry(
    tab: Tab, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    await tab.follow_log(alices)
    await tab.hear("epoch")
    feed = feeds.registry().feeds[(alices.pk, "log")]
    monkeypatch.setattr(LiveConsumer, "_answer", None)
    await tab.say("ping")
    assert await tab.closed() == 4500
    await until(lambda: not feed.viewers and not feeds.registry().feeds)
    await until(lambda: len(asyncio.all_tasks()) <= 2)
    assert len([entry for entry in caplog.records if entry.exc_info]) == 1
    assert not sockets()


async def test_who_may_see_less_is_told_at_once_in_every_tab(
    alice: Person, alices: Record, platform_source: FakeSource
) -> None:
    tabs = [Tab(await key_of(alice)) for _ in range(4)]
    for tab in tabs:
        await tab.open()
        await tab.follow_log(alices)
        await tab.hear("epoch")
    slug, _ = alices.slug, await alices.adelete()
    for tab in tabs:
        assert await tab.hear("denied", s=slug, why="absent")
        await tab.leave()


async def test_leaving_a_topic_ends_its_messages_and_its_feed(
    tab: Tab, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"one\n"
    await tab.follow_log(alices)
    await tab.hear("log")
    await tab.say("leave", s=alices.slug, w="log")
    await until(lambda: not feeds.registry().feeds)
    assert await tab.socket.receive_nothing(timeout=0.1)


async def test_two_tabs_share_one_feed(alice: Person, alices: Record, platform_source: FakeSource) -> None:
    platform_source.text = b"one\n"
    tabs = [Tab(await key_of(alice)) for _ in range(5)]
    for tab in tabs:
        await tab.open()
        await tab.follow_log(alices)
    for tab in tabs:
        await tab.hear("log")
    feed = feeds.registry().feeds[(alices.pk, "log")]
    assert (len(feed.viewers), feed.polls) == (5, platform_source.logs)
    for tab in tabs:
        await tab.leave()
    await until(lambda: not feeds.registry().feeds)


async def test_a_browser_that_left_unsaid_is_no_error(
    tab: Tab, alices: Record, platform_source: FakeSource, caplog: Any
) -> None:
    await tab.follow_log(alices)
    await tab.hear("epoch")
    [consumer] = sockets().of(alices.owner_id)

    async def closed(message: Any) -> None:
        raise ConnectionError("Attempt to send on a closed protocol")

    consumer.base_send = consumers._noticing(closed)
    platform_source.text = b"one\n"
    await until(lambda: not sockets())
    assert not [entry for entry in caplog.records if entry.levelname == "ERROR"]


async def test_every_tab_learns_from_one_look_that_the_list_changed(
    alice: Person, alices: Record, platform_source: FakeSource
) -> None:
    tabs = [Tab(await key_of(alice)) for _ in range(3)]
    for each in tabs:
        assert await each.open()
        await each.say("follow", s="", w="list")
    [first] = {(await each.hear("list"))["v"] for each in tabs}
    platform_source.state = "completed"
    [second] = {(await each.hear("list"))["v"] for each in tabs}
    assert first != second
    feed = feeds.registry().list_feed(alice)
    assert len(feed.viewers) == 3
    for each in tabs:
        await each.leave()
    await until(lambda: feed._task is not None and feed._task.done())
    assert feeds.registry().lists == {}


async def test_a_list_that_stays_the_same_is_told_once(tab: Tab, alice: Person) -> None:
    await tab.say("follow", s="", w="list")
    await tab.hear("list")
    feed = feeds.registry().list_feed(alice)
    looks = feed.polls
    await until(lambda: feed.polls > looks + 5)
    await tab.say("ping")
    await tab.hear("pong")
    assert [message["t"] for message in tab.seen].count("list") == 1


async def test_a_platform_in_trouble_is_a_change_of_the_list(tab: Tab, platform_source: FakeSource) -> None:
    await tab.say("follow", s="", w="list")
    before = (await tab.hear("list"))["v"]
    platform_source.error = errors.PlatformError("The platform does not answer.")
    assert (await tab.hear("list"))["v"] != before


async def test_what_may_no_longer_be_seen_ends_at_once(
    tab: Tab, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"one\n"
    await tab.follow_log(alices)
    await tab.hear("log")
    feed = feeds.registry().feeds[(alices.pk, "log")]
    await alices.adelete()
    assert (await tab.hear("denied", w="log"))["why"] == "absent"
    assert feed.viewers == set()
