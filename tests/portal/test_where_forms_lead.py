"""A form never leads out of the portal: Chromium drops such a chain without a word (`form-action`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import AsyncClient
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.conftest import until
from tests.portal.conftest import launch_values

pytestmark = pytest.mark.django_db(transaction=True)

# Every view that takes a form, and where it may lead: to pages of ours that redirect no further, or to no other page.
LEADS = {
    "theme": "a page that goes on by itself",
    "signin:start": "the sessions page, or a page that goes on by itself",
    "signin:welcome": "the sessions page",
    "signin:leave": "the sign-in page",
    "sessions:launch": "the page of a session or of an operation",
    "sessions:launch-check": "nowhere: it is a fragment",
    "sessions:renew": "the sessions page or that of an operation",
    "sessions:destroy": "the sessions page or that of an operation",
    "sessions:undo": "the sessions page or that of an operation",
    "sessions:again": "the page of an operation",
}


def names(resolver: URLResolver, space: str = "") -> Iterator[tuple[str, list[str]]]:
    """Return each view's name, with what its address takes."""
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            inner = f"{each.namespace}:" if each.namespace else ""
            yield from names(each, space + inner)
        elif isinstance(each, URLPattern):
            yield f"{space}{each.name}", list(each.pattern.converters)


async def landed(client: AsyncClient, answer: Any) -> int:
    """Return how the page answers that a form's answer leads to; fail if that leads on."""
    if answer.status_code not in {301, 302, 303, 307, 308}:
        return answer.status_code
    assert answer.url.startswith("/")
    assert not answer.url.startswith("//")
    page = await client.get(answer.url)
    assert page.status_code < 300 or page.status_code >= 400, page.url
    return page.status_code


async def test_every_view_that_takes_a_form_is_known_here(alice):
    taking = set()
    for name, arguments in names(get_resolver()):
        answer = await alice.post(reverse(name, args=["x" for _ in arguments]))
        if answer.status_code != 405:
            taking.add(name)
            await alice.aforce_login(alice.person, backend="django.contrib.auth.backends.ModelBackend")
    assert taking == set(LEADS)


async def test_a_launch_a_renewal_and_the_end_lead_to_pages_of_ours(alice):
    launched = await alice.post("/launch", launch_values())
    assert await landed(alice, launched) == 200
    slug = launched.url.rpartition("/")[2]
    for verb in ("renew", "destroy"):
        answer = await alice.post(f"/{verb}", {"s": slug, "key": verb})
        assert await landed(alice, answer) == 200
    assert await landed(alice, await alice.post("/signout")) == 200


async def test_signing_in_goes_on_from_a_page_of_ours(platform, anonymous, connections_closed):
    answer = await anonymous.post("/signin", {"token": platform.token, "next": "/s/abc/open#L100-L105"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/s/abc/open#L100-L105">' in answer.text
    assert '<a href="/s/abc/open#L100-L105">' in answer.text


async def test_the_switch_of_the_waiting_page_goes_on_from_a_page_of_ours(alice):
    values = launch_values(
        kind="contributed", image="images.canfar.net/skaha/ttyd:latest", name="shell", key="form-2"
    )
    image = await _a_contributed_image(alice)
    slug = (await alice.post("/launch", {**values, "image": image})).url.rpartition("/")[2]

    async def ready() -> Any:
        answer = await alice.get(f"/s/{slug}/open?stay=0")
        return answer if 'http-equiv="refresh" content="0;' in answer.text else None

    answer = await until(ready, seconds=120, what="a session that answers")
    assert answer.status_code == 200
    assert f"url=/s/{slug}/open" in answer.text
    onward = await alice.get(f"/s/{slug}/open")
    assert onward.status_code == 303
    assert ".localhost:" in onward.url


async def _a_contributed_image(alice: AsyncClient) -> str:
    from sessions_app.connections import connection_for

    images = (await (await connection_for(alice.person)).images()).value
    return next(image.id for image in images if "contributed" in image.types and "terminal" in image.id)
