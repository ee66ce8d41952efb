"""A session client of either kind, so that one test speaks to both."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

from sessions_app.client import AsyncSession, Session
from tests.local.harness import Skaha, eventually


class Facade:
    """A session of either kind, called by name: ``call("outcomes.info", ids)``."""

    def __init__(self, kind: type[AsyncSession] | type[Session], person: Skaha, stack: ExitStack) -> None:
        self.kind, self.person, self.stack = kind, person, stack
        self.runner = stack.enter_context(asyncio.Runner())
        self.session: Any = self.signed_in_by(person.token)

    def signed_in_by(self, token: str) -> Any:
        session = self.kind(url=self.person.url, token=token)
        if isinstance(session, Session):
            return self.stack.enter_context(session)
        self.stack.callback(lambda: self.runner.run(session.aclose()))
        return session

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        return self.call_on(self.session, name, *args, **kwargs)

    def call_on(self, found: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        for word in name.split("."):
            found = getattr(found, word)
        result = found(*args, **kwargs)
        return self.runner.run(result) if asyncio.iscoroutine(result) else result

    def streamed(self, session_id: str) -> bytes:
        if isinstance(self.session, Session):
            with self.session.stream_logs(session_id) as chunks:
                return b"".join(chunks)

        async def read() -> bytes:
            async with self.session.stream_logs(session_id) as chunks:
                return b"".join([chunk async for chunk in chunks])

        return self.runner.run(read())


def finished(facade: Facade, *ids: str) -> list[str]:
    """Wait until the sessions have ended; return their statuses."""

    def statuses() -> list[str]:
        found = [row["status"] for row in facade.call("info", ids)]
        return found if set(found) <= {"Completed", "Succeeded", "Failed"} else []

    return eventually(statuses, within=180 if "localhost" not in facade.person.url else 60)


def error_of(facade: Facade, name: str, *args: Any) -> Any:
    """Return the error of a call over one item."""
    [outcome] = facade.call(f"outcomes.{name}", *args)
    return outcome.error
