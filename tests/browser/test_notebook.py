"""A notebook from launch to a computed cell, by the portal's own links."""

import os
import re
import time
from pathlib import Path

import psutil
from playwright.sync_api import expect

from tests.browser.test_journeys import ask_to_destroy, expect_destroyed


def test_a_notebook_opens_by_one_click_and_runs_a_cell(page, portal):
    page.goto("/launch?kind=notebook")
    page.get_by_label("Name", exact=True).fill("m31")
    expect(page.locator(".summary__command")).to_contain_text("--name m31")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/s/*")
    slug = page.url.rpartition("/")[2]
    # The link can be kept: while the session starts it waits, then it goes on by itself. The first launch pulls.
    page.goto(f"/s/{slug}/open")
    page.wait_for_url("http://s-*.localhost:*/session/notebook/**", timeout=240_000)
    page.get_by_role("region", name="notebook content").or_(page.locator(".jp-LauncherCard")).first.wait_for(
        timeout=60_000
    )
    page.locator(".jp-LauncherCard[data-category='Notebook']").first.click()
    page.get_by_text("| Idle").wait_for(timeout=60_000)
    cell = page.locator(".jp-Cell .cm-content").first
    cell.click()
    cell.press_sequentially("print(6 * 7)")
    expect(cell).to_have_text("print(6 * 7)")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").first).to_have_text("42\n", timeout=60_000)
    if pictures := os.environ.get("TEST_PICTURES"):
        page.screenshot(path=Path(pictures) / "notebook.png")

    page.goto(portal.address)
    expect(page.get_by_role("row", name="m31")).to_contain_text("Running")
    with page.context.expect_page() as opening:
        page.get_by_role("link", name="Open m31").click()
    opened = opening.value
    opened.wait_for_url("http://s-*.localhost:*/session/notebook/**")
    assert opened.evaluate("window.opener") is None
    assert opened.evaluate("document.referrer") == ""
    opened.close()

    ask_to_destroy(page, "m31")
    page.get_by_role("dialog").get_by_role("button", name="Destroy").click()
    expect_destroyed(page, "m31")
    # JupyterLab is given a moment to end by itself; the platform kills what is left of it.
    end = time.monotonic() + 60
    while (left := _notebooks(portal)) and time.monotonic() < end:
        time.sleep(0.2)
    assert left == []


def _notebooks(portal) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = process.info["environ"] or {}
        command = " ".join(process.info["cmdline"] or [])
        if any(str(portal.data) in value for value in words.values()) and re.search(
            "jupyter|ipykernel", command
        ):
            found.append(command)
    return found
