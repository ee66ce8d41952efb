"""HEAD at every address: what GET answers, without a body, and nothing comes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.core import serializers
from django.test import AsyncClient
from django.urls import URLPattern, URLResolver, get_resolver

from sessions_app.connections import Connection
from sessions_app.live import feeds, waiting
from sessions_app.models import Operation, Record
from tests.conftest import until
from tests.portal.conftest import launch_values

# What an address needs beside its path; each is tried without it too.
QUERIES = {
    "renew": "?s={record}",
    "destroy": "?s={record}",
    "welcome": "?key=nobodys",
    "launch": "?kind=headless",
    "s/<slug:slug>/open": "?stay=1",
    "s/<slug:slug>/log/kept.txt": "?q=a",
    "s/<slug:slug>/log/search": "?q=a",
    "s/<slug:slug>/log/lines": "?from=x",
    "s/<slug:slug>/log/since": "?tail=x",
    "s/<slug:slug>/events/since": "?seen=x",
}
# They say what GET would, but for whether the platform has the log at this moment.
UNASKED = ("/log.txt",)
ALIKE = (
    "Content-Type",
    "Content-Disposition",
    "Content-Security-Policy",
    "Location",
    "Allow",
    "Cache-Control",
)


def routes(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


ROUTES = list(routes(get_resolver().url_patterns))


def addresses(record: str, operation: str) -> list[str]:
    found = []
    for route in ROUTES:
        slug = operation if route.startswith("operations/") else record
        path = "/" + route.replace("<slug:slug>", slug)
        assert "<" not in path, f"Say here how the address of {route} is made."
        found += [path, *([path + QUERIES[route].format(record=record)] if route in QUERIES else [])]
    return found


async def stored() -> dict[str, str]:
    """Return all that the database holds."""
    held = {}
    for model in apps.get_models():
        rows = [row async for row in model._default_manager.order_by("pk")]
        held[model.__name__] = serializers.serialize("json", rows)
    return held


@pytest.fixture
async def launched(alice: AsyncClient) -> tuple[str, str]:
    """Return the names of a session that runs and of the operation that launched it."""
    await alice.post("/launch", launch_values())

    async def running() -> Record | None:
        await alice.get("/")
        return await Record.objects.filter(state="running").afirst()

    record = await until(running)
    operation = await Operation.objects.aget()
    await alice.get(f"/s/{record.slug}")
    return record.slug, operation.slug


def test_every_address_is_known_here():
    assert len(ROUTES) > 20
    assert set(QUERIES) <= set(ROUTES)


async def test_head_is_get_without_a_body_and_without_effect(alice, launched, monkeypatch):
    asked = []
    everything = addresses(*launched)
    with monkeypatch.context() as patched:
        for name in ("stream_log", "refresh_events"):
            patched.setattr(Connection, name, lambda self, record, *_: asked.append(record))
        before = await stored()
        heads = {address: await alice.head(address) for address in everything}
        assert await stored() == before
    assert asked == []
    assert not feeds.registry().feeds
    monkeypatch.setattr(waiting, "PATIENCE", 0.1)
    for address, head in heads.items():
        whole = await alice.get(address)
        assert head.content == b"", address
        assert not head.streaming, address
        if not address.endswith(UNASKED):
            assert head.status_code == whole.status_code, address
            for name in ALIKE:
                assert head.headers.get(name) == whole.headers.get(name), (address, name)
    await feeds.registry().close()


async def test_a_visitor_who_only_looks_at_heads_leaves_nothing_behind(anonymous, launched):
    before = await stored()
    for address in addresses(*launched):
        head = await anonymous.head(address)
        assert head.content == b"", address
        assert head.status_code in {200, 302, 401, 405, 410}, address
        assert not head.cookies, address
    assert await stored() == before


async def test_head_tells_a_stranger_nothing(bob, launched):
    record, operation = launched
    for route in ROUTES:
        if "<slug:slug>" in route:
            path = "/" + route.replace(
                "<slug:slug>", operation if route.startswith("operations/") else record
            )
            head, whole = await bob.head(path), await bob.get(path)
            assert head.status_code == whole.status_code in {302, 404, 405}, path


async def test_head_of_a_session_that_can_be_opened_says_where_and_keeps_no_opening(
    alice, launched, monkeypatch
):
    record = await Record.objects.aget(slug=launched[0])
    record.kind = "notebook"
    await record.asave()

    async def ready(self: Connection, record: Record) -> tuple[str, str]:
        return "running", "https://sessions.example/here"

    monkeypatch.setattr(Connection, "connect_address", ready)
    before = await stored()
    head = await alice.head(f"/s/{record.slug}/open")
    assert (head.status_code, head.headers["Location"]) == (303, "https://sessions.example/here")
    assert await stored() == before
    assert (await alice.get(f"/s/{record.slug}/open")).status_code == 303
    assert await stored() != before
