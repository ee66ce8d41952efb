"""Each kind but the notebook, opened by the portal's link; nothing but the session itself is asked."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

# Where to put a picture of each, for the README; none are made unless it is asked for.
PICTURES = os.environ.get("TEST_PICTURES")


def a_workspace(page: Page) -> None:
    expect(page.get_by_role("heading", name="Workspace Refresh workspace")).to_be_visible()


def a_shell(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_text("Connected")
    page.keyboard.type("echo $((6 * 7))-done\n")
    expect(page.locator(".xterm-rows")).to_contain_text("42-done")


def a_screen(page: Page) -> None:
    page.locator("#screen canvas").wait_for()
    expect(page.get_by_role("status")).to_be_hidden()
    assert "password" not in page.evaluate("location.href")


def a_galaxy(page: Page) -> None:
    expect(page.locator("header")).to_contain_text("This is JS9, standing in for")
    page.wait_for_function("window.JS9?.GetImageData?.()?.width === 384")


@pytest.mark.parametrize(
    ("kind", "image", "shows"),
    [
        ("contributed", "skaha/web-terminal", a_shell),
        ("contributed", "skaha/marimo", a_workspace),
        ("desktop", "skaha/desktop", a_screen),
        ("carta", "skaha/js9-stand-in", a_galaxy),
        ("firefly", "skaha/js9-stand-in", a_galaxy),
    ],
)
def test_a_session_opens_by_the_portals_link_and_asks_nobody_else(
    page: Page, kind: str, image: str, shows: Callable[[Page], None]
) -> None:
    outside: list[str] = []
    own = re.compile(r"(https?|wss?)://(s-[a-z0-9]{12}\.)?localhost:\d+/|data:|blob:")
    page.on("request", lambda sent: None if own.match(sent.url) else outside.append(sent.url))
    page.goto(f"/launch?kind={kind}&image=images.canfar.net/{image}:latest")
    page.get_by_label("Name", exact=True).fill(f"m31-{kind}")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/s/*")
    page.goto(f"/s/{page.url.rpartition('/')[2]}/open")
    page.wait_for_url("http://s-*.localhost:*/session/**", timeout=240_000)
    shows(page)
    assert page.evaluate("document.referrer") == ""
    assert outside == []
    if PICTURES:
        page.wait_for_timeout(3_000)
        page.screenshot(path=Path(PICTURES) / f"{kind}-{image.rpartition('/')[2]}.png")
