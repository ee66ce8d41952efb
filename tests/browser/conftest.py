"""The portal as a user starts it, and a real Chromium to use it with."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.platforms import ROOT, free_port, wait_until_gone

# Pulled once and shared with the tests of the local platform, which also pull into an empty folder.
IMAGES = Path(os.environ.get("CANFARWEB_TEST_IMAGES", ROOT / "var" / "test-images")).resolve()
SHOTS = Path(__file__).parent / "shots"
# How many seconds a browser and a portal are waited for at most. It costs nothing where all is well, and a machine
# that is busy with other things may need much of it.
PATIENCE = 60
expect.set_options(timeout=PATIENCE * 1000)
# Chromium without a window to draw costs a quarter of the time of the whole one.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker("browser")


class Portal:
    """`manage.py up`, running."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.cookies: dict | None = None
        self.port, self.platform_port = free_port(), free_port()
        self.start()

    def start(self) -> None:
        """Start it and read the three lines that it prints."""
        command = [sys.executable, "manage.py", "up", "--no-browser", "--data", str(self.data)]
        command += ["--port", str(self.port), "--platform-port", str(self.platform_port)]
        command += ["--images", str(IMAGES)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CANFARWEB_")}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().strip() for _ in range(3)]
        assert lines[0].startswith("Portal: "), (
            f"{lines} {self.process.stderr.read() if self.process.stderr else ''}"
        )
        self.welcome = lines[0].removeprefix("Portal: ")
        self.exports = dict(re.fullmatch(r"export (\w+)=(.*)", line).groups() for line in lines[1:])
        self._wait_for_port()

    def stop(self) -> None:
        """Press Ctrl-C and wait."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def is_running(self) -> bool:
        """Say whether it was not stopped, by a test that broke off for instance."""
        return self.process.poll() is None

    def another_welcome(self) -> str:
        """Ask for a fresh sign-in link."""
        command = [sys.executable, "manage.py", "welcome", "--data", str(self.data)]
        environment = {**os.environ, "CANFARWEB_PLATFORM_PORT": str(self.platform_port)}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def _wait_for_port(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("The portal printed its link but does not listen.")


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    data = tmp_path_factory.mktemp("portal")
    running = Portal(data)
    yield running
    destroy_everything(running)
    running.stop()
    left = wait_until_gone(data)
    assert left == [], f"Processes were left behind: {left}"


def destroy_everything(portal: Portal) -> None:
    """End every session through the platform's own interface."""
    import httpx

    headers = {"Authorization": f"Bearer {portal.exports['CANFAR_TOKEN']}"}
    with httpx.Client(
        base_url=portal.exports["CANFAR_URL"], headers=headers, timeout=PATIENCE, trust_env=False
    ) as client:
        for row in client.get("/session").json():
            client.delete(f"/session/{row['id']}")


@pytest.fixture(scope="package")
def playwright_runs() -> Iterator[Playwright]:
    # Its event loop counts as running: it must be over before tests of other folders in the same process have theirs.
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright_runs: Playwright) -> Iterator[Browser]:
    path = os.environ.get("CANFARWEB_CHROMIUM") or next((p for p in map(shutil.which, NAMES) if p), None)
    arguments = QUIET + (["--no-sandbox"] if os.geteuid() == 0 else [])
    browser = playwright_runs.chromium.launch(executable_path=path, args=arguments)
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def signed_in(portal: Portal, browser: Browser) -> dict:
    """The cookies of somebody who followed the welcome link, which works once, however many browsers come."""
    if portal.cookies is None:
        context = browser.new_context()
        page = context.new_page()
        page.goto(portal.welcome)
        page.get_by_role("button", name="Sign in as").click()
        page.get_by_role("heading", name="Sessions", exact=True).wait_for()
        portal.cookies = context.storage_state()
        context.close()
    return portal.cookies


@pytest.fixture
def open_context(
    browser: Browser, portal: Portal, signed_in: dict, request: pytest.FixtureRequest
) -> Iterator[Callable[..., BrowserContext]]:
    """Return a way to get a browser context; each is watched for foreign requests, errors and policy violations."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    if not portal.is_running():
        portal.start()

    def opened(**options: object) -> BrowserContext:
        context = browser.new_context(**{"storage_state": signed_in, "base_url": portal.address, **options})
        context.set_default_timeout(PATIENCE * 1000)
        context.on("page", lambda page: _watch(page, portal, complaints))
        if options.get("java_script_enabled", True):
            context.on("page", lambda page: _wait_until_bound(page, portal))
        contexts.append(context)
        return context

    yield opened
    if request.node.rep_call.failed if hasattr(request.node, "rep_call") else False:
        SHOTS.mkdir(exist_ok=True)
        pages = [page for context in contexts for page in context.pages]
        for number, page in enumerate(pages):
            page.screenshot(path=SHOTS / f"{request.node.name}-{number}.png", full_page=True)
    for context in contexts:
        context.close()
    if request.node.get_closest_marker("portal_breaks"):
        expected = ("Response Status Error Code", ": htmx:")
        complaints = [each for each in complaints if not any(words in each for words in expected)]
    assert without_given_up(complaints) == []


def without_given_up(complaints: list[str]) -> list[str]:
    """Leave out requests that were given up for another one or another page: no fault, and two lines of htmx each."""
    left = list(complaints)
    for each in complaints:
        if each.endswith(": htmx:sendAbort, [object HTMLElement]"):
            left.remove(each)
            left.remove(each.replace("htmx:sendAbort", "htmx:afterRequest"))
    return left


def _wait_until_bound(page: Page, portal: Portal) -> None:
    """Let whoever goes to a page of the portal be there when all of it listens to keys, as a person is."""

    def waiting(go: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(go)
        def gone(*arguments: Any, **options: Any) -> Any:
            answer = go(*arguments, **options)
            is_whole = answer is not None and "text/html" in answer.headers.get("content-type", "")
            if is_whole and page.url.startswith(portal.address):
                page.locator("html[data-bound]").wait_for(state="attached")
            return answer

        return gone

    page.goto, page.reload = waiting(page.goto), waiting(page.reload)


def _watch(page: Page, portal: Portal, complaints: list[str]) -> None:
    def on_console(message: object) -> None:
        text = message.text
        if (
            message.type == "error"
            and page.url.startswith(portal.address)
            and "Failed to load resource" not in text
        ):
            complaints.append(f"{page.url}: {text}")

    def on_request(sent: object) -> None:
        own = sent.url.startswith((portal.address, portal.address.replace("http", "ws", 1), "data:", "blob:"))
        if page.url.startswith(portal.address) and not own and not sent.is_navigation_request():
            complaints.append(f"{page.url} asked {sent.url}")

    page.on("console", on_console)
    page.on("request", on_request)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))


@pytest.fixture
def page(open_context: Callable[..., BrowserContext], portal: Portal) -> Page:
    destroy_everything(portal)
    return open_context(viewport={"width": 1440, "height": 900}).new_page()


COUNTING = """
import itertools, os, time
for number in itertools.takewhile(lambda _: not os.path.exists("ENOUGH"), itertools.count()):
    print("line", number, flush=True)
    time.sleep(0.1)
print("that is all")
"""


class Counting:
    """A program that writes a line every tenth of a second until it is told that it is enough."""

    def __init__(self, folder: Path) -> None:
        self.program, self._enough = folder / "counting.py", folder / "enough"
        self.program.write_text(COUNTING.replace("ENOUGH", str(self._enough)))

    def end(self) -> None:
        """Let it write that this is all, and end."""
        self._enough.touch()

    @staticmethod
    def wrote(lines: list[str]) -> int:
        """Return how many lines it wrote before the last one, of which none may be missing."""
        assert lines == [*(f"line {number}" for number in range(len(lines) - 1)), "that is all"]
        return len(lines) - 1


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    program = Counting(tmp_path)
    yield program
    program.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    setattr(item, f"rep_{report.when}", report)
