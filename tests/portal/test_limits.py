"""How often something may be asked for, and that nobody gets round it."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from django.test import RequestFactory

from sessions_app import connections, limiter
from sessions_app.models import Operation, Record
from sessions_app.views.signin import PATIENCE
from tests.portal.conftest import launch_values

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_minute(monkeypatch):
    """Let the limits' clock stand in the middle of a minute: what was counted does not wear off while one counts."""
    middle = time.time() // 60 * 60 + 30
    monkeypatch.setattr("limits.aio.storage.memory.time", SimpleNamespace(time=lambda: middle))


@pytest.fixture
def asked(monkeypatch):
    """What the platform was asked of who signs in; it knows nobody."""
    from sessions_app.client import errors

    tried = []

    async def identify(token):
        tried.append(token)
        raise errors.NotSignedInError

    async def login(name, password):
        tried.append(name)
        raise errors.NotSignedInError

    monkeypatch.setattr(connections, "identify", identify)
    monkeypatch.setattr(connections, "login", login)
    return tried


def by(number: int) -> dict[str, str]:
    """Come from an address of one's own, through a proxy that is believed."""
    return {"X-Forwarded-For": f"192.0.2.{number}"}


def limited(answer) -> bool:
    if answer.status_code != 429:
        return False
    assert 1 <= int(answer.headers["Retry-After"]) <= 120
    assert "and try again" in answer.text
    return True


async def test_one_account_is_tried_five_times_a_minute_wherever_from(anonymous, asked, settings):
    settings.BEHIND_PROXY = True
    answers = [
        await anonymous.post("/signin", {"username": name, "password": f"guess-{n}"}, headers=by(n))
        for n, name in enumerate(["ann", "Ann", " ann", "ANN"] * 25)
    ]
    assert len(asked) == 5
    assert [limited(answer) for answer in answers] == [False] * 5 + [True] * 95
    assert {answer.status_code for answer in answers[:5]} == {401}


async def test_one_address_tries_twenty_times_a_minute_whomever(anonymous, asked):
    answers = await asyncio.gather(*(anonymous.post("/signin", {"token": f"wrong-{n}"}) for n in range(100)))
    assert len(asked) == 20
    assert sum(limited(answer) for answer in answers) == 80


async def test_somebody_at_another_address_is_not_held_up(anonymous, asked, settings):
    settings.BEHIND_PROXY = True
    for n in range(30):
        await anonymous.post("/signin", {"token": f"wrong-{n}"}, headers=by(1))
    answer = await anonymous.post("/signin", {"token": "other"}, headers=by(2))
    assert answer.status_code == 401


async def test_an_address_that_was_written_into_a_header_changes_nothing(anonymous, asked):
    for n in range(40):
        forged = {"X-Forwarded-For": f"198.51.100.{n}", "Forwarded": f"for=198.51.100.{n}"}
        await anonymous.post("/signin", {"token": f"wrong-{n}"}, headers=forged)
    assert len(asked) == 20


@pytest.mark.parametrize(
    ("peer", "told", "behind", "whose"),
    [
        ("192.0.2.1", "198.51.100.7", False, "192.0.2.1"),
        ("127.0.0.1", "evil, 198.51.100.7", True, "198.51.100.7"),
        ("127.0.0.1", "", True, "127.0.0.1"),
        ("127.0.0.1", "x" * 5000, True, "unknown"),
        ("2001:db8:1:2:3:4:5:6", "", False, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", False, "192.0.2.1"),
        ("", "", False, "unknown"),
    ],
)
def test_whose_address_it_is(settings, peer, told, behind, whose):
    settings.BEHIND_PROXY = behind
    request = RequestFactory().get("/", headers={"X-Forwarded-For": told}, REMOTE_ADDR=peer)
    assert limiter.address_of(request) == whose


@pytest.mark.parametrize("field", ["token", "username", "password"])
async def test_a_megabyte_is_no_name_password_or_token_and_costs_nothing(anonymous, asked, field):
    typed = {"username": "ann", "password": "x"} if field != "token" else {}
    typed[field] = "x" * 1_000_000
    began = time.process_time()
    answers = [await anonymous.post("/signin", typed) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {400}
    assert (time.process_time() - began) / 20 < 0.05
    assert all(len(answer.content) < 200 for answer in answers)
    assert asked == []


async def test_sign_in_links_are_not_tried_without_end(anonymous):
    answers = [await anonymous.get(f"/welcome?key=guess-{n}") for n in range(70)]
    assert [answer.status_code for answer in answers].count(410) == 60
    assert limited(answers[-1])


async def test_launches_are_limited_and_the_form_keeps_what_was_typed(alice):
    await Record.objects.all().adelete()
    for _ in range(limiter.LAUNCHES.amount):
        await limiter.count(limiter.LAUNCHES, alice.person, "")
    answer = await alice.post("/launch", launch_values(name="typed-name"))
    assert limited(answer)
    assert "Nothing was launched" in answer.text
    assert 'value="typed-name"' in answer.text
    assert not await Operation.objects.aexists()


async def test_openings_and_searches_are_limited(alice):
    record = Record.objects.draft(alice.person, "k3xv9q2a")
    record.state, record.kind = "running", "notebook"
    await record.asave()
    for limit in (limiter.OPENINGS, limiter.SEARCHES):
        for _ in range(limit.amount):
            await limiter.count(limit, alice.person, "")
    assert limited(await alice.get(f"/s/{record.slug}/open"))
    assert limited(await alice.get(f"/s/{record.slug}/log/search?q=x"))
    # The next step of a search that began is none of its own.
    assert (await alice.get(f"/s/{record.slug}/log/search?q=x&after=7")).status_code == 200


async def test_a_platform_that_hangs_is_told_within_eight_seconds_where_one_signs_in(
    anonymous, settings, connections_closed
):
    async def hang(reader, writer):
        await reader.read()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings.PLATFORM_URL, settings.PLATFORM_LOGIN = f"{address}/skaha/v1", f"{address}/ac/login"
    began = time.monotonic()
    answers = await asyncio.gather(
        anonymous.post("/signin", {"token": "some-token"}),
        anonymous.post("/signin", {"username": "ann", "password": "x"}),
    )
    assert PATIENCE < 8
    # Each of the calls would be waited for up to 30 s.
    assert time.monotonic() - began < 25
    for answer in answers:
        assert answer.status_code == 502
        assert "did not say in time who you are" in answer.text
    server.close()
