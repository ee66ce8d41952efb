"""The database away or locked, the disk full: a sentence, pages that only read go on, and it mends by itself."""

import contextlib
import sqlite3

import pytest
from asgiref.sync import sync_to_async
from django.db import connections as databases
from django.test import AsyncClient

from sessions_app.connections import Connection
from sessions_app.models import Operation, Record, WelcomeKey
from tests.portal.conftest import FRAGMENT, launch_values

pytestmark = pytest.mark.django_db(transaction=True)


@contextlib.asynccontextmanager
async def locked():
    """Let somebody else hold the right to write; who reads is not held up."""
    with contextlib.closing(sqlite3.connect(databases["default"].settings_dict["NAME"])) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def read_only():
    """Let nothing be written, as a disk that failed or has no room does."""
    return beginning_with("PRAGMA query_only=1;")


def away():
    """Let no connection be made any more."""
    return beginning_with("SELECT no_such_function();")


@contextlib.asynccontextmanager
async def beginning_with(command: str):
    options = databases["default"].settings_dict["OPTIONS"]
    before = options["init_command"]
    options["init_command"] = before + command
    try:
        await sync_to_async(databases.close_all)()
        yield
    finally:
        options["init_command"] = before
        await sync_to_async(databases.close_all)()


@pytest.fixture(autouse=True)
def impatient():
    """Wait for a lock not as long as people do."""
    options = databases["default"].settings_dict["OPTIONS"]
    options["timeout"] = 0.2
    yield
    options["timeout"] = 5


@pytest.fixture
def patient_client(alice):
    """Alice's browser, which shows a 500 instead of raising."""
    client = AsyncClient(raise_request_exception=False)
    client.cookies = alice.cookies
    client.person = alice.person
    return client


TROUBLES = pytest.mark.parametrize("trouble", [locked, read_only, away])


async def sent(client, verb, platform):
    if verb == "launch":
        return await client.post("/launch", launch_values(key="k2"))
    if verb == "destroy":
        slugs = [record.slug async for record in Record.objects.all()]
        return await client.post("/destroy", {"key": "k3", "sessions": slugs, "session": slugs})
    if verb == "signout":
        return await client.post("/signout")
    return await client.post("/signin", {"token": platform.token})


@TROUBLES
@pytest.mark.parametrize("verb", ["launch", "signin", "signout"])
async def test_what_must_be_written_down_is_refused_with_a_sentence_and_works_afterwards(
    patient_client, platform, trouble, verb
):
    async with trouble():
        answer = await sent(patient_client, verb, platform)
        assert answer.status_code == 503, answer.text
        assert answer.headers["Retry-After"] == "5"
        assert "The portal cannot read or write its own records at the moment" in answer.text
        assert str(patient_client.person) not in answer.text
    assert not await Operation.objects.aexists()
    answer = await sent(patient_client, verb, platform)
    assert answer.status_code in {200, 302}


@pytest.mark.parametrize("trouble", [locked, read_only])
async def test_pages_that_only_read_go_on(patient_client, trouble):
    slug = (await patient_client.post("/launch", launch_values())).url.rpartition("/")[2]
    for address in ("/", "/launch", f"/s/{slug}"):
        assert (await patient_client.get(address)).status_code == 200
    async with trouble():
        for address in (
            "/",
            "/launch",
            f"/s/{slug}",
            f"/s/{slug}/events.txt",
            "/stats",
            "/healthz",
            "/signin",
        ):
            answer = await patient_client.get(address)
            assert answer.status_code == 200, (address, answer.text)


@pytest.mark.parametrize("trouble", [locked, read_only])
async def test_a_session_opens_also_when_that_cannot_be_noted(patient_client, monkeypatch, trouble):
    record = Record.objects.draft(patient_client.person, "k3xv9q2a")
    record.state, record.kind = "running", "notebook"
    await record.asave()

    async def connect_address(self, record):
        return "running", "http://s-abc.localhost:1/"

    monkeypatch.setattr(Connection, "connect_address", connect_address)
    async with trouble():
        answer = await patient_client.get(f"/s/{record.slug}/open")
    assert (answer.status_code, answer.url) == (303, "http://s-abc.localhost:1/")


async def test_a_fragment_leaves_the_page_as_it_is_and_says_so_beside_it(patient_client):
    async with away():
        answer = await patient_client.get("/", headers=FRAGMENT)
    assert answer.status_code == 503
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#notices", "innerHTML")


async def test_whether_the_portal_lives_does_not_depend_on_its_database(patient_client):
    async with away():
        assert (await patient_client.get("/healthz")).status_code == 200


async def test_a_sign_in_link_that_could_not_be_used_is_not_used_up(anonymous, platform, enter):
    person = (await enter(platform.user, platform.token)).person
    key = await sync_to_async(WelcomeKey.objects.make)(person, platform.token)
    client = AsyncClient(raise_request_exception=False)
    async with read_only():
        assert (await client.post("/welcome", {"key": key})).status_code == 503
    assert (await client.post("/welcome", {"key": key})).status_code == 302
