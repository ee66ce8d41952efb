"""Who asks without end is told so before anything is looked up: counted by browser, by person and by address."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.conf import settings as portal

from sessions_app.live.askers import Asker, asker_of, known
from sessions_app.live.browsers import FewRequests, Scope, handshakes
from sessions_app.live.door import asker_for_a_socket
from sessions_app.live.waiting import MOST_PER_PERSON

MOST = 8
Said = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    settings.REQUESTS_PER_SECOND = settings.REQUESTS_PER_ADDRESS = 1


def scope_of(browser: str = "", *, client: str = "192.0.2.1", path: str = "/", **headers: str) -> Scope:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if browser:
        pairs.append((b"cookie", f"other=1; {portal.SESSION_COOKIE_NAME}={browser}".encode()))
    return {"type": "http", "path": path, "headers": pairs, "client": [client, 4711]}


class Portal:
    """What is behind the door: it counts who comes through."""

    def __init__(self) -> None:
        self.came = 0
        self.holds: asyncio.Event | None = None
        self.door = FewRequests(self._answer)

    async def _answer(self, scope: Scope, receive: Any, send: Any) -> None:
        self.came += 1
        if self.holds is not None:
            await self.holds.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, scope: Scope) -> Said:
        said: Said = []

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        await self.door(scope, receive, send)
        return said

    async def statuses(self, *scopes: Scope) -> list[int]:
        return [(await self.ask(scope))[0]["status"] for scope in scopes]


async def test_what_is_beyond_the_allowance_is_refused_with_the_sentence_and_reaches_nothing() -> None:
    portal = Portal()
    known().learn("one", 1)
    assert await portal.statuses(*[scope_of("one")] * MOST) == [200] * MOST
    start, body = await portal.ask(scope_of("one"))
    assert start["status"] == 429
    assert (b"retry-after", b"5") in start["headers"]
    assert b"asks for more than the portal answers" in body["body"]
    assert portal.came == MOST


async def test_a_person_with_many_browsers_has_twice_what_one_has() -> None:
    portal = Portal()
    browsers = [f"browser-{number}" for number in range(6)]
    for browser in browsers:
        known().learn(browser, 1)
    known().learn("bens", 2)
    statuses = await portal.statuses(*[scope_of(browser) for browser in browsers for _ in range(MOST)])
    assert statuses.count(200) == 2 * MOST
    assert await portal.statuses(scope_of("bens")) == [200]


async def test_cookies_that_are_made_up_and_none_count_together_by_their_address() -> None:
    portal = Portal()
    known().learn("anns", 1)
    made_up = [scope_of(f"made-up-{number}") for number in range(MOST - 2)]
    assert set(await portal.statuses(*made_up, scope_of(), scope_of())) == {200}
    assert await portal.statuses(scope_of("made-up"), scope_of()) == [429, 429]
    assert await portal.statuses(scope_of("anns"), scope_of(client="192.0.2.2")) == [200, 200]


async def test_files_and_health_do_not_use_up_what_is_left_for_pages() -> None:
    portal = Portal()
    known().learn("one", 1)
    files = [scope_of("one", path="/static/css/page.css"), scope_of("one", path="/healthz")] * 10
    assert set(await portal.statuses(*files, *[scope_of("one")] * MOST)) == {200}
    assert 429 in await portal.statuses(*files * 4)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_from_elsewhere_cannot_use_up_what_its_reader_has(site: str) -> None:
    portal = Portal()
    known().learn("anns", 1)
    foreign = scope_of("anns", sec_fetch_site=site, sec_fetch_mode="no-cors")
    assert 429 in await portal.statuses(*[foreign] * (MOST + 1))
    assert await portal.statuses(scope_of("anns", sec_fetch_site="same-origin")) == [200]
    # Whoever follows a link from there is the reader, though.
    visit = scope_of("anns", sec_fetch_site=site, sec_fetch_mode="navigate")
    assert asker_of(visit).person == 1


async def test_a_page_that_waits_for_news_too_often_is_refused_before_anything_is_looked_up(
    settings: Any,
) -> None:
    settings.REQUESTS_PER_SECOND = 100
    portal, news = Portal(), scope_of("one", path="/s/abcabcabcabc/log/since")
    known().learn("one", 1)
    portal.holds = asyncio.Event()
    waiting = [asyncio.create_task(portal.ask(news)) for _ in range(MOST_PER_PERSON)]
    async with asyncio.timeout(30):
        while portal.came < MOST_PER_PERSON:
            await asyncio.sleep(0.01)
    assert await portal.statuses(news) == [429]
    assert portal.came == MOST_PER_PERSON
    portal.holds.set()
    await asyncio.gather(*waiting)
    assert await portal.statuses(news, scope_of("one")) == [200, 200]


async def test_behind_a_proxy_that_is_believed_each_visitor_has_an_address(settings: Any) -> None:
    asked = scope_of(client="10.0.0.1", x_forwarded_for="203.0.113.9, 192.0.2.7")
    settings.BEHIND_PROXY = False
    assert asker_of(asked) == Asker("10.0.0.1")
    settings.BEHIND_PROXY = True
    assert asker_of(asked) == Asker("192.0.2.7")


async def test_a_socket_of_a_page_from_elsewhere_counts_by_its_address(settings: Any) -> None:
    settings.PORTAL_ORIGINS = ["http://localhost:8000"]
    known().learn("anns", 1)
    own = scope_of("anns", origin="http://localhost:8000", host="localhost:8000")
    foreign = scope_of("anns", origin="http://s-evil.localhost:8001", host="localhost:8000")
    assert asker_for_a_socket(own).person == 1
    assert asker_for_a_socket(foreign) == Asker("192.0.2.1")


async def test_who_floods_sockets_may_open_few_for_a_while(settings: Any) -> None:
    settings.SOCKETS_PER_PERSON = 20
    mallory, ann = Asker("192.0.2.1", "hers", 1), Asker("192.0.2.1", "anns", 2)
    opened = 0
    while handshakes().allow(mallory):
        opened += 1
        handshakes().fine(mallory)
    assert 1 <= opened <= 4
    assert handshakes().allow(ann)
