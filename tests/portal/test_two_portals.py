"""Two portals on one host, as somebody starts them with two data folders: a browser keeps their sign-ins apart."""

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
        self.process.communicate(timeout=20)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Started, Started]]:
    portals = Started(tmp_path / "one"), Started(tmp_path / "two")
    yield portals
    for portal in portals:
        portal.stop()


def test_signing_out_of_one_portal_leaves_the_other_signed_in(both):
    one, two = both
    with httpx.Client(trust_env=False, timeout=20, follow_redirects=True) as browser:
        for portal in both:
            assert browser.get(portal.link).url == f"{portal.address}/"
        page = browser.get(f"{one.address}/").text
        key = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        browser.post(f"{two.address}/signout", data={"csrfmiddlewaretoken": "of another portal"})
        assert browser.post(f"{one.address}/signout", data={"csrfmiddlewaretoken": key}).url.path == "/signin"
        assert browser.get(f"{one.address}/").url.path == "/signin"
        assert browser.get(f"{two.address}/").url == f"{two.address}/"
