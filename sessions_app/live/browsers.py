"""How often one browser, one person and one address may come: judged before anybody is looked up in the database."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from sessions_app.live.allowance import Allowance
from sessions_app.live.askers import Asker, Scope, asker_of
from sessions_app.live.lanes import Lanes, NoTurnError, Turn
from sessions_app.live.nowhere import Complaints, refuse
from sessions_app.live.per_loop import PerLoop
from sessions_app.live.waiting import MOST_PER_PERSON

Application = Callable[[Scope, Any, Any], Awaitable[None]]
Rate = tuple[float, float]

# Of so many who ask it is remembered how often they came lately.
MOST_ASKERS = 10_000
# How many seconds' worth of requests may come at once: many tabs that are opened again together.
BURST = 8
# One person may have several browsers, and a page many files.
BROWSERS_OF_A_PERSON = 2
FILES_OF_A_PAGE = 10
# Requests under way, at work or waiting for news: of one person, and of an address that many may share.
MOST_OF_A_PERSON, MOST_OF_AN_ADDRESS = 64, 256
# Of so many people as many requests may be at work as of one.
PEOPLE_AT_WORK = 2
# How the addresses end at which a page without a socket waits for news.
NEWS = "/since"
# How many openings of a socket a flood costs, as each new one may flood again.
FINE = 10
# A server that has judged a handshake already says so in its scope.
JUDGED = "canfarweb.judged"

floods = Complaints("Somebody asks too often")
SENTENCE = (
    b"Your browser asks for more than the portal answers. Nothing was done; try again in a few seconds.\n"
)
HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"private, no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"retry-after", b"5"),
    (b"content-length", b"%d" % len(SENTENCE)),
]


class Askers:
    """What is left to each who asks for one kind of thing."""

    def __init__(self) -> None:
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()

    def allow(self, asker: Asker, each: Rate, of_address: Rate) -> bool:
        """Count one; false when it is too much for the browser, its person, or an address without either."""
        mine = self._of(asker, each, of_address)
        # What is refused counts nowhere.
        return all(allowance.has_one() for allowance in mine) and all(allowance.take() for allowance in mine)

    def fine(self, asker: Asker, each: Rate, of_address: Rate, count: float) -> None:
        """Count many."""
        for allowance in self._of(asker, each, of_address):
            allowance.fine(count)

    def _of(self, asker: Asker, each: Rate, of_address: Rate) -> list[Allowance]:
        if asker.person is None:
            return [self._one(asker.lane, of_address)]
        at_once, a_second = each
        more = BROWSERS_OF_A_PERSON
        return [self._one(asker.browser, each), self._one(asker.lane, (more * at_once, more * a_second))]

    def _one(self, key: str, rate: Rate) -> Allowance:
        allowance = self._allowances.setdefault(key, Allowance(*rate))
        self._allowances.move_to_end(key)
        if len(self._allowances) > MOST_ASKERS:
            self._allowances.popitem(last=False)
        return allowance


class Handshakes:
    """How often sockets are opened: seldom, as each tab has one."""

    def __init__(self) -> None:
        self._askers = Askers()

    def allow(self, asker: Asker) -> bool:
        """Count one; false when it is too much."""
        allowed = self._askers.allow(asker, *self._rates())
        if not allowed:
            floods.add("sockets")
        return allowed

    def fine(self, asker: Asker) -> None:
        """Take note of somebody who flooded a socket."""
        self._askers.fine(asker, *self._rates(), FINE)

    def _rates(self) -> tuple[Rate, Rate]:
        # Where many come from one address, all of their tabs come back at once after a restart.
        most = settings.SOCKETS_PER_PERSON
        return (2 * most, most / 10), (10 * most, most)


handshakes: PerLoop[Handshakes] = PerLoop(Handshakes)


class FewSockets:
    """Refuses whoever opens sockets far more often than a browser with many tabs."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if JUDGED in scope.get("extensions", {}) or handshakes().allow(asker_of(scope)):
            await self._inner(scope, receive, send)
        else:
            await refuse(scope, receive, send, 429)


class Requests:
    """What is left of requests to each who asks, and who is at work."""

    def __init__(self) -> None:
        self._pages, self._files = Askers(), Askers()
        self._under_way: Counter[str] = Counter()
        at_once = settings.REQUESTS_AT_ONCE
        self._lanes = Lanes(at_once, PEOPLE_AT_WORK * at_once)

    def allow(self, asker: Asker, path: str) -> bool:
        """Count one; false when it is too much. Files of a page cost less, and there are many."""
        is_file = path.startswith("/static/") or path == "/healthz"
        more = FILES_OF_A_PAGE if is_file else 1
        counted = self._files if is_file else self._pages
        each, of_address = (
            (BURST * more * rate, more * rate)
            for rate in (settings.REQUESTS_PER_SECOND, settings.REQUESTS_PER_ADDRESS)
        )
        return counted.allow(asker, each, of_address)

    async def answer(self, asker: Asker, path: str, answer: Callable[[Turn], Awaitable[None]]) -> None:
        """Answer in turn; raises ``NoTurnError`` when that would be too late."""
        with self._counted(asker, path), await self._lanes.turn(asker.lane) as turn:
            await answer(turn)

    @contextmanager
    def _counted(self, asker: Asker, path: str) -> Iterator[None]:
        most = {asker.lane: MOST_OF_AN_ADDRESS if asker.person is None else MOST_OF_A_PERSON}
        if asker.person is not None and path.endswith(NEWS):
            # They would be refused in any case, only later.
            most[f"{asker.lane} waits for news"] = MOST_PER_PERSON
        if any(self._under_way[each] >= many for each, many in most.items()):
            raise NoTurnError
        self._under_way.update(most.keys())
        try:
            yield
        finally:
            for each in most:
                self._under_way[each] -= 1
                if not self._under_way[each]:
                    del self._under_way[each]


requests: PerLoop[Requests] = PerLoop(Requests)


class FewRequests:
    """Refuses whoever asks far more often than a browser with many tabs, and serves all others in turn."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        asker = asker_of(scope)
        if not requests().allow(asker, scope["path"]):
            await _refuse(send)
            return

        async def answer(turn: Turn) -> None:
            async def until_begun(message: dict[str, Any]) -> None:
                turn.end()
                await send(message)

            await self._inner(scope, receive, until_begun)

        try:
            await requests().answer(asker, scope["path"], answer)
        except NoTurnError:
            await _refuse(send)


async def _refuse(send: Any) -> None:
    floods.add("requests")
    await send({"type": "http.response.start", "status": 429, "headers": HEADERS})
    await send({"type": "http.response.body", "body": SENTENCE})
