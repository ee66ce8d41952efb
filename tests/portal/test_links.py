"""Where a connect link may lead."""

import httpx
import pytest
from django.conf import settings

from sessions_app.connections import Connection
from sessions_app.connections.links import BadLinkError, by_number, checked
from sessions_app.models import Record
from tests.conftest import until
from tests.portal.conftest import launch_values

REAL = "https://ws-uv.canfar.net/skaha/v1"


@pytest.fixture
def real_platform(settings):
    settings.PLATFORM_URL = REAL
    settings.SESSION_HOSTS = ["sessions.example.org"]


@pytest.mark.parametrize(
    "address",
    [
        "https://workload-uv.canfar.net/session/notebook/abc/lab?token=abc",
        "https://ws-uv.canfar.net/session/carta/abc/",
        "https://sessions.example.org/session/carta/abc/",
    ],
)
def test_an_address_of_the_platforms_own_domain_or_a_named_host_is_followed(real_platform, address):
    assert checked(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        None,
        ["https://ws-uv.canfar.net/"],
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://ws-uv.canfar.net/",
        "http://ws-uv.canfar.net/session/",
        "//ws-uv.canfar.net/",
        "https://evil.example/",
        "https://canfar.net.evil.example/",
        "https://evilcanfar.net/",
        "https://user@ws-uv.canfar.net/",
        "https://ws-uv.canfar.net:8443/",
        "https://ws-uv.canfar.net:99999/",
        "https://ws-uv.canfar.net./",
        "https://ws-uv.canfar.net%2eevil.example/",
        "https://evil.example\\@ws-uv.canfar.net/",
        "https://ws-uv.canfar.net/\tx",
        "https://ẃs-uv.canfar.net/",
        "https://ws-uv.canfar.net/" + "x" * 2048,
    ],
)
def test_any_other_address_is_refused(real_platform, address):
    with pytest.raises(BadLinkError):
        checked(address)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "missing"),
        (None, "missing"),
        (["https://ws-uv.canfar.net/"], "not_plain"),
        ("javascript:alert(1)", "host_not_plain"),
        ("ftp://ws-uv.canfar.net/", "scheme"),
        ("https://evil.example/k3xv9q2a?token=k3xv9q2a", "host"),
        ("https://user:k3xv9q2a@ws-uv.canfar.net/", "host_not_plain"),
        ("https://evil.example\\@ws-uv.canfar.net/", "backslash"),
        ("https://ws-uv.canfar.net:99999/", "not_read"),
        ("https://ws-uv.canfar.net/" + "x" * 2048, "long"),
    ],
)
async def test_a_refused_address_is_one_security_event_with_a_code_and_no_address(
    enter, settings, monkeypatch, caplog, address, code
):
    settings.PLATFORM_URL = REAL
    client = await enter("alice", "token")
    record = Record.objects.draft(client.person, "k3xv9q2a")
    record.state, record.kind = "running", "notebook"
    await record.asave()

    async def connect_address(self, record):
        return "running", checked(address)

    monkeypatch.setattr(Connection, "connect_address", connect_address)
    answer = await client.get(f"/s/{record.slug}/open")
    assert answer.status_code == 502
    assert "Location" not in answer.headers
    [event] = [line for line in caplog.messages if "security:" in line]
    assert event == (
        f"security: event=connect_refused code={code} session={record.slug} person={client.person.pk}"
    )


def test_the_local_platforms_sessions_are_on_its_own_port_only(settings):
    settings.PLATFORM_URL = "http://localhost:8001/skaha/v1"
    assert checked("http://s-abc.localhost:8001/session/notebook/x/lab")
    for elsewhere in (
        "http://s-abc.localhost:9000/",
        "http://evil.example:8001/",
        "http://localhost.evil.example:8001/",
    ):
        with pytest.raises(BadLinkError):
            checked(elsewhere)


def test_a_name_below_localhost_can_be_left_for_the_number(settings):
    address = "http://s-abc.localhost:8001/session/notebook/k3xv9q2a/lab?token=x"
    assert by_number(address) == "http://127.0.0.1:8001/session/notebook/k3xv9q2a/lab?token=x"
    real = "https://ws-uv.canfar.net/session/carta/abc/"
    assert by_number(real) == real


@pytest.mark.django_db(transaction=True)
async def test_a_browser_that_does_not_know_the_name_is_offered_the_number(alice):
    values = launch_values(
        kind="contributed", image="images.canfar.net/skaha/web-terminal:latest", name="shell"
    )
    slug = (await alice.post("/launch", values)).url.rpartition("/")[2]

    async def runs():
        answer = await alice.get(f"/s/{slug}/open?by=number")
        return answer if answer.status_code == 303 else None

    answer = await until(runs, seconds=120, what="the session")
    assert answer.url.startswith(f"http://127.0.0.1:{settings.PLATFORM_PORT}/session/contrib/")

    async def answers():
        async with httpx.AsyncClient(trust_env=False) as browser:
            return (await browser.get(answer.url, follow_redirects=True)).status_code == 200

    assert await until(answers, seconds=60)
    assert f"/s/{slug}/open?by=number" in (await alice.get(f"/s/{slug}")).text
