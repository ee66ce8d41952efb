"""Two portals, started with two data folders: the way in to each, and that a browser keeps them apart."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.platforms import ROOT
from tests.portal.test_starting import command, free_port


class Started:
    """A portal that `manage.py up` started, and what it said first."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port, self.platform_port = free_port(), free_port()
        ports = ["--port", self.port, "--platform-port", self.platform_port]
        words, environment = command("up", "--no-browser", "--data", str(data), *ports)
        self.process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.link = self.process.stdout.readline().strip().removeprefix("Portal: ")
        self.said = [self.link, *(self.process.stdout.readline().strip() for _ in range(3))]
        self.address = f"http://localhost:{self.port}"

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Started, Started]]:
    folder = tmp_path_factory.mktemp("portals")
    portals = Started(folder / "one"), Started(folder / "two")
    yield portals
    for portal in portals:
        portal.stop()


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    """Something that keeps cookies as browsers do: by host, whatever the port."""
    with httpx.Client(trust_env=False, timeout=20, follow_redirects=True) as client:
        yield client


def test_signing_out_of_one_portal_leaves_the_other_signed_in(both, browser):
    one, two = both
    for portal in both:
        assert follow(browser, portal.link).url == f"{portal.address}/"
    send(browser, f"{one.address}/", "/signout")
    assert browser.get(f"{one.address}/").url.path == "/signin"
    assert browser.get(f"{two.address}/").url == f"{two.address}/"


def test_the_password_that_the_first_start_prints_signs_in(both, browser):
    one, _ = both
    _, _, name, password = re.fullmatch(r"(Password) (of) (\S+): (\S+) .*", one.said[3]).groups()
    send(browser, f"{one.address}/signin", "/signin", username=name, password=password)
    assert browser.get(f"{one.address}/").url == f"{one.address}/"


def test_welcome_finds_the_port_and_the_person_also_after_they_signed_out(both, browser):
    _, two = both
    follow(browser, asked_for_a_link(two.data))
    send(browser, f"{two.address}/", "/signout")
    link = asked_for_a_link(two.data)
    assert link.startswith(f"{two.address}/welcome?key=")
    assert follow(browser, link).url == f"{two.address}/"
    name = two.said[3].split()[2].rstrip(":")
    assert re.search(rf'class="bar__name[^"]*">{name}<', browser.get(f"{two.address}/").text)


def follow(browser: httpx.Client, link: str) -> httpx.Response:
    """Open a sign-in link and press its button."""
    return send(browser, link, "/welcome", key=link.partition("key=")[2])


def asked_for_a_link(data: Path) -> str:
    """Run `manage.py welcome` with nothing but the data folder."""
    words, environment = command("welcome", "--data", str(data))
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def send(browser: httpx.Client, page: str, action: str, **values: str) -> httpx.Response:
    """Send a form from a page, with the page's secret."""
    secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(page).text)[1]
    where = page[: page.index("/", 8)] + action
    return browser.post(where, data={"csrfmiddlewaretoken": secret, **values})
