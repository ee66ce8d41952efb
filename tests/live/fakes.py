"""A platform for feeds to follow, and viewers that read it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from sessions_app.client import errors, values
from sessions_app.connections import Reading
from sessions_app.connections.redaction import Redactor
from sessions_app.models import Person, Record

SECRET = "k3xv9q2a"


async def until(condition: Callable[[], Any], deadline: float = 60.0) -> None:
    """Wait until ``condition`` holds, or fail."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "It did not come to pass in time."
        await asyncio.sleep(0.005)


def record(slug: str = "slug1", pk: int = 1, state: str = "running") -> Record:
    """Return a record that is in no database."""
    return Record(pk=pk, slug=slug, state=state, name="m31")


class FakeSource:
    """One session on a platform: its text, events and state are set by the test."""

    def __init__(self, slug: str = "slug1") -> None:
        self.slug = slug
        self.text = b""
        self.state = "running"
        self.reason = ""
        self.cores_in_use: float | None = None
        self.told: list[Any] = []
        self.done: list[dict[str, Any]] = []
        self.events_error: errors.PlatformError | None = None
        self.error: errors.PlatformError | None = None
        self.break_after: int | None = None
        self.piece = 16 * 1024
        self.logs = self.events_asked = 0

    async def connect(self, person: Person) -> FakeSource:
        """Stand in for ``connection_for``."""
        return self

    @property
    def redactor(self) -> Redactor:
        """Know the secret."""
        return Redactor([SECRET])

    @asynccontextmanager
    async def stream_log(self, record: Record, max_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Hand over the whole text, as the platform does."""
        self.logs += 1
        if self.error is not None:
            raise self.error
        yield self._pieces(self.text[:max_bytes])

    async def _pieces(self, text: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(text), self.piece):
            if self.break_after is not None and at >= self.break_after:
                raise errors.PlatformError("The platform broke off.")
            yield text[at : at + self.piece]

    async def events(self, record: Record) -> Reading[list[Any]]:
        """Tell all events."""
        self.events_asked += 1
        error = self.error or self.events_error
        return Reading(None if error else list(self.told), _now(), error)

    async def history(self, record: Record) -> list[dict[str, Any]]:
        """Return what the portal knows itself."""
        return list(self.done)

    async def rows(self) -> Reading[Any]:
        """List the session while it has a state."""
        face = (self.slug, self.state, self.reason)
        row = SimpleNamespace(
            slug=self.slug, state=self.state, reason=self.reason, cores_in_use=self.cores_in_use, face=face
        )
        return Reading((row,) if self.state != "gone" else (), _now(), self.error)


def event(reason: str, message: str, *, minute: int = 0, kind: str = "Normal") -> Any:
    """Return an event as the client parses it."""
    at = datetime(2026, 1, 5, 10, minute, tzinfo=UTC)
    return values.Event(kind, reason, message, at, at)


class Looker:
    """A viewer that only counts how often it is woken."""

    def __init__(self, person: Person | None = None) -> None:
        self.person = person or Person(pk=1, name="alice")
        self.woken = 0

    def wake(self) -> None:
        """Count."""
        self.woken += 1


def _now() -> datetime:
    return datetime.now(UTC)
