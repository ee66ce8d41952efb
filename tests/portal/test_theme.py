"""The look that a browser chose: remembered by the portal, in every page from its first byte on."""

import pytest

from sessions_app.frame import THEME_COOKIE
from tests.portal.conftest import FRAGMENT

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_page_follows_the_system_until_somebody_chooses(anonymous):
    page = await anonymous.get("/signin")
    assert '<html lang="en" data-theme="auto">' in page.text
    assert '<meta name="color-scheme" content="light dark">' in page.text


async def test_a_chosen_theme_is_in_every_page_and_leads_back_without_scripts(anonymous):
    answer = await anonymous.post("/theme", {"theme": "dark", "next": "/signin?next=/launch"})
    assert 'content="0; url=/signin?next=/launch"' in answer.text
    page = await anonymous.get("/signin")
    assert '<html lang="en" data-theme="dark">' in page.text
    assert '<meta name="color-scheme" content="dark">' in page.text
    lost = await anonymous.get("/nothing")
    assert 'data-theme="dark"' in lost.text


async def test_a_page_with_scripts_is_answered_without_another_page(anonymous):
    answer = await anonymous.post("/theme", {"theme": "light"}, headers=FRAGMENT)
    assert answer.status_code == 204
    assert answer.cookies[THEME_COOKIE].value == "light"


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", ""])
async def test_the_way_back_from_a_choice_is_a_path_of_ours(anonymous, back):
    answer = await anonymous.post("/theme", {"theme": "dark", "next": back})
    assert 'content="0; url=/"' in answer.text


async def test_a_theme_that_is_none_is_neither_kept_nor_shown(anonymous):
    answer = await anonymous.post("/theme", {"theme": '"><script>'})
    assert THEME_COOKIE not in answer.cookies
    anonymous.cookies[THEME_COOKIE] = "pink"
    assert 'data-theme="auto"' in (await anonymous.get("/signin")).text


async def test_every_answer_tells_the_servers_time(anonymous):
    from time import time

    answer = await anonymous.get("/signin")
    assert abs(int(answer.headers["X-Server-Time"]) / 1000 - time()) < 60
    assert f'name="server-time" content="{answer.headers["X-Server-Time"][:6]}' in answer.text
