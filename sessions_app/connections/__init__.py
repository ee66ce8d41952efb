"""Person + platform → what the platform says. The only door to the session client.

Outside this package a session is known by its slug; its id and its connect address never leave but in the connect
redirect.
"""

from __future__ import annotations

import asyncio
import time
from weakref import WeakKeyDictionary

from django.conf import settings

from sessions_app.client import AsyncPool, AsyncSession, Retries, errors, values
from sessions_app.client.drivers.login import login as ask_for_token
from sessions_app.connections import tasks, writes
from sessions_app.connections.connection import Connection
from sessions_app.connections.links import BadLinkError
from sessions_app.connections.reading import Reading
from sessions_app.connections.redaction import redactor_for
from sessions_app.connections.rows import Row
from sessions_app.models import Credential, Person

__all__ = [
    "BadLinkError",
    "Connection",
    "Reading",
    "Row",
    "close_all",
    "connection_for",
    "forget",
    "identify",
    "login",
]

# A person who has not been seen for this long is asked for anew, in seconds; and how many are remembered at most.
IDLE = 1800.0
MOST_PEOPLE = 2000


class _Registry:
    """The pool of one platform and everybody's connection through it, for one event loop."""

    def __init__(self) -> None:
        # Every read here is asked again by the next look at a page; to insist within one would only hide for
        # seconds that the platform is away.
        self.pool = AsyncPool(
            url=settings.PLATFORM_URL, concurrency=32, retries=Retries(times=0), **settings.PLATFORM_WAY
        )
        self.connections: dict[int, tuple[float, Connection]] = {}

    def remember(self, connection: Connection) -> None:
        now = time.monotonic()
        self.connections[connection.person.pk] = (now, connection)
        if len(self.connections) > MOST_PEOPLE:
            oldest = min(self.connections, key=lambda pk: self.connections[pk][0])
            del self.connections[oldest]

    def find(self, person: Person) -> Connection | None:
        used, connection = self.connections.get(person.pk, (float("-inf"), None))
        if connection is None or connection.refused or time.monotonic() - used > IDLE:
            return None
        self.remember(connection)
        return connection


_registries: WeakKeyDictionary[asyncio.AbstractEventLoop, _Registry] = WeakKeyDictionary()


def _registry() -> _Registry:
    loop = asyncio.get_running_loop()
    if loop not in _registries:
        _registries[loop] = _Registry()
    return _registries[loop]


async def connection_for(person: Person) -> Connection:
    """Return this person's connection; raises ``NotSignedInError`` when no credential of theirs is kept."""
    if person.platform != settings.PLATFORM_KEY:
        raise errors.NotSignedInError("You signed in on another platform than this portal speaks to now.")
    registry = _registry()
    connection = registry.find(person)
    if connection is not None:
        await redactor_for(person)  # Other processes of the portal seal ids as well.
        return connection
    token = await Credential.objects.atoken(person)
    if token is None:
        raise errors.NotSignedInError("The portal holds no credential of yours for this platform.")
    redactor = await redactor_for(person)
    # Another request may have come first while the credential was read.
    earlier = registry.find(person)
    if earlier is not None:
        return earlier
    connection = Connection(person, registry.pool, token, redactor)
    registry.remember(connection)
    await writes.resume(connection)
    return connection


def forget(person: Person) -> None:
    """Drop the person's connection: they signed out, or in again with another credential."""
    _registry().connections.pop(person.pk, None)


async def login(name: str, password: str) -> str:
    """Exchange a password for a token; raises ``PlatformError`` when the platform does not take it."""
    return await ask_for_token(settings.PLATFORM_LOGIN, name, password, **settings.PLATFORM_WAY)


async def identify(token: str) -> str:
    """Ask the platform whose token this is; raises ``PlatformError`` when it does not accept it or does not say."""
    session = AsyncSession(pool=_registry().pool, token=token)
    name = await session.whoami()
    if not name:
        listed = values.parse_sessions(await session.fetch())
        name = next((info.user for info in listed if info.user), None)
    if not name:
        raise errors.NotUnderstoodError("The platform accepted the token but does not say whose it is.")
    return name


async def close_all() -> None:
    """Let owned work finish and close the pool of this event loop."""
    await tasks.stop_all()
    registry = _registries.pop(asyncio.get_running_loop(), None)
    if registry is not None:
        await registry.pool.aclose()
