"""Who gets in, how, and that nothing is left behind when they leave."""

import asyncio
import json
import re
import subprocess
import sys
import uuid

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.core import signing
from django.test import AsyncClient

from sessions_app.models import Credential, Person, WelcomeKey
from sessions_app.signin import browsers
from sessions_app.signin.browsers import SessionStore
from sessions_app.views.onward import own_path
from tests.platforms import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_stranger_is_sent_to_sign_in_and_back(anonymous):
    answer = await anonymous.get("/s/abc?x=1")
    assert answer.status_code == 302
    assert answer.url == "/signin?next=/s/abc%3Fx%3D1"


async def test_a_strangers_fragment_sends_the_whole_page_to_sign_in(anonymous):
    answer = await anonymous.get(
        "/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/?kind=notebook"}
    )
    assert answer.headers["HX-Redirect"] == "/signin?next=/%3Fkind%3Dnotebook"


async def test_the_welcome_link_signs_in_once(platform, anonymous):
    person = await Person.objects.aenter(settings.PLATFORM_KEY, platform.user)
    key = await _made(person)
    shown = [await anonymous.get(f"/welcome?key={key}") for _ in range(2)]
    assert [each.status_code for each in shown] == [200, 200]
    assert f"Sign in as {platform.user}</button>" in shown[0].text
    assert (await anonymous.get("/")).status_code == 302
    answers = await asyncio.gather(*(AsyncClient().post("/welcome", {"key": key}) for _ in range(5)))
    assert sorted(each.status_code for each in answers) == [302, 410, 410, 410, 410]
    assert (await anonymous.get(f"/welcome?key={key}")).status_code == 410


async def test_a_welcome_link_needs_the_form_of_its_own_page(platform):
    """Whoever is led to it from elsewhere is not signed in as somebody else."""
    person = await Person.objects.aenter(settings.PLATFORM_KEY, platform.user)
    key = await _made(person)
    client = AsyncClient(enforce_csrf_checks=True)
    assert (await client.post("/welcome", {"key": key})).status_code == 403
    page = await client.get(f"/welcome?key={key}")
    secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
    answer = await client.post("/welcome", {"key": key, "csrfmiddlewaretoken": secret})
    assert (answer.status_code, answer.url) == (302, "/")


async def test_a_visitor_leaves_no_row_behind(anonymous):
    for _ in range(3):
        page = await AsyncClient().get("/signin")
        assert len(page.cookies[settings.SESSION_COOKIE_NAME].value) < 1000
    client = AsyncClient(enforce_csrf_checks=True)
    secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', (await client.get("/signin")).text)[1]
    answer = await client.post("/signin", {"token": "two words", "csrfmiddlewaretoken": secret})
    assert answer.status_code == 400
    assert (await AsyncClient(enforce_csrf_checks=True).post("/signin", {"token": "x"})).status_code == 403
    assert not await Session.objects.aexists()


async def test_a_visitors_cookie_that_was_changed_or_is_old_says_nothing(anonymous, monkeypatch):
    await anonymous.get("/signin")
    key = anonymous.cookies[settings.SESSION_COOKIE_NAME].value
    assert (await SessionStore(key).aload()) != {}
    assert (await SessionStore(key[:-1] + ("A" if key[-1] != "A" else "B")).aload()) == {}
    assert (await SessionStore("~" + signing.dumps({SESSION_KEY: "1"})).aload()) == {}
    monkeypatch.setattr(browsers, "SECONDS", -1)
    assert (await SessionStore(key).aload()) == {}


async def test_a_newer_welcome_link_ends_the_older(platform, anonymous):
    person = await Person.objects.aenter(settings.PLATFORM_KEY, platform.user)
    old = await _made(person)
    await _made(person)
    assert (await anonymous.get(f"/welcome?key={old}")).status_code == 410


async def test_a_pasted_token_is_checked_with_the_platform(platform, anonymous, connections_closed):
    answer = await anonymous.post("/signin", {"token": platform.token, "next": "/launch"})
    assert 'content="0; url=/launch"' in answer.text
    person = await Person.objects.aget(name=platform.user)
    assert await Credential.objects.atoken(person) == platform.token


async def test_a_refused_token_is_said_and_not_repeated(platform, anonymous, connections_closed):
    answer = await anonymous.post("/signin", {"token": "canary-4711"})
    assert answer.status_code == 401
    assert "does not accept this token" in answer.text
    assert "canary-4711" not in answer.text
    assert not await Person.objects.aexists()


async def test_a_password_signs_in_and_is_not_kept(served_to_bob, anonymous, connections_closed):
    name, password = served_to_bob
    answer = await anonymous.post("/signin", {"username": f" {name} ", "password": password})
    assert (answer.status_code, answer.url) == (302, "/")
    person = await Person.objects.aget(name=name)
    kept = await Credential.objects.atoken(person)
    assert kept != password
    assert (await anonymous.get("/")).status_code == 200


async def test_a_wrong_password_is_said_with_the_name_kept_and_the_password_not(
    platform, anonymous, connections_closed
):
    typed = {"username": "ann", "password": "canary-4711", "next": "/s/abc#L7"}
    answer = await anonymous.post("/signin", typed)
    assert answer.status_code == 401
    assert "does not know this name with this password" in answer.text
    assert 'value="ann"' in answer.text
    assert 'name="next" value="/s/abc#L7"' in answer.text
    assert "canary-4711" not in answer.text


async def test_whoever_guesses_is_told_how_long_to_wait(platform, anonymous, connections_closed):
    for _ in range(6):
        answer = await anonymous.post("/signin", {"username": "guessed", "password": "canary-4711"})
    assert answer.status_code == 429
    said = re.search(r'role="alert">(.*?)</p>', answer.text)[1]
    assert re.fullmatch(
        r"Too many tries to sign in were made with this name or token\. Wait \d+ seconds and try again\.",
        said,
    )


@pytest.mark.parametrize("typed", [("", "x"), ("ann", ""), ("ann", "x" * 2000)])
async def test_what_cannot_be_a_name_and_a_password_is_refused_without_asking(anonymous, typed):
    answer = await anonymous.post("/signin", {"username": typed[0], "password": typed[1]})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


async def test_a_password_is_asked_for_only_where_the_platform_takes_one(anonymous, settings):
    assert 'name="password"' in (await anonymous.get("/signin")).text
    settings.PLATFORM_LOGIN = ""
    answer = await anonymous.get("/signin")
    assert 'name="password"' not in answer.text
    assert 'name="token"' in answer.text


async def test_a_platform_that_is_away_is_said_where_one_signs_in(anonymous, settings, connections_closed):
    settings.PLATFORM_LOGIN = "http://localhost:9/ac/login"
    answer = await anonymous.post("/signin", {"username": "ann", "password": "canary-4711"})
    assert answer.status_code == 502
    assert "cannot be reached" in answer.text


async def test_a_welcome_link_brings_its_credential_along(platform, anonymous, connections_closed):
    person = await Person.objects.aenter(settings.PLATFORM_KEY, platform.user)
    key = await _made(person, platform.token)
    assert not await Credential.objects.aexists()
    await anonymous.post("/welcome", {"key": key})
    assert (await anonymous.get("/")).status_code == 200
    assert not await WelcomeKey.objects.exclude(sealed="").aexists()


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "é", "x" * 20_000])
async def test_what_cannot_be_a_token_is_refused_without_asking(anonymous, token, connections_closed):
    answer = await anonymous.post("/signin", {"token": token})
    assert answer.status_code == 400
    assert "token" in answer.text


async def test_a_credential_at_rest_is_sealed_and_bound_to_its_owner(enter):
    await enter("alice", "canary-4711")
    await enter("bob", "other")
    alices = await Credential.objects.select_related("person").aget(person__name="alice")
    assert "canary-4711" not in alices.sealed
    bob = await Person.objects.aget(name="bob")
    await Credential.objects.filter(person=bob).aupdate(sealed=alices.sealed)
    assert await Credential.objects.atoken(bob) is None


async def test_signing_out_ends_the_session_and_forgets_the_credential(alice):
    cookie = alice.cookies[settings.SESSION_COOKIE_NAME].value
    answer = await alice.post("/signout")
    assert answer.url == "/signin"
    assert '"storage"' in answer.headers["Clear-Site-Data"]
    assert not await Session.objects.filter(session_key=cookie).aexists()
    assert not await Credential.objects.filter(person=alice.person).aexists()


async def test_a_new_sign_in_begins_a_new_browser_session(platform, anonymous, connections_closed):
    await anonymous.get("/signin")
    before = anonymous.cookies[settings.SESSION_COOKIE_NAME].value
    await anonymous.post("/signin", {"token": platform.token})
    assert anonymous.cookies[settings.SESSION_COOKIE_NAME].value != before


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil",
        "/x\r\nSet-Cookie: a",
        "///evil.example",
        "",
    ],
)
def test_the_way_back_is_only_ever_a_path_of_ours(wanted):
    assert own_path(wanted) == ""


def test_a_path_of_ours_is_a_way_back():
    assert own_path("/s/abc/open?x=1") == "/s/abc/open?x=1"


async def _made(person: Person, token: str = "") -> str:
    from asgiref.sync import sync_to_async

    return await sync_to_async(WelcomeKey.objects.make)(person, token)


@pytest.fixture
def served_to_bob(platform, platform_data) -> tuple[str, str]:
    """Somebody of the platform who has a password."""
    command = [sys.executable, "-m", "sessions_app.local", "user", "add", f"bob-{uuid.uuid4().hex[:6]}"]
    done = subprocess.run([*command, "--data", str(platform_data)], cwd=ROOT, capture_output=True, check=True)
    told = json.loads(done.stdout)
    return told["user"], told["password"]


async def test_a_session_can_still_be_reached_after_the_keys_were_replaced(alice, settings):
    from dataclasses import replace

    from cryptography.fernet import Fernet

    from sessions_app import connections
    from tests.portal.conftest import launch_values

    slug = (await alice.post("/launch", launch_values())).url.rpartition("/")[2]
    token = await Credential.objects.atoken(alice.person)
    settings.KEYS = replace(settings.KEYS, credential_keys=(Fernet.generate_key().decode(),))
    assert (await alice.get("/")).status_code == 200  # The connection in memory goes on.
    connections.forget(alice.person)
    assert (await alice.get("/")).url == "/signin"
    await Credential.objects.akeep(alice.person, token)
    await alice.get("/")
    assert (await alice.get(f"/s/{slug}/log.txt")).status_code == 200
