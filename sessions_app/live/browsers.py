"""How often one browser may come: counted by its cookie, before anybody is looked up in the database."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.http import parse_cookie

from sessions_app.live.allowance import Allowance
from sessions_app.live.nowhere import Complaints, refuse

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

# So many browsers are remembered by how often they came lately.
MOST_BROWSERS = 1000
# How many seconds' worth of requests may come at once: many tabs that are opened again together.
BURST = 4
floods = Complaints("A browser comes too often")
SENTENCE = (
    b"Your browser asks for more than the portal answers. Nothing was done; try again in a few seconds.\n"
)
HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"private, no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"retry-after", b"5"),
]


class Browsers:
    """What is left to each browser."""

    def __init__(self) -> None:
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()

    def allow(self, scope: Scope, at_once: float, a_second: float) -> bool:
        """Count one; false when it is too much. Who has no cookie costs little, and is let through."""
        key = session_key_of(scope)
        if not key:
            return True
        allowance = self._allowances.setdefault(key, Allowance(at_once, a_second))
        self._allowances.move_to_end(key)
        if len(self._allowances) > MOST_BROWSERS:
            self._allowances.popitem(last=False)
        return allowance.take()


class FewSockets:
    """Refuses whoever opens sockets far more often than a browser with many tabs."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._browsers = Browsers()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        most = settings.SOCKETS_PER_PERSON
        if self._browsers.allow(scope, 2 * most, most / 10):
            await self._inner(scope, receive, send)
        else:
            floods.add("sockets")
            await refuse(scope, receive, send, 429)


class FewRequests:
    """Refuses whoever asks far more often than a browser with many tabs; what is the same for all costs nothing."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._browsers = Browsers()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        rate = settings.REQUESTS_PER_SECOND
        is_static = scope["path"].startswith("/static/")
        if is_static or self._browsers.allow(scope, BURST * rate, rate):
            await self._inner(scope, receive, send)
            return
        floods.add("requests")
        length = (b"content-length", b"%d" % len(SENTENCE))
        await send({"type": "http.response.start", "status": 429, "headers": [*HEADERS, length]})
        await send({"type": "http.response.body", "body": SENTENCE})


def session_key_of(scope: Scope) -> str:
    """Return the session key in the socket's cookies, or an empty string."""
    pairs = [value for name, value in scope.get("headers", []) if name.lower() == b"cookie"]
    cookies = parse_cookie("; ".join(pair.decode("latin-1") for pair in pairs))
    return str(cookies.get(settings.SESSION_COOKIE_NAME, ""))[:64]
