"""What a page gets without a socket: the same frames, and the lines that a socket leaves out."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings as django_settings
from django.core.asgi import get_asgi_application
from django.test import AsyncClient

from sessions_app.live import feeds, following, holding, log_feed, shared, waiting
from sessions_app.live.messages import Follow, Topic
from sessions_app.live.spool import Spool
from sessions_app.models import Person, Record
from tests.live.fakes import FakeSource, Looker, event, until
from tests.live.test_consumers import key_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def browser(alice: Person, alices: Record, settings: Any) -> AsyncClient:
    """Return Alice's browser."""
    settings.PLATFORM_KEY = alice.platform
    client = AsyncClient()
    client.cookies[django_settings.SESSION_COOKIE_NAME] = await key_of(alice)
    return client


@pytest.fixture(autouse=True)
def lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let feeds outlive the pause between two requests, however slow the machine is."""
    monkeypatch.setattr(shared, "LINGER", 60.0)


class Page:
    """A page that cannot open a socket: it asks again and again, with its cursor and its token."""

    def __init__(self, browser: AsyncClient, record: Record, what: str = "log", **extra: Any) -> None:
        self.browser, self.address = browser, f"/s/{record.slug}/{what}/since"
        self.extra, self.seen = extra, ""
        # Whoever asks until something comes does not ask for ever.
        self.end = time.monotonic() + 120
        self.epoch: int | None = None
        self.line = 0
        self.partial: str | None = None
        self.frames: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.again = 0.0

    async def ask(self) -> list[dict[str, Any]]:
        """Ask once; take in and return what came."""
        assert time.monotonic() < self.end, f"What is waited for did not come: {self.frames[-20:]}"
        place = {} if self.epoch is None else {"e": self.epoch, "after": self.line}
        answer = await self.browser.get(self.address, {**self.extra, **place, "seen": self.seen})
        assert answer.status_code == 200, answer.text
        said = answer.json()
        self.seen, self.again = said["seen"], said.get("again", 0.0)
        for frame in said["frames"]:
            self._take(frame)
        self.frames += said["frames"]
        return list(said["frames"])

    async def until_quiet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ask until the log was read, there is nothing more to tell, and a request would wait for a minute."""
        while not any(frame["t"] == "state" and frame["state"] == "live" for frame in self.frames):
            await self.ask()
        monkeypatch.setattr(waiting, "PATIENCE", 0.2)
        while await self.ask():
            pass
        monkeypatch.setattr(waiting, "PATIENCE", 60.0)

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Ask until there is a frame of that kind with these fields among the new ones."""
        while True:
            for frame in await self.ask():
                if frame["t"] == kind and fields.items() <= frame.items():
                    return frame

    def _take(self, frame: dict[str, Any]) -> None:
        match frame["t"]:
            case "epoch":
                self.epoch, self.line, self.partial = frame["e"], 0, None
            case "gap":
                self.line = frame["to"]
            case "log":
                assert frame["from"] == self.line + 1
                self.lines += frame["lines"]
                self.line += len(frame["lines"])
                self.partial = frame["partial"]


async def test_the_log_comes_as_it_grows_line_by_line(
    browser: AsyncClient, alices: Record, platform_source: FakeSource
) -> None:
    page = Page(browser, alices)
    platform_source.text = b"one\ntwo\n"
    assert (await page.until("epoch"))["why"] == "start"
    # They may have come in the same answer.
    while page.lines != ["one", "two"]:
        await page.ask()
    platform_source.text += b"three\nfo"
    while page.partial != "fo":
        await page.ask()
    platform_source.text += b"ur\n"
    await page.until("log", partial=None, lines=["four"])
    platform_source.state = "completed"
    ended = await page.until("state", state="ended")
    assert (ended["line"], page.lines) == (4, ["one", "two", "three", "four"])
    assert all(frame["at"] for frame in page.frames if frame["t"] == "log" and frame["lines"])


async def test_what_ended_between_two_requests_has_ended_for_the_next_one(
    browser: AsyncClient, alices: Record, platform_source: FakeSource
) -> None:
    page = Page(browser, alices)
    platform_source.text = b"one\n"
    await page.until("state", state="live")
    platform_source.state = "completed"
    feed = feeds.registry().feeds[(alices.pk, "log")]
    await until(lambda: feed.state.kind == "ended")
    told = [frame for frame in await page.ask() if frame["t"] == "state"]
    assert [frame["state"] for frame in told] == ["ended"]


async def test_a_request_waits_for_news_and_says_nothing_twice(
    browser: AsyncClient, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(browser, alices)
    platform_source.text = b"one\nhalf"
    while page.partial != "half":
        await page.ask()
    await page.until_quiet(monkeypatch)
    pending = asyncio.create_task(page.ask())
    await until(lambda: feeds.registry().feeds[(alices.pk, "log")].viewers)
    asked = platform_source.logs
    await until(lambda: platform_source.logs > asked + 1)
    assert not pending.done()
    platform_source.text += b" a line\n"
    [frame] = await pending
    assert (frame["lines"], frame["partial"]) == (["half a line"], None)
    page.seen = ""
    assert {frame["t"] for frame in await page.ask()} == {"state"}


async def test_a_partial_line_that_vanished_is_taken_off_the_page(
    browser: AsyncClient, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(browser, alices)
    platform_source.text = b"one\nhalf"
    while page.partial != "half":
        await page.ask()
    # Followed anew, it is shown again only when it has waited for a while.
    monkeypatch.setattr(log_feed, "PROVISIONAL_AFTER", 60.0)
    feeds.registry().feeds[(alices.pk, "log")].stop()
    frames = await page.ask()
    assert [(frame["lines"], frame["partial"]) for frame in frames if frame["t"] == "log"] == [([], None)]


async def test_of_a_long_log_one_answer_holds_a_quarter_of_a_megabyte_and_the_next_the_next(
    browser: AsyncClient, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"".join(b"%07d " % n + b"x" * 92 + b"\n" for n in range(20_000))
    feed = following.feed_of(alices, "log")
    feed.join(Looker())
    await until(lambda: feed.spool.last.line == 20_000)  # type: ignore[attr-defined]
    page = Page(browser, alices)
    sizes = []
    while len(page.lines) < 20_000:
        sizes.append(len(json.dumps(await page.ask())))
    assert max(sizes) < 340 * 1024
    assert [int(line[:7]) for line in page.lines] == list(range(20_000))


async def test_events_and_the_state_come_once_each(
    browser: AsyncClient, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(browser, alices, "events")
    platform_source.told = [event("Started", "it runs")]
    rows = (await page.until("events"))["rows"]
    assert [row["reason"] for row in rows] == ["Started"]
    monkeypatch.setattr(waiting, "PATIENCE", 0.1)
    while await page.ask():
        pass
    monkeypatch.setattr(waiting, "PATIENCE", 10.0)
    platform_source.told.append(event("Killing", "it ends", minute=1))
    assert len((await page.until("events"))["rows"]) == 2
    platform_source.state, platform_source.reason = "failed", "Ended with exit code 3."
    await page.until("session", state="failed", reason="Ended with exit code 3.")
    assert len([frame for frame in page.frames if frame["t"] == "session"]) == 2


async def test_the_feed_runs_on_between_two_requests_and_stops_when_none_comes(
    browser: AsyncClient, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(browser, alices)
    await page.ask()
    feed = feeds.registry().feeds[(alices.pk, "log")]
    await page.ask()
    assert feeds.registry().feeds[(alices.pk, "log")] is feed
    assert not feed.viewers
    monkeypatch.setattr(shared, "LINGER", 0.05)
    monkeypatch.setattr(waiting, "PATIENCE", 0.1)
    await page.ask()
    await until(lambda: not feeds.registry().feeds)


async def test_a_browser_that_goes_away_ends_the_wait(
    browser: AsyncClient, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(browser, alices)
    await page.until_quiet(monkeypatch)
    cookie = (
        f"{django_settings.SESSION_COOKIE_NAME}={browser.cookies[django_settings.SESSION_COOKIE_NAME].value}"
    )
    query = f"e={page.epoch}&after={page.line}&seen={page.seen}"
    scope = {
        "type": "http",
        "method": "GET",
        "path": page.address,
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), (b"cookie", cookie.encode())],
    }
    request = ApplicationCommunicator(get_asgi_application(), scope)
    await request.send_input({"type": "http.request"})
    feed = following.feed_of(alices, "log")
    await until(lambda: feed.viewers)
    assert waiting._waiting
    await request.send_input({"type": "http.disconnect"})
    await until(lambda: not feed.viewers)
    assert not waiting._waiting
    await request.wait(timeout=60)


async def test_one_person_cannot_wait_in_requests_without_end(
    browser: AsyncClient, alices: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(browser, alices)
    await page.until_quiet(monkeypatch)
    monkeypatch.setattr(waiting, "MOST_PER_PERSON", 3)
    waits = [asyncio.create_task(page.ask()) for _ in range(3)]
    await until(lambda: sum(waiting._waiting.values()) == 3)
    refused = await browser.get(page.address)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert "too many" in refused.json()["error"]
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    assert not waiting._waiting


async def test_of_one_browser_three_requests_wait_and_all_of_its_windows_get_the_news(
    browser: AsyncClient, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "SOONEST", 0.05)
    monkeypatch.setattr(holding, "TURNS_PER_SECOND", 1000.0)
    windows = [Page(browser, alices, what) for what in ("log", "events") * 6]
    most = 0

    async def follow(window: Page) -> None:
        nonlocal most
        while "news" not in window.lines and not any(row == "News" for row in reasons_in(window)):
            await window.ask()
            most = max(most, sum(held.values()))
            await asyncio.sleep(window.again)

    held = holding.holding.held
    following_all = [asyncio.create_task(follow(window)) for window in windows]
    # Three wait, and each of the others came and was sent away.
    await until(lambda: sum(held.values()) == 3 and sum(bool(window.again) for window in windows) >= 9)
    platform_source.text += b"news\n"
    platform_source.told.append(event("News", "it goes on"))
    await asyncio.gather(*following_all)
    assert most <= 3
    assert not held
    # Another browser of the same person has its own.
    other = AsyncClient()
    other.cookies[django_settings.SESSION_COOKIE_NAME] = await key_of(
        await Person.objects.aget(pk=alices.owner_id)
    )
    with holding.holding.place(browser.cookies[django_settings.SESSION_COOKIE_NAME].value) as one:
        elsewhere = Page(other, alices)
        await elsewhere.until_quiet(monkeypatch)
        wait = asyncio.create_task(elsewhere.ask())
        await until(lambda: len(held) == 2)
        assert one
    platform_source.text += b"more\n"
    await wait


def reasons_in(page: Page) -> list[str]:
    return [row["reason"] for frame in page.frames if frame["t"] == "events" for row in frame["rows"]]


def test_those_that_find_no_place_come_again_one_after_another() -> None:
    now = 100.0
    places = holding.Holding(lambda: now)
    with places.place("a") as first, places.place("a") as second, places.place("a") as third:
        with places.place("a") as fourth, places.place("b") as others:
            assert (first, second, third, fourth, others) == (True, True, True, False, True)
        assert [places.turn("a") for _ in range(5)] == [1.0, 1.25, 1.5, 1.75, 2.0]
        assert places.turn("b") == 1.0
        now += 1.5
        assert places.turn("a") == 1.0
    assert not places.held


async def test_refused_waits_leave_no_feeds_behind(
    browser: AsyncClient, alices: Record, platform_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_PER_PERSON", 0)
    for what in ("log", "events") * 15:
        assert (await browser.get(f"/s/{alices.slug}/{what}/since")).status_code == 429
    assert not feeds.registry().feeds


async def test_one_person_cannot_have_feeds_without_end_and_others_still_can(
    browser: AsyncClient,
    alices: Record,
    platform_source: FakeSource,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    monkeypatch.setattr(feeds, "MOST_FEEDS_EACH", 1)
    following.feed_of(alices, "log").join(Looker())
    refused = await browser.get(f"/s/{alices.slug}/events/since")
    assert [frame["why"] for frame in refused.json()["frames"]] == ["busy"]
    bob = await Person.objects.aenter(settings.PLATFORM_KEY, "bob")
    bobs = Record.objects.draft(bob, "bobsown1")
    await bobs.asave()
    assert following.feed_of(bobs, "log")


async def test_a_log_that_cannot_be_opened_is_told_in_words(
    browser: AsyncClient, alices: Record, platform_source: FakeSource, data_folder: Path
) -> None:
    (data_folder / "spool").write_text("a file where the folder should be")
    said = (await browser.get(f"/s/{alices.slug}/log/since")).json()["frames"]
    assert [(frame["t"], frame["state"]) for frame in said] == [("state", "trouble")]
    assert "cannot open what it kept" in said[0]["text"]
    assert not feeds.registry().feeds


def unmasked(page: str) -> str:
    """Return the page without the token of its form and the server's clock, which are others each time."""
    changing = r'name="csrfmiddlewaretoken" value="\w+"|name="server-time" content="\d+"'
    return re.sub(changing, "", page)


@pytest.mark.parametrize("what", ["log/since", "events/since", "log/lines", "log/search?q=x"])
async def test_what_is_not_theirs_looks_like_nothing_and_starts_no_feed(
    browser: AsyncClient, alices: Record, platform_source: FakeSource, settings: Any, what: str
) -> None:
    bob = await Person.objects.aenter(settings.PLATFORM_KEY, "bob")
    await Record.objects.filter(pk=alices.pk).aupdate(owner=bob)
    theirs, none = await browser.get(f"/s/{alices.slug}/{what}"), await browser.get(f"/s/nothing/{what}")
    assert (theirs.status_code, none.status_code) == (404, 404)
    # The page holds the address that was asked for, to come back to.
    assert unmasked(theirs.text.replace(alices.slug, "nothing")) == unmasked(none.text)
    assert not feeds.registry().feeds
    nobody = await AsyncClient().get(f"/s/{alices.slug}/{what}")
    assert (nobody.status_code, list(nobody.json())) == (401, ["error"])
    assert (await browser.post(f"/s/{alices.slug}/{what}")).status_code == 405


@pytest.mark.parametrize("query", ["e=x", "after=-1", "tail=1.5", "e=99999999999999999999", "after=²"])
async def test_a_place_that_is_no_number_is_said_to_be_none(
    browser: AsyncClient, alices: Record, query: str
) -> None:
    answer = await browser.get(f"/s/{alices.slug}/log/since?{query}")
    assert (answer.status_code, "whole number" in answer.json()["error"]) == (422, True)


async def test_a_token_that_is_not_ours_says_nothing_and_is_not_handed_back(
    browser: AsyncClient, alices: Record
) -> None:
    for token in ("<b>", "-.-.-.-.-", "ffff.-.-.-", "-" * 5000):
        answer = await browser.get(f"/s/{alices.slug}/log/since", {"seen": token})
        assert answer.json()["frames"]
        assert token not in answer.text


async def lines(browser: AsyncClient, record: Record, **query: int) -> dict[str, Any]:
    answer = await browser.get(f"/s/{record.slug}/log/lines", query)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert "no-store" in answer.headers["Cache-Control"]
    found: dict[str, Any] = answer.json()
    return found


async def test_lines_are_had_by_their_numbers_from_a_running_feed(
    browser: AsyncClient, alices: Record, platform_source: FakeSource
) -> None:
    platform_source.text = b"".join(b"line %d\n" % n for n in range(1, 30_001))
    feed = following.feed_of(alices, "log")
    feed.join(Looker())
    await until(lambda: feed.spool.last.line == 30_000)  # type: ignore[attr-defined]
    epoch = feed.spool.epoch  # type: ignore[attr-defined]
    found = await lines(browser, alices, e=epoch, **{"from": 777, "to": 780})
    assert found["lines"] == [f"line {n}" for n in range(777, 781)]
    assert (found["e"], found["from"], found["first"], found["last"]) == (epoch, 777, 1, 30_000)
    [[index, second]] = found["at"]
    assert (index, second > 1_700_000_000) == (0, True)
    everything: list[str] = []
    while len(everything) < 30_000:
        part = await lines(browser, alices, e=epoch, **{"from": len(everything) + 1})
        assert len(json.dumps(part["lines"])) < 80 * 1024
        everything += part["lines"]
    assert everything == [f"line {n}" for n in range(1, 30_001)]
    assert (await lines(browser, alices, **{"from": 30_001}))["lines"] == []


async def test_lines_are_had_from_the_files_when_no_feed_runs_and_nothing_is_changed(
    browser: AsyncClient, alices: Record, data_folder: Path
) -> None:
    nothing = await lines(browser, alices, e=5)
    assert (nothing["e"], nothing["lines"], nothing["first"], nothing["last"]) == (5, [], None, None)
    assert not (data_folder / "spool").exists()
    spool = Spool(data_folder / "spool", alices.slug)
    earlier = spool.epoch
    spool.append(["first run"], 1_767_600_000)
    spool.begin_epoch()
    spool.append(["second", "run"], 1_767_600_060)
    spool.save({})
    before = {path: path.stat().st_mtime_ns for path in (data_folder / "spool").iterdir()}
    assert (await lines(browser, alices))["lines"] == ["second", "run"]
    found = await lines(browser, alices, e=earlier)
    assert (found["lines"], found["at"]) == (["first run"], [[0, 1_767_600_000]])
    assert {path: path.stat().st_mtime_ns for path in (data_folder / "spool").iterdir()} == before
    assert not feeds.registry().feeds
    spool.append(["more"], 1_767_600_061)
    spool.save({})
    assert (await lines(browser, alices, **{"from": 3}))["lines"] == ["more"]


async def test_lines_that_were_dropped_are_left_out_and_the_rest_is_handed_over(
    browser: AsyncClient, alices: Record, data_folder: Path
) -> None:
    spool = Spool(data_folder / "spool", alices.slug, cap=8000)
    spool.append([f"line {n}" for n in range(1, 2001)], 1_767_600_000)
    spool.save({})
    found = await lines(browser, alices, **{"from": 5})
    first = spool.first_of(spool.epoch)
    assert first is not None
    assert first > 5
    assert (found["from"], found["first"], found["lines"][0]) == (first, first, f"line {first}")
    assert (await lines(browser, alices, **{"from": 5, "to": 9}))["lines"] == []


async def test_a_follow_by_request_and_by_socket_begins_the_same_feed(
    browser: AsyncClient, alices: Record, platform_source: FakeSource
) -> None:
    topic = following.begin(alices, Follow(Topic(alices.slug, "log")))
    topic.feed.join(Looker())
    await Page(browser, alices).ask()
    assert len(feeds.registry().feeds) == 1


async def search(browser: AsyncClient, record: Record, **query: Any) -> dict[str, Any]:
    answer = await browser.get(f"/s/{record.slug}/log/search", query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_search_walks_the_epochs_and_comes_to_the_end(
    browser: AsyncClient, alices: Record, data_folder: Path
) -> None:
    spool = Spool(data_folder / "spool", alices.slug)
    first = spool.epoch
    spool.append(["needle one", "hay"], 1_767_600_000)
    spool.begin_epoch()
    spool.append(["hay", "two needles: \x1b[1mneedle\x1b[0m"], 1_767_600_060)
    spool.save({})
    newest = await search(browser, alices, q="needle")
    assert newest == {
        "hits": [[2, [[4, 10], [13, 19]], "two needles: \x1b[1mneedle\x1b[0m", 1_767_600_060]],
        "e": first + 1,
        "upto": 2,
        "end": True,
        "next_e": None,
        "previous_e": first,
    }
    oldest = await search(browser, alices, q="NEEDLE", case=0, e=first)
    assert ([hit[0] for hit in oldest["hits"]], oldest["next_e"]) == ([1], first + 1)
    assert (await search(browser, alices, q="needle", e=first, after=1))["hits"] == []
    assert (await search(browser, alices, q=r"^ne+dle\b", regex=1, e=first))["hits"][0][1] == [[0, 6]]
    unknown = await search(browser, alices, q="needle", e=5)
    assert (unknown["hits"], unknown["end"], unknown["next_e"]) == ([], True, first)
    assert not feeds.registry().feeds


async def test_of_a_log_that_is_not_kept_a_search_finds_nothing(browser: AsyncClient, alices: Record) -> None:
    found = await search(browser, alices, q="x")
    assert (found["hits"], found["e"], found["end"], found["next_e"]) == ([], None, True, None)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"q": "(", "regex": "1"}, "missing )"),
        ({"q": "x" * 501}, "too long"),
        ({"q": "x", "regex": "yes"}, "“regex” must be 1 or 0."),
        ({"q": "x", "after": "y"}, "whole number"),
    ],
)
async def test_what_cannot_be_searched_for_is_said_in_a_sentence(
    browser: AsyncClient, alices: Record, query: dict[str, str], said: str
) -> None:
    answer = await browser.get(f"/s/{alices.slug}/log/search", query)
    assert answer.status_code == 422
    assert said in answer.json()["error"]


async def test_who_searches_too_much_at_once_is_told_to_wait(
    browser: AsyncClient, alices: Record, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.live.turns.AT_ONCE_EACH", 0)
    monkeypatch.setattr("sessions_app.live.turns.PATIENCE", 0.05)
    spool = Spool(data_folder / "spool", alices.slug)
    spool.append(["one"], 1_767_600_000)
    spool.save({})
    answer = await browser.get(f"/s/{alices.slug}/log/search", {"q": "one"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
