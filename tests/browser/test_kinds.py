"""Every kind of session that the local platform runs: from the launch form, by the portal's link, to its own page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

# Where to put a picture of each, for the README; none are made unless it is asked for.
PICTURES = os.environ.get("TEST_PICTURES")


def terminal(page: Page) -> Locator:
    page.locator(".xterm-helper-textarea").press_sequentially("echo $((6 * 7)) from $skaha_username\n")
    return page.locator(".xterm-rows").get_by_text("42 from")


def marimo(page: Page) -> Locator:
    return page.get_by_role("heading", name="Workspace Refresh workspace")


def desktop(page: Page) -> Locator:
    return page.locator("canvas").first


def viewer(page: Page) -> Locator:
    return page.get_by_text("This is JS9, standing in for")


KINDS = [
    ("contributed", "skaha/web-terminal:latest", terminal),
    ("contributed", "skaha/marimo:latest", marimo),
    ("desktop", "skaha/desktop:latest", desktop),
    ("carta", "skaha/js9-stand-in:latest", viewer),
    ("firefly", "skaha/js9-stand-in:latest", viewer),
]


@pytest.mark.parametrize(
    ("kind", "image", "shows"), KINDS, ids=[f"{kind} {image}" for kind, image, _ in KINDS]
)
def test_it_opens_by_one_click(page, kind, image, shows):
    page.goto(f"/launch?kind={kind}&image=images.canfar.net/{image}")
    page.get_by_label("Name", exact=True).fill("mine")
    expect(page.locator(".summary__command")).to_contain_text(image)
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/s/*")
    page.goto(f"/s/{page.url.rpartition('/')[2]}/open")
    # The first launch pulls the image; the page waits and then goes on by itself.
    page.wait_for_url("http://s-*.localhost:*/session/**", timeout=240_000)
    expect(shows(page)).to_be_visible(timeout=30_000)
    if PICTURES:
        page.wait_for_timeout(4_000)
        name = image.partition("/")[2].partition(":")[0]
        page.screenshot(path=Path(PICTURES) / f"{kind}-{name}.png")
