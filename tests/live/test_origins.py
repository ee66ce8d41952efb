"""Only the portal's own pages may open a socket."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from sessions_app.live.origins import OwnOriginsOnly

OWN = b"https://portal.example"


async def outcome(headers: list[tuple[bytes, bytes]], scheme: str = "wss") -> tuple[bool, list[Any]]:
    """Return whether the handshake came through, and what was answered."""
    came_through, sent = [], []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        came_through.append(scope)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws/", "scheme": scheme, "headers": headers}
    await OwnOriginsOnly(inner)(scope, receive, send)
    return bool(came_through), sent


@pytest.fixture(autouse=True)
def portal(settings: Any) -> None:
    """Run at https://portal.example."""
    settings.PORTAL_ORIGINS = [OWN.decode(), "http://localhost:8000"]
    settings.ALLOWED_HOSTS = ["portal.example", "localhost"]


@pytest.mark.parametrize(
    "origin", [OWN, b"https://portal.example:443", b"HTTPS://Portal.Example", b"http://localhost:8000"]
)
async def test_own_pages_come_through(origin: bytes) -> None:
    assert await outcome([(b"origin", origin)]) == (True, [])


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.example",
        b"https://sessions.portal.example",
        b"https://portal.example:8443",
        b"http://portal.example",
        b"http://localhost:8001",
        b"http://127.0.0.1:8000",
        b"http://s-abc.localhost:8000",
        b"null",
        b"",
        b"https://user@portal.example",
        b"https://portal.example:99999",
        b"https://portal.example:abc",
        b"https://portal.example:0",
        b"https://portal.example/",
        b"https://portal.example:",
        b"//portal.example",
        b"https://portal.example\\@evil.example",
        b"https://portal.exampl\xe9",
        b"https://[::1",
    ],
)
async def test_other_origins_are_refused_with_one_line(origin: bytes, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    came_through, sent = await outcome([(b"origin", origin)])
    assert (came_through, [message["type"] for message in sent]) == (False, ["websocket.close"])
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is None


async def test_no_origin_and_two_origins_are_refused() -> None:
    assert not (await outcome([]))[0]
    assert not (await outcome([(b"origin", OWN), (b"origin", OWN)]))[0]


async def test_without_configured_origins_the_asked_host_counts(settings: Any) -> None:
    settings.PORTAL_ORIGINS = []
    asked = (b"host", b"portal.example:8443")
    assert (await outcome([asked, (b"origin", b"https://portal.example:8443")]))[0]
    assert not (await outcome([asked, (b"origin", b"http://portal.example:8443")]))[0]
    assert not (await outcome([asked, (b"origin", b"https://portal.example")]))[0]
    assert (await outcome([asked, (b"origin", b"http://portal.example:8443")], scheme="ws"))[0]


async def test_a_host_that_is_not_the_portals_does_not_vouch_for_itself(settings: Any) -> None:
    settings.PORTAL_ORIGINS = []
    assert not (await outcome([(b"host", b"rebound.example"), (b"origin", b"https://rebound.example")]))[0]
