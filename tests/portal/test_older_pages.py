"""A form of a page that is older than the sign-in: one press goes on with all that was typed, nothing is done twice."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import AsyncClient
from django.utils import timezone

from sessions_app import kept
from sessions_app.models import Credential, Operation, Record, Step
from tests.portal.conftest import launch_values

pytestmark = pytest.mark.django_db(transaction=True)
HERE = {"Sec-Fetch-Site": "same-origin"}
SECRET = "canary-4711"
TYPED = {"cmd": "sleep", "args": "60", "env": f'A={SECRET}\r\nB="<b>"', "script": "", "name": "typed"}


class Browser:
    """Somebody's browser, with the forgery check that Django's test client leaves out."""

    def __init__(self, client: AsyncClient | None = None, person: str = "") -> None:
        self.client = AsyncClient(enforce_csrf_checks=True)
        self.person = person
        if client is not None:
            self.client.cookies = client.cookies

    async def token(self, address: str = "/launch") -> str:
        page = await self.client.get(address)
        return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]

    async def post(self, address: str, values: dict[str, Any], **headers: str) -> Any:
        return await self.client.post(address, values, headers=HERE | headers)

    async def ask(self, address: str, values: dict[str, Any]) -> Any:
        """Ask as a page does that htmx drives."""
        return await self.post(address, values, **{"HX-Request": "true", "X-Person": self.person})

    async def press(self, page: str, action: str) -> Any:
        """Press the button of the form that leads to this address, with what its fields hold."""
        form = re.search(
            rf'<form[^>]*action="{re.escape(action)}"(?:(?!</form>).)*name="(?:key|s)".*?</form>',
            page,
            re.DOTALL,
        )
        values: dict[str, list[str]] = {}
        for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0]):
            values.setdefault(name, []).append(html.unescape(value))
        return await self.post(action, values)


@pytest.fixture
def browser(alice) -> Browser:
    return Browser(alice, alice.person.name)


async def signed_in_anew(browser: Browser, platform) -> None:
    """Sign out and in again in another tab."""
    await browser.post(
        "/signin", {"token": platform.token, "csrfmiddlewaretoken": await browser.token("/signin")}
    )


async def nothing_kept() -> bool:
    """Say that no value of a variable is in what the portal keeps."""
    rows = [session.get_decoded() async for session in Session.objects.all()]
    return SECRET not in str(rows) + str([operation.request async for operation in Operation.objects.all()])


async def test_a_launch_of_a_page_older_than_the_sign_in_goes_on_with_one_press(browser, platform):
    values = launch_values(**TYPED, csrfmiddlewaretoken=await browser.token())
    await signed_in_anew(browser, platform)
    page = await browser.post("/launch", values)
    assert page.status_code == 403
    assert "Nothing was done yet, and nothing that you typed is lost." in page.text
    assert f"signed in as <strong>{browser.person}</strong>" in page.text
    assert not await Operation.objects.aexists()
    assert await nothing_kept()
    answer = await browser.press(page.text, "/launch")
    assert answer.status_code == 302
    operation = await Operation.objects.aget()
    assert (operation.request["cmd"], operation.request["env"]) == ("sleep", ["A", "B"])
    # Whoever presses twice, or sends the old page once more, finds the same session.
    again = await browser.press((await browser.post("/launch", values)).text, "/launch")
    assert again.url == answer.url
    assert await Step.objects.acount() == 1


async def test_whoever_is_signed_out_signs_in_and_goes_on_with_all_that_was_typed(browser, platform):
    values = launch_values(**TYPED, csrfmiddlewaretoken=await browser.token())
    await browser.client.post("/signout", {"csrfmiddlewaretoken": values["csrfmiddlewaretoken"]})
    page = await browser.post("/launch", values)
    assert page.status_code == 401
    held = html.unescape(re.search(r'name="kept" value="([^"]*)"', page.text)[1])
    assert kept.of_text(held).path == "/launch"
    secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
    # A wrong token loses nothing.
    wrong = await browser.post("/signin", {"token": "wrong", "kept": held, "csrfmiddlewaretoken": secret})
    assert wrong.status_code == 401
    held = html.unescape(re.search(r'name="kept" value="([^"]*)"', wrong.text)[1])
    secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', wrong.text)[1]
    assert await nothing_kept()
    on = await browser.post("/signin", {"token": platform.token, "kept": held, "csrfmiddlewaretoken": secret})
    assert on.status_code == 200
    assert f"signed in as <strong>{browser.person}</strong>" in on.text
    answer = await browser.press(on.text, "/launch")
    assert answer.status_code == 302
    assert (await Operation.objects.aget()).request["env"] == ["A", "B"]
    assert await nothing_kept()


async def test_whoever_signs_in_in_another_tab_presses_one_button(browser, platform):
    values = launch_values(**TYPED, csrfmiddlewaretoken=await browser.token())
    browser.client.cookies.clear()
    page = await browser.post("/launch", values)
    assert "I have signed in in another tab" in page.text
    await signed_in_anew(browser, platform)
    page = await browser.press(page.text, "/launch")
    assert page.status_code == 403
    assert (await browser.press(page.text, "/launch")).status_code == 302
    assert await Step.objects.acount() == 1


async def test_what_was_typed_can_be_looked_at_first(browser, platform):
    values = launch_values(**TYPED, csrfmiddlewaretoken=await browser.token())
    await signed_in_anew(browser, platform)
    page = await browser.post("/launch", values)
    assert 'name="redraw" value="1">Look at it first' in page.text
    fresh = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
    form = await browser.post("/launch", {**values, "csrfmiddlewaretoken": fresh, "redraw": "1"})
    assert f"A={SECRET}\r\nB=&quot;&lt;b&gt;&quot;</textarea>" in form.text
    assert 'name="name" value="typed"' in form.text
    assert not await Operation.objects.aexists()


async def test_a_credential_that_is_gone_loses_nothing_either(browser, alice):
    from sessions_app import connections

    values = launch_values(**TYPED, csrfmiddlewaretoken=await browser.token())
    # Somebody signed out in another browser.
    await Credential.objects.adrop(alice.person)
    connections.forget(alice.person)
    page = await browser.post("/launch", values)
    assert page.status_code == 401
    assert 'name="kept"' in page.text


async def test_what_a_page_asks_by_itself_is_asked_again_with_the_new_secret(browser, platform):
    old = await browser.token()
    await signed_in_anew(browser, platform)
    for address, values in (
        ("/launch/check", launch_values(**TYPED)),
        ("/launch", launch_values(**TYPED, redraw="1")),
        ("/theme", {"theme": "dark"}),
    ):
        refused = await browser.ask(address, {**values, "csrfmiddlewaretoken": old})
        assert refused.status_code == 403
        fresh = refused.headers["X-Form-Token"]
        again = await browser.ask(address, {**values, "csrfmiddlewaretoken": fresh})
        assert again.status_code in {200, 204}, address


async def test_checks_of_a_page_of_somebody_who_is_signed_out_say_so_and_lead_nowhere(browser):
    old = await browser.token()
    browser.client.cookies.clear()
    for values in (launch_values(), launch_values(redraw="1")):
        address = "/launch" if "redraw" in values else "/launch/check"
        refused = await browser.ask(address, {**values, "csrfmiddlewaretoken": old})
        assert refused.status_code == 401
        assert "HX-Redirect" not in refused.headers
        assert "X-Form-Token" not in refused.headers


async def test_a_dialog_that_is_older_than_the_sign_in_goes_on(browser, platform, settings):
    settings.UNDO_SECONDS = 60
    await browser.post("/launch", launch_values(csrfmiddlewaretoken=await browser.token()))
    slug, old = (await Record.objects.aget()).slug, await browser.token()
    await signed_in_anew(browser, platform)
    sent = {"s": slug, "key": "k", "csrfmiddlewaretoken": old}
    refused = await browser.ask("/destroy", sent)
    fresh = refused.headers["X-Form-Token"]
    await browser.ask("/destroy", {**sent, "csrfmiddlewaretoken": fresh})
    operation = await Operation.objects.aget(verb="destroy")
    # Without scripts, and to take it back, the same.
    address = f"/operations/{operation.slug}/undo"
    page = await browser.post(address, {"csrfmiddlewaretoken": old})
    assert page.status_code == 403
    assert re.search(r'type="submit" autofocus>Undo</button>', page.text)
    fresh = re.search(rf'action="{address}">\s*<input[^>]*value="(\w+)"', page.text)[1]
    assert (await browser.post(address, {"csrfmiddlewaretoken": fresh})).status_code == 302
    assert (await Step.objects.aget(operation=operation)).state == "undone"


async def test_a_dialog_of_somebody_who_is_signed_out_offers_to_sign_in_and_go_on(browser, platform):
    old = await browser.token()
    browser.client.cookies.clear()
    answer = await browser.ask("/destroy", {"s": "abc", "key": "k", "csrfmiddlewaretoken": old})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#dialog-body")
    assert "Sign in and go on" in answer.text
    page = await browser.press(answer.text, "/destroy")
    assert page.status_code == 401
    assert 'name="kept"' in page.text


async def test_a_page_of_one_person_never_goes_on_by_itself_as_another(browser, platform):
    old = await browser.token()
    await signed_in_anew(browser, platform)
    browser.person = "somebody else"
    answer = await browser.ask("/renew", {"s": "abc", "key": "k", "csrfmiddlewaretoken": old})
    assert answer.status_code == 422
    assert "X-Form-Token" not in answer.headers
    assert "You are signed in as <strong>" in answer.text
    check = await browser.ask("/launch/check", launch_values(csrfmiddlewaretoken=old))
    assert check.status_code == 401


async def test_signing_out_from_an_old_page_is_one_press_or_none(browser, platform):
    old = await browser.token()
    await signed_in_anew(browser, platform)
    page = await browser.post("/signout", {"csrfmiddlewaretoken": old})
    assert re.search(r'type="submit" autofocus>Sign out</button>', page.text)
    fresh = re.search(r'action="/signout">\s*<input[^>]*value="(\w+)"', page.text)[1]
    assert (await browser.post("/signout", {"csrfmiddlewaretoken": fresh})).url == "/signin"
    # Who is out already is there.
    assert (await browser.post("/signout", {"csrfmiddlewaretoken": old})).url == "/signin"


async def test_other_tabs_are_led_nowhere_in_the_moment_of_a_new_sign_in(browser, platform, monkeypatch):
    other = Browser(person=browser.person)
    other.client.cookies = browser.client.cookies.copy()
    await signed_in_anew(browser, platform)
    # It asks with the old cookie, as the new one is on its way, and for moments only.
    old = await Session.objects.aget(session_key=other.client.cookies[settings.SESSION_COOKIE_NAME].value)
    assert (await other.client.get("/")).status_code == 200
    assert old.expire_date - timezone.now() < timedelta(seconds=11)
    # Signing out ends it at once.
    await browser.post("/signout", {"csrfmiddlewaretoken": await browser.token()})
    assert (await other.client.get("/")).url == "/signin"


async def test_a_sign_in_page_that_is_too_old_signs_in(platform, transactional_db, connections_closed):
    browser = Browser()
    old = await browser.token("/signin")
    browser.client.cookies.clear()
    answer = await browser.post("/signin", {"token": platform.token, "csrfmiddlewaretoken": old})
    assert (answer.status_code, answer.url) == (302, "/")
    other = Browser()
    refused = await other.post(
        "/signin", {"token": platform.token, "csrfmiddlewaretoken": old}, **{"Sec-Fetch-Site": "cross-site"}
    )
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_nothing_that_another_site_sends_is_offered_to_go_on_with(browser, platform, headers):
    old = await browser.token()
    await signed_in_anew(browser, platform)
    page = await browser.post("/launch", launch_values(csrfmiddlewaretoken=old), **headers)
    assert page.status_code == 403
    assert "fit" not in page.text
    fragment = await browser.ask("/launch/check", launch_values(csrfmiddlewaretoken=old))
    assert "X-Form-Token" in fragment.headers
    foreign = await browser.post(
        "/launch/check",
        launch_values(csrfmiddlewaretoken=old),
        **headers,
        **{"HX-Request": "true", "X-Person": browser.person},
    )
    assert "X-Form-Token" not in foreign.headers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '["//evil.example/launch", []]',
        '["https://evil.example/launch", []]',
        '["/signin", [["token", "x"]]]',
        '["/nothing", []]',
        '["javascript:alert(1)", []]',
        '["/\\\\evil", []]',
    ],
)
def test_a_form_only_ever_goes_on_to_one_of_ours(text):
    assert kept.of_text(text) is None


async def test_the_platforms_own_no_leads_to_the_sign_in_with_all_that_was_typed(browser, alice, monkeypatch):
    from sessions_app import connections

    values = launch_values(**TYPED, csrfmiddlewaretoken=await browser.token())
    await Credential.objects.akeep(alice.person, "expired")
    connections.forget(alice.person)
    page = await browser.post("/launch", values)
    assert page.status_code == 401
    held = kept.of_text(html.unescape(re.search(r'name="kept" value="([^"]*)"', page.text)[1]))
    fields = dict(held.fields)
    assert (fields["name"], fields["env"]) == ("typed", TYPED["env"])
    # What was refused was written down as refused: going on is a launch of its own.
    assert fields["key"] != values["key"] or not await Operation.objects.aexists()
    assert settings.LOGIN_URL == "signin:start"
