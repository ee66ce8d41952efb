"""Waiting for a session, and reading what happened to it, as people do."""

import re
import time
import uuid

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_journeys import TERMINAL, launch_batch
from tests.browser.test_pages import SIZES, findings_by_day_and_night

LAB = "images.canfar.net/skaha/base-notebook"
MISSING = "images.canfar.net/skaha/no-such-image:1"

# A tab that says of itself that nobody looks at it, once it is told to.
HIDEABLE = """
window.isHidden = false;
Object.defineProperty(document, "hidden", { get: () => window.isHidden });
window.told = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (this.permission = "granted"); }
  constructor(title, options) { window.told.push([title, JSON.stringify(options)]); }
  addEventListener() {}
};
"""


def one_name() -> str:
    """Return a name of its own: what an earlier test ended is on the list as gone for a while."""
    return f"m31-{uuid.uuid4().hex[:6]}"


def launch_notebook(page: Page, name: str, image: str = "") -> str:
    """Launch a notebook and return the address of its page."""
    page.goto("/launch?kind=notebook")
    if image:
        page.get_by_text("Another image").click()
        page.get_by_label("Image", exact=True).fill(image)
        # It is not on the list, which has to be meant.
        page.get_by_label("Launch it anyway").check()
    page.get_by_label("Name", exact=True).fill(name)
    expect(page.locator(".summary__command")).to_contain_text(f"--name {name}")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/s/*")
    return page.url


def wait_in_vain(page: Page, name: str = "") -> str:
    """Wait for a notebook of an image that does not exist; return the address of its page."""
    name = name or one_name()
    address = launch_notebook(page, name, MISSING)
    page.goto(f"{address}/open")
    expect(page.locator(".waiting__sentence")).to_contain_text("The image was not found", timeout=30_000)
    return address


def wait_in_line(page: Page, portal, name: str = "") -> str:
    """Wait for a notebook that has no room, as another session holds all cores; return the address of its page."""
    name = name or one_name()
    headers = {"Authorization": f"Bearer {portal.exports['CANFAR_TOKEN']}"}
    with httpx.Client(base_url=portal.exports["CANFAR_URL"], headers=headers, trust_env=False) as client:
        whole = {"cores": str(max(client.get("/context").json()["cores"]["options"])), "ram": "1"}
        holds = {"name": "holds", "image": TERMINAL, "type": "headless", "cmd": "sleep", "args": "600"}
        client.post("/session", data=holds | whole, timeout=30).raise_for_status()
        # What was destroyed a moment ago still holds its room for a while.
        end = time.monotonic() + 30
        while not [each for each in client.get("/session").json() if each["status"] == "Running"]:
            assert time.monotonic() < end, "The session that is to hold all cores does not run."
            time.sleep(0.1)
        queued = {"name": name, "image": f"{LAB}:latest", "type": "notebook"}
        client.post("/session", data=queued | whole, timeout=30).raise_for_status()
    page.goto("/")
    # One of that name from an earlier test may still stand there as gone.
    page.locator('tr[data-state="pending"]').get_by_role("link", name=name, exact=True).click()
    page.wait_for_url("**/s/*")
    address = page.url.partition("#")[0]
    page.goto(f"{address}/open")
    expect(page.locator(".waiting__sentence")).to_contain_text("holds", timeout=30_000)
    return address


def icon_of(page: Page) -> str:
    return page.locator('link[rel="icon"]').get_attribute("href")


def test_the_page_shows_the_way_tells_when_it_is_ready_and_opens_it(page, open_context):
    tab = open_context(viewport=SIZES["wide"]).new_page()
    tab.add_init_script(HIDEABLE)
    address = launch_notebook(page, "lab")
    tab.goto(f"{address}/open?stay=1")
    expect(tab.locator(".phase").first).to_contain_text("Accepted")
    tell = tab.get_by_role("button", name="Tell me when ready")
    tell.click()
    expect(tab.get_by_role("button", name="You will be told")).to_have_attribute("aria-pressed", "true")
    expect(tab).to_have_title(re.compile(r"^\(\d/\d\) \w+ · lab"))
    assert "tab-pending" in icon_of(tab)
    tab.evaluate("window.isHidden = true")
    # Nobody looks, and yet the tab says so.
    expect(tab).to_have_title(re.compile("^Ready · lab"), timeout=60_000)
    expect(tab.locator(".waiting--running")).to_be_visible()
    assert "tab-ready" in icon_of(tab)
    assert [title for title, _ in tab.evaluate("window.told")] == ["lab is ready"]
    assert "secret" not in str(tab.evaluate("window.told"))
    expect(tab.locator("#said")).to_have_text("lab: Ready.")
    expect(tab.locator(".phase--done")).to_have_count(tab.locator(".phase").count())
    tab.get_by_role("link", name="Open", exact=True).click()
    tab.wait_for_url(re.compile("localhost.*/session/notebook/"))


def test_a_page_left_on_goes_to_the_session_by_itself(page):
    launch_notebook(page, "by-itself")
    page.get_by_role("link", name="Open when ready").click()
    page.wait_for_url(re.compile("/session/notebook/"), timeout=60_000)


def test_who_waits_for_room_is_told_and_can_stay_or_leave_from_the_keyboard(page, portal):
    address = wait_in_line(page, portal)
    expect(page).to_have_title(re.compile(r"^\(2/\d\) queued · m31"))
    assert "tab-pending" in icon_of(page)
    switch = page.get_by_role("switch", name="Open when ready")
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.focus()
    page.keyboard.press("Space")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(page).to_have_url(re.compile(r"/open\?stay=1$"))
    expect(switch).to_be_focused()
    page.keyboard.press("Space")
    expect(switch).to_have_attribute("aria-checked", "true")
    # The page of the session says the same, and gives the room of its log to what there is.
    page.goto(address)
    expect(page.locator("#session .why")).to_contain_text("holds")
    expect(page.locator("#session .phase--now")).to_contain_text("Queued")
    expect(page.locator("[data-log-area]")).to_be_hidden()
    page.goto(f"{address}/open")
    page.get_by_role("link", name="Cancel the launch").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("was destroyed", timeout=25_000)


def test_news_take_neither_focus_nor_place_nor_what_was_opened(page, open_context):
    address = wait_in_vain(page)
    page.goto(address)
    rows = page.locator(".events__row")
    told = rows.filter(has_text="launched it.")
    expect(told).to_have_count(1)
    told.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(told.locator(".events__raw")).to_be_visible()
    held = told.element_handle()
    before = rows.count()
    page.evaluate("document.querySelector('.events__list').style.maxHeight = '120px'")
    page.evaluate("document.querySelector('.events__list').scrollTop = 0")
    other = open_context().new_page()
    other.goto(f"/renew?s={address.rpartition('/')[2]}")
    other.get_by_role("button", name="Renew").click()
    expect(rows.filter(has_text="asked to renew it.")).to_have_count(1)
    assert rows.count() > before
    assert held.evaluate("(row) => row.isConnected && row.contains(document.activeElement)")
    assert held.evaluate("(row) => row.querySelector('details').open")
    assert page.evaluate("document.querySelector('.events__list').scrollTop") == 0


def test_only_warnings_are_shown_when_asked_for_and_that_is_remembered(page):
    address = wait_in_vain(page)
    page.goto(address)
    expect(page.locator(".events__row:visible").filter(has_text="launched it.")).to_have_count(1)
    page.get_by_role("button", name="Warnings only").click()
    expect(page.locator(".events__row:visible").filter(has_text="launched it.")).to_have_count(0)
    assert page.locator(".events__row--warning:visible").count() > 0
    page.reload()
    expect(page.get_by_role("button", name="Warnings only")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".events__row:visible").filter(has_text="launched it.")).to_have_count(0)


def test_without_scripts_the_page_waits_too(page, open_context, portal):
    address = wait_in_line(page, portal)
    plain = open_context(java_script_enabled=False).new_page()
    plain.goto(f"{address}/open")
    expect(plain.locator(".phase--now")).to_contain_text("Queued")
    expect(plain.locator(".events__row").filter(has_text="It waits to start.")).to_have_count(1)
    plain.get_by_role("switch", name="Open when ready").click()
    plain.wait_for_url("**/open?stay=1")
    expect(plain.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    # On the page of the session the parts stand one under the other, and the links lead to them.
    plain.set_viewport_size(SIZES["phone"])
    plain.goto(address)
    plain.get_by_role("link", name="Facts").click()
    expect(plain.get_by_role("heading", name="Facts")).to_be_in_viewport()


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_while_one_waits(page, open_context, size):
    address = wait_in_vain(page)
    launch_batch(page, "fails", "sh", "-c echo${IFS}no${IFS}licence;exit${IFS}127")
    expect(page.locator("#session .state")).to_have_text("Failed")
    phone = size == "phone"
    tab = open_context(viewport=SIZES[size], has_touch=phone, reduced_motion="reduce").new_page()
    wrong = {}
    for name, where in {"waiting": f"{address}/open", "session": address, "failed": page.url}.items():
        tab.goto(where)
        if size == "phone" and not where.endswith("/open"):
            tab.get_by_role("link", name="Timeline").click()
        tab.locator(".events__row").first.wait_for()
        tab.locator(".events__row summary").first.click()
        if found := findings_by_day_and_night(tab):
            wrong[name] = found
        width = tab.evaluate("document.documentElement.scrollWidth")
        if width > SIZES[size]["width"]:
            wrong[f"{name}, sideways"] = [f"{width} px wide"]
    assert wrong == {}
