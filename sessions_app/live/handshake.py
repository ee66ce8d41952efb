"""Who opens a socket: the browser's session cookie, read as the pages read it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.db import connections as databases
from django.http import parse_cookie

from sessions_app import access
from sessions_app.live.allowance import Allowance
from sessions_app.live.nowhere import Complaints, refuse
from sessions_app.live.per_loop import PerLoop
from sessions_app.models import Person

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
T = TypeVar("T")

MOST_THREADS = 8
# So many browsers are remembered by how often they came lately.
MOST_BROWSERS = 1000
floods = Complaints("Sockets are opened too often")
_threads = PerLoop(lambda: asyncio.Semaphore(MOST_THREADS))


class FewAtATime:
    """Refuses, before anybody is looked up, a browser that opens sockets far more often than one with many tabs."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = session_key_of(scope)
        if key and not self._allowance_of(key).take():
            floods.add("one browser")
            await refuse(scope, receive, send, 429)
            return
        await self._inner(scope, receive, send)

    def _allowance_of(self, key: str) -> Allowance:
        """Return what is left to a browser: twice as many at once as may be open, and a tenth of those a second."""
        most = settings.SOCKETS_PER_PERSON
        allowance = self._allowances.setdefault(key, Allowance(2 * most, most / 10))
        self._allowances.move_to_end(key)
        if len(self._allowances) > MOST_BROWSERS:
            self._allowances.popitem(last=False)
        return allowance


class PersonOfSession:
    """Sets ``scope["person"]`` to who is signed in, or None, and ``scope["session_key"]``."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = session_key_of(scope)
        person = await with_own_thread(person_of(key)) if key else None
        await self._inner({**scope, "person": person, "session_key": key}, receive, send)


def session_key_of(scope: Scope) -> str:
    """Return the session key in the socket's cookies, or an empty string."""
    pairs = [value for name, value in scope.get("headers", []) if name.lower() == b"cookie"]
    cookies = parse_cookie("; ".join(pair.decode("latin-1") for pair in pairs))
    return str(cookies.get(settings.SESSION_COOKIE_NAME, ""))[:64]


async def person_of(key: str) -> Person | None:
    """Return who is signed in with this session now."""
    return await access.person_of(import_module(settings.SESSION_ENGINE).SessionStore(key))


async def with_own_thread(work: Awaitable[T]) -> T:
    """Await ``work`` with a database thread of its own.

    Otherwise all sockets of a process share one thread, and one slow query keeps every other from opening. Only so
    many at once: each costs memory that is not given back.
    """
    async with _threads(), ThreadSensitiveContext():
        try:
            return await work
        finally:
            await sync_to_async(databases.close_all)()
