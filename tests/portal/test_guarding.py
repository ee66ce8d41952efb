"""What every answer carries, and which requests are refused before a view sees them."""

import re

import pytest
from django.test import AsyncClient, RequestFactory

from sessions_app.connections import connection_for
from sessions_app.middleware import name_the_portal
from sessions_app.models import Operation, Person, Record
from tests.conftest import until
from tests.portal.conftest import launch_values

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def strict(alice) -> AsyncClient:
    """Alice's browser, with the forgery check that Django's test client leaves out."""
    client = AsyncClient(enforce_csrf_checks=True)
    client.cookies = alice.cookies
    return client


async def token(client: AsyncClient) -> str:
    page = await client.get("/launch")
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]


async def test_a_form_without_its_token_does_nothing(strict):
    answer = await strict.post("/launch", launch_values())
    assert answer.status_code == 403
    assert "nothing was done" in answer.text
    assert not await Operation.objects.aexists()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://s-abc.localhost:8001"},
        {"Origin": "null"},
    ],
)
async def test_a_form_from_another_site_does_nothing_even_with_the_token(strict, headers):
    values = launch_values(csrfmiddlewaretoken=await token(strict))
    answer = await strict.post("/launch", values, headers=headers)
    assert answer.status_code == 403
    assert not await Operation.objects.aexists()


async def test_our_own_form_is_taken(strict):
    values = launch_values(csrfmiddlewaretoken=await token(strict))
    answer = await strict.post("/launch", values, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 302


@pytest.mark.parametrize("address", ["/", "/launch", "/nothing", "/signin", "/welcome?key=x", "/healthz"])
async def test_every_answer_keeps_itself_to_itself(alice, address):
    answer = await alice.get(address)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert {"Cookie", "HX-Request"} <= {each.strip() for each in answer.headers["Vary"].split(",")}


async def test_the_bare_address_is_sent_to_localhost(settings):
    async def unreached(request):
        raise AssertionError("The visit was let through.")

    visit = RequestFactory().get("/launch?kind=notebook", headers={"host": "127.0.0.1:8000"})
    answer = await name_the_portal(unreached)(visit)
    assert (answer.status_code, answer.url) == (301, "http://localhost:8000/launch?kind=notebook")


async def test_a_name_that_is_not_the_portals_is_refused(anonymous, settings):
    settings.ALLOWED_HOSTS = ["localhost"]
    assert (await anonymous.get("/")).status_code == 400


async def test_whoever_signed_in_on_another_platform_is_nobody_here(alice, settings):
    settings.PLATFORM_KEY = "https://other.example/skaha/v1"
    answer = await alice.get("/")
    assert (answer.status_code, answer.url) == (302, "/signin")


async def test_a_credential_is_never_taken_to_another_platform(alice, settings):
    from sessions_app.client import errors

    settings.PLATFORM_KEY = "https://other.example/skaha/v1"
    with pytest.raises(errors.NotSignedInError):
        await connection_for(await Person.objects.aget(pk=alice.person.pk))


async def test_what_a_session_prints_of_its_own_id_is_hidden_everywhere(alice):
    values = launch_values(cmd="python3", args="-c import\tos;print('token='+os.environ['skaha_sessionid'])")
    answer = await alice.post("/launch", values)
    slug = answer.url.rpartition("/")[2]
    record = await Record.objects.aget(slug=slug)
    secret = (await connection_for(alice.person)).id_of(record)

    async def written() -> str:
        text = await alice.get(f"/s/{slug}/log.txt")
        return b"".join([piece async for piece in text.streaming_content]).decode()

    log = await until(written, what="the log")
    assert log == "token=[session id]\n"
    for address in (f"/s/{slug}", f"/s/{slug}/events.txt"):
        assert secret not in (await alice.get(address)).text
