"""Who opens a socket: the browser's session cookie, read as the pages read it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.db import connections as databases

from sessions_app import access
from sessions_app.live.askers import known, session_key_of
from sessions_app.live.per_loop import PerLoop
from sessions_app.models import Person

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
T = TypeVar("T")

MOST_THREADS = 8
_threads = PerLoop(lambda: asyncio.Semaphore(MOST_THREADS))


class PersonOfSession:
    """Sets ``scope["person"]`` to who is signed in, or None, and ``scope["session_key"]``."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = session_key_of(scope)
        person = await with_own_thread(person_of(key)) if key else None
        if person is not None:
            known().learn(key, person.pk)
        await self._inner({**scope, "person": person, "session_key": key}, receive, send)


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
