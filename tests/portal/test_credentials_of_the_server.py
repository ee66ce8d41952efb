"""What whoever runs the portal is signed in with is nobody else's: who has no credential asks the platform nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.client.conftest import Platform, serving
from tests.client.test_certificates import make_pem
from tests.platforms import ROOT, free_port

OPERATORS = "canary-of-the-operator"
FILE = """
    version: 2
    active: {authentication: srcnet, server: local}
    authentication:
      srcnet: {mode: oidc, token: {access: canary-of-the-file}, expiry: {access: 9999999999.0}}
    servers:
      local: {idp: srcnet, uri: "ivo://localhost/skaha", url: "URL", version: v1}
"""
# Ann's credential was taken away, Bob has his own; both are signed in, and each has a session on record.
PEOPLE = """
    import json
    from asgiref.sync import async_to_sync
    from django.conf import settings
    from django.test import Client
    from sessions_app.models import Credential, Person, Record
    made = {}
    for name in ("ann", "bob"):
        person = async_to_sync(Person.objects.aenter)(settings.PLATFORM_KEY, name)
        record = Record.objects.draft(person, f"{name}00001")
        record.state, record.kind, record.name = "running", "notebook", "lab"
        record.save()
        browser = Client()
        browser.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        cookie = browser.cookies[settings.SESSION_COOKIE_NAME]
        made[name] = {"slug": record.slug, "cookies": {cookie.key: cookie.value}}
    async_to_sync(Credential.objects.akeep)(person, "bobs-own-token")
    print(json.dumps(made))
"""
PAGES = ["", "stats", "launch", "launch/check", "theme", "healthz", "signin"]
OF_A_SESSION = ["", "/open", "/log.txt", "/log/search?q=a", "/log/lines?from=1", "/log/since?line=0"]
OF_A_SESSION += ["/events/since?seen=0", "/events.txt"]


class Portal:
    """`manage.py up` on the recording platform, run by somebody who is signed in there in every way there is."""

    def __init__(self, home: Path, platform: Platform) -> None:
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CANFARWEB_")}
        kept.pop("DJANGO_SETTINGS_MODULE", None)
        mine = {"CANFARWEB_PLATFORM": platform.url, "CANFARWEB_DATA": str(home / "data"), "HOME": str(home)}
        theirs = {"CANFAR_URL": platform.url, "CANFAR_TOKEN": OPERATORS}
        self.environment = {
            **kept,
            **mine,
            **theirs,
            "CANFAR_CERTIFICATE": str(signed_in_everywhere(home, platform)),
        }
        command = [sys.executable, "manage.py", "up", "--no-browser", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("Portal: ")
        self.people = self.run(PEOPLE)

    def run(self, code: str) -> Any:
        command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", textwrap.dedent(code)]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])

    def browser(self, name: str = "") -> httpx.Client:
        cookies = self.people[name]["cookies"] if name else {}
        return httpx.Client(
            base_url=f"http://localhost:{self.port}", cookies=cookies, trust_env=False, timeout=60
        )

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def signed_in_everywhere(home: Path, platform: Platform) -> Path:
    """Sign the operator in by file and by certificate, where the released client looks for both."""
    (home / ".canfar").mkdir()
    configured = textwrap.dedent(FILE).replace("URL", platform.url.removesuffix("/v1"))
    (home / ".canfar" / "config.yaml").write_text(configured)
    (home / ".ssl").mkdir()
    certificate = home / ".ssl" / "cadcproxy.pem"
    certificate.write_bytes(make_pem())
    return certificate


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with serving() as platform:
        yield platform


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, platform: Platform) -> Iterator[Portal]:
    portal = Portal(tmp_path_factory.mktemp("operator"), platform)
    yield portal
    portal.stop()


@pytest.mark.parametrize("name", ["", "ann"], ids=["nobody", "ann"])
def test_who_has_no_credential_asks_the_platform_nothing(
    portal: Portal, platform: Platform, name: str
) -> None:
    slugs = [person["slug"] for person in portal.people.values()]
    platform.asked.clear()
    with portal.browser(name) as browser:
        for page in (*PAGES, *(f"s/{slug}{below}" for slug in slugs for below in OF_A_SESSION)):
            for headers in ({}, {"HX-Request": "true"}):
                answer = browser.get(f"/{page}", headers=headers)
                assert answer.status_code < 500
                assert "canary" not in answer.text
        secret = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/signin").text)
        assert secret is not None
        for path in ("launch", "launch/check", "renew", "destroy"):
            filled = {"csrfmiddlewaretoken": secret[1], "key": "k", "kind": "notebook", "session": slugs[0]}
            launched = browser.post(f"/{path}", data={**filled, "image": "skaha/x", "name": "n"})
            assert launched.status_code < 500
    try_a_socket(portal, name)
    assert platform.lines == []


def test_who_has_one_asks_with_it_and_with_no_other(portal: Portal, platform: Platform) -> None:
    platform.asked.clear()
    with portal.browser("bob") as browser:
        assert browser.get("/").status_code == 200
        assert browser.get("/launch").status_code == 200
    assert {asked.headers["authorization"] for asked in platform.asked} == {"Bearer bobs-own-token"}
    assert not any("x-skaha-registry-auth" in asked.headers for asked in platform.asked)


def try_a_socket(portal: Portal, name: str) -> None:
    """Open a socket as a page does, ask it for all that a page may ask for, and listen until it is still."""
    cookies = portal.people[name]["cookies"] if name else {}
    header = {"Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())}
    origin = f"http://localhost:{portal.port}"
    topics = [
        ("", "list"),
        *((each["slug"], what) for each in portal.people.values() for what in ("log", "events")),
    ]
    with suppress(InvalidStatus, ConnectionClosed, TimeoutError):
        address = f"{origin.replace('http', 'ws')}/ws/"
        with connect(address, additional_headers=header, origin=origin, open_timeout=60) as socket:
            for slug, what in topics:
                socket.send(json.dumps({"t": "follow", "s": slug, "w": what}))
            while True:
                socket.recv(timeout=2)
