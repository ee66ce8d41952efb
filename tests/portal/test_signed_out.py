"""Signing out and a dead credential end what they say, everywhere, at once."""

import asyncio
import contextlib
from collections import Counter

import pytest
from django.conf import settings as django_settings
from django.test import AsyncClient

from sessions_app import access, connections
from sessions_app.client import errors
from sessions_app.models import Credential, Record
from tests.portal.conftest import FRAGMENT, launch_values

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def refusing(settings):
    """A platform that accepts no token any more, and what it was asked."""
    asked: Counter[str] = Counter()

    async def answer(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                asked[head.split()[1].removeprefix("/skaha/v1")] += 1
                said = b"invalid token"
                writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    settings.PLATFORM_URL = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/skaha/v1"
    yield asked
    server.close()


async def test_signing_out_ends_all_browsers_of_that_person_and_of_nobody_else(alice, enter):
    other = AsyncClient()
    await other.aforce_login(alice.person, backend="django.contrib.auth.backends.ModelBackend")
    bob = await enter("bob", "another-token")
    slug = (await alice.post("/launch", launch_values())).url.rpartition("/")[2]
    await alice.post("/signout")
    for address in (
        "/",
        "/launch",
        f"/s/{slug}",
        f"/s/{slug}/open",
        f"/s/{slug}/log/kept.txt",
        f"/s/{slug}/events.txt",
    ):
        answer = await other.get(address)
        assert (answer.status_code, answer.url.partition("?")[0]) == (302, "/signin"), address
    assert (await other.get(f"/s/{slug}/log/lines")).status_code == 401
    assert await access.person_of(await bob.asession()) is not None


async def test_whoever_signs_in_again_is_in_with_that_browser_alone(alice, platform):
    other = AsyncClient()
    await other.aforce_login(alice.person, backend="django.contrib.auth.backends.ModelBackend")
    await alice.post("/signout")
    await alice.post("/signin", {"token": platform.token})
    assert (await alice.get("/")).status_code == 200
    assert (await other.get("/")).status_code == 302


async def test_a_request_that_waits_ends_when_its_person_signs_out_elsewhere(alice):
    other = AsyncClient()
    await other.aforce_login(alice.person, backend="django.contrib.auth.backends.ModelBackend")
    slug = (await alice.post("/launch", launch_values())).url.rpartition("/")[2]
    seen = ""
    while (answer := (await other.get(f"/s/{slug}/events/since", {"seen": seen})).json())["frames"]:
        seen = answer["seen"]
        waits = asyncio.ensure_future(other.get(f"/s/{slug}/events/since", {"seen": seen}))
        done, _ = await asyncio.wait({waits}, timeout=3)
        if not done:
            break
    await alice.post("/signout")
    answer = await asyncio.wait_for(waits, 2)
    assert answer.json()["frames"] == []


@pytest.mark.parametrize("address", ["/", "/?kind=notebook", "/launch", "/stats"])
async def test_a_dead_token_leads_to_sign_in_and_back_and_is_not_used_again(enter, refusing, address):
    client = await enter("alice", "dead")
    answer = await client.get(address)
    assert answer.status_code == 302
    assert answer.url.startswith("/signin?")
    assert "why=expired" in answer.url
    said = (await client.get(answer.url)).text
    assert "The platform no longer accepts how you signed in" in said
    for again in range(3):
        await client.get(address, headers=FRAGMENT if again else {})
    assert max(refusing.values()) == 1, refusing
    assert not await Credential.objects.aexists()


async def test_a_fragment_of_a_dead_token_leads_the_whole_page_to_sign_in(enter, refusing):
    client = await enter("alice", "dead")
    here = {"HX-Current-URL": "http://testserver/?kind=notebook"}
    answer = await client.get("/", headers=FRAGMENT | here)
    assert answer.headers["HX-Redirect"] == "/signin?next=/%3Fkind%3Dnotebook&why=expired"


async def test_open_leads_to_sign_in_with_a_dead_token(enter, refusing):
    client = await enter("alice", "dead")
    record = Record.objects.draft(client.person, "k3xv9q2a")
    record.state, record.kind = "running", "notebook"
    await record.asave()
    answer = await client.get(f"/s/{record.slug}/open")
    assert (answer.status_code, answer.url) == (302, f"/signin?next=/s/{record.slug}/open&why=expired")
    assert sum(refusing.values()) == 1


async def test_what_holds_a_dead_connection_asks_nothing_more(enter, refusing):
    client = await enter("alice", "dead")
    connection = await connections.connection_for(client.person)
    for _ in range(3):
        with pytest.raises(errors.NotSignedInError):
            await connection.session.fetch()
    assert sum(refusing.values()) == 1


async def test_a_token_that_came_meanwhile_is_kept_when_the_old_one_is_refused(enter, refusing):
    client = await enter("alice", "dead")
    connection = await connections.connection_for(client.person)
    await Credential.objects.akeep(client.person, "fresh")
    with pytest.raises(errors.NotSignedInError):
        await connection.session.fetch()
    assert await Credential.objects.atoken(client.person) == "fresh"
    assert django_settings.SESSION_COOKIE_NAME in client.cookies
