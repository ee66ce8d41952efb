"""What every answer carries, and which requests are refused before a view sees them."""

import io
import logging
import re

import pytest
from django.test import AsyncClient, RequestFactory

from sessions_app import access
from sessions_app.connections import connection_for
from sessions_app.log_lines import Line
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


@pytest.fixture
def log_lines():
    """The lines that a terminal would show, as they would be written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Line("{asctime} {levelname} {name}: {message}", style="{"))
    logging.getLogger().addHandler(handler)
    yield lambda: written.getvalue().splitlines()
    logging.getLogger().removeHandler(handler)


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
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Referer": "http://evil.example/page"},
        {"Referer": "http://testserver.evil.example/"},
        {"Referer": "http://testserver:8001/"},
        {"Referer": "https://testserver/"},
        {"Referer": "http://[bad"},
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


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Origin": "http://testserver"},
        {"Referer": "http://testserver/launch?kind=notebook"},
    ],
)
async def test_our_own_form_is_taken(strict, headers):
    values = launch_values(csrfmiddlewaretoken=await token(strict))
    answer = await strict.post("/launch", values, headers=headers)
    assert answer.status_code == 302


async def test_plain_text_is_no_form(strict):
    body = f"csrfmiddlewaretoken={await token(strict)}"
    answer = await strict.post("/signout", body, content_type="text/plain")
    assert answer.status_code == 403


async def test_whoever_comes_through_a_proxy_that_is_not_believed_is_told_what_to_set(strict):
    values = launch_values(csrfmiddlewaretoken=await token(strict))
    answer = await strict.post("/launch", values, headers={"Origin": "https://testserver"})
    assert answer.status_code == 403
    assert "CANFARWEB_BEHIND_TLS_PROXY=true has to be set" in answer.text


@pytest.mark.parametrize(
    "address", ["/static/nothing.css", "/static/", "/static/../static/x", "/static/%2e%2e/x"]
)
async def test_what_is_no_page_of_the_portal_is_nobodys(alice, address):
    answer = await alice.get(address)
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert str(alice.person) not in answer.text
    assert "csrf" not in answer.text
    assert not answer.cookies


async def test_whether_the_portal_lives_is_asked_without_a_person_or_a_database(alice, monkeypatch):
    monkeypatch.setattr(access, "person_of", None)
    answer = await alice.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert not answer.cookies


@pytest.mark.parametrize("host", ["evil.example", "evil.example" * 400, "a b", "localhost\x1b[2J", "*"])
async def test_an_unknown_host_is_one_short_line_of_log(alice, log_lines, settings, host):
    settings.ALLOWED_HOSTS = ["localhost"]
    answer = await alice.get("/", headers={"Host": host})
    assert answer.status_code == 400
    assert str(alice.person) not in answer.text
    [line] = log_lines()
    assert len(line) < 400
    assert line.isprintable()


async def test_a_forged_form_is_one_short_line_of_log(strict, log_lines):
    await strict.post("/launch" + "?x=\x1b[2J%0a" + "y" * 6000, launch_values())
    [line] = log_lines()
    assert "Forbidden" in line
    assert len(line) < 400
    assert line.isprintable()


@pytest.mark.parametrize(
    ("address", "typed"),
    [("/launch", {f"f{n}": "" for n in range(4000)}), ("/launch", {"name": "x" * 2_000_000})],
)
async def test_a_form_that_is_none_is_one_short_line_of_log(strict, log_lines, address, typed):
    assert (await strict.post(address, typed)).status_code in {400, 403, 413}
    assert all(len(line) < 400 for line in log_lines())
    assert len(log_lines()) <= 2


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
