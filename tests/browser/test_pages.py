"""Every page and dialog: nothing for axe to find, light and dark, and no sideways scroll on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.test_journeys import ask_to_destroy, launch_batch

SIZES = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


def places(page) -> dict[str, str]:
    """Launch one session of each ending and return every page there is to look at."""
    launch_batch(page, "a-rather-long-name-for-a-session-of-the-second-reduction", "sleep", "300")
    running = page.url
    launch_batch(page, "fails", "python3", "-c raise(SystemExit(3))")
    expect(page.locator("#session .state")).to_have_text("Failed")
    slug = running.rpartition("/")[2]
    return {
        "sessions": "/",
        "filtered to nothing": "/?q=nothing-like-it",
        "running session": running,
        "failed session": page.url,
        "launch": "/launch",
        "launch of a batch": "/launch?kind=headless",
        "question before destroying": f"/destroy?s={slug}",
        "question before renewing": f"/renew?s={slug}",
        "no connection to a batch": f"{running}/open",
        "nothing here": "/nothing",
    }


def findings(page, *rules: str) -> list[str]:
    """Return what is wrong with a page, by these rules or by all."""
    rules = rules or ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice")
    found = Axe().run(page, options={"runOnly": list(rules)})
    return [
        f"{each['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


def findings_by_day_and_night(page) -> list[str]:
    """Return what is wrong with a page in the light, and with its colours also in the dark."""
    page.emulate_media(color_scheme="light")
    by_day = findings(page)
    page.emulate_media(color_scheme="dark")
    return by_day + [
        f"in the dark: {each}" for each in findings(page, "color-contrast", "link-in-text-block")
    ]


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(page, open_context, size):
    looked_at = places(page)
    context = open_context(viewport=SIZES[size], has_touch=size == "phone", reduced_motion="reduce")
    tab = context.new_page()
    wrong = {}
    for name, address in looked_at.items():
        tab.goto(address)
        tab.wait_for_load_state("load")
        if found := findings_by_day_and_night(tab):
            wrong[name] = found
        width = tab.evaluate("document.documentElement.scrollWidth")
        if width > SIZES[size]["width"]:
            wrong[f"{name}, sideways"] = [f"{width} px wide"]
    assert wrong == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_dialogs(page, open_context, scheme):
    launch_batch(page, "asked-about", "sleep", "300")
    tab = open_context(color_scheme=scheme, viewport=SIZES["wide"]).new_page()
    tab.goto("/")
    dialog = tab.get_by_role("dialog")
    tab.get_by_label("Select asked-about").check()
    tab.locator("[data-selection]").get_by_role("button", name="Renew").click()
    expect(dialog).to_contain_text("cannot be renewed")
    assert findings(tab) == []
    dialog.get_by_role("link", name="Close").click()
    ask_to_destroy(tab, "asked-about")
    expect(dialog).to_contain_text("Destroy this session?")
    assert findings(tab) == []
    dialog.get_by_role("button", name="Destroy").click()
    expect(tab.locator("#notices").get_by_role("button", name="Undo")).to_be_visible()
    assert findings(tab) == []
    tab.locator("#notices").get_by_role("button", name="Undo").click()
    expect(tab.locator("#notices")).to_contain_text("you took it back in time")


def test_axe_finds_nothing_where_one_signs_in(open_context, portal):
    tab = open_context(storage_state=None).new_page()
    tab.goto("/signin")
    tab.get_by_text("With a token instead").click()
    assert findings(tab) == []
    tab.get_by_label("Bearer token").fill("of-nobody")
    tab.get_by_role("button", name="Sign in with the token").click()
    expect(tab.get_by_role("alert")).to_be_visible()
    assert findings(tab) == []
    tab.goto(portal.another_welcome())
    assert findings(tab) == []
    tab.get_by_role("button", name="Sign in as").click()
    tab.get_by_role("heading", name="Sessions", exact=True).wait_for()
    tab.locator(".bar-menu__button").click()
    assert findings(tab) == []


def test_the_first_load_is_small_and_all_ours(open_context, page):
    tab = open_context(viewport=SIZES["wide"]).new_page()
    answers = []
    tab.on("response", lambda answer: answers.append(answer))
    tab.goto("/")
    tab.wait_for_load_state("networkidle")
    sizes = {answer.url: answer.request.sizes()["responseBodySize"] for answer in answers}
    assert len(sizes) <= 12, sorted(sizes)
    assert sum(sizes.values()) < 100_000, sizes
