"""What frames every page: signing in on the way somewhere, dialogs, the clock, the look."""

import re
from datetime import timedelta
from functools import partial

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_journeys import launch_batch

# An age of minutes at most, on however busy a machine.
RECENT = re.compile(r"^\d{1,2} (s|min)$")


def test_a_link_to_a_session_opens_it_after_signing_in(page, open_context, portal):
    address = a_session_to_open(page, portal)
    tab = open_context(storage_state=None).new_page()
    tab.goto(f"{address}/open")
    expect(tab.get_by_text("to go on to the page you asked for")).to_be_visible()
    sign_in(tab, portal)
    tab.wait_for_url(re.compile(r"^http://s-\w+\.localhost:"), timeout=30_000)


def test_the_switch_of_the_waiting_page_leads_to_the_session_without_scripts(page, open_context, portal):
    address = a_session_to_open(page, portal)
    tab = open_context(java_script_enabled=False).new_page()
    # Somebody who switched it off and then on again, while the session became ready between two looks.
    tab.route(
        "**/open?stay=1",
        lambda route: route.fulfill(
            body=f"""<form action="{address}/open">
        <button name="stay" value="0">Open when ready</button></form>""",
            content_type="text/html",
        ),
    )
    tab.goto(f"{address}/open?stay=1")
    tab.get_by_role("button", name="Open when ready").click()
    tab.wait_for_url(re.compile(r"^http://s-\w+\.localhost:"), timeout=30_000)


def test_the_chosen_lines_of_a_log_survive_signing_in(page, open_context, portal):
    launch_batch(page, "chosen", "seq", "300")
    expect(page.locator("#session .state")).to_have_text("Completed", timeout=15_000)
    tab = open_context(storage_state=None).new_page()
    tab.goto(f"{page.url}#L100-L105")
    tab.get_by_text("With a token instead").click()
    tab.get_by_label("Bearer token").fill("of-nobody")
    tab.get_by_role("button", name="Sign in with the token").click()
    expect(tab.get_by_role("alert")).to_contain_text("does not accept this token")
    sign_in(tab, portal)
    tab.wait_for_url(f"{page.url}#L100-L105")
    expect(tab.get_by_role("log")).to_contain_text("103")


@pytest.mark.portal_breaks
def test_a_dialog_that_cannot_be_had_says_so_and_can_be_closed(page):
    page.goto("/launch")
    page.evaluate(
        "document.querySelector('main h1').innerHTML = '<a data-dialog href=\"/destroy?s=x\">Ask</a>'"
    )
    dialog = page.get_by_role("dialog")
    for answer in ({"status": 500}, {"status": 404}, {"status": 403}, {"status": 503}, {"status": 200}, None):
        page.route("**/destroy?*", partial(answer_with, answer))
        page.get_by_role("link", name="Ask").click()
        expect(dialog.get_by_role("alert")).to_be_visible()
        expect(dialog).not_to_contain_text("of a gateway")
        close = dialog.get_by_role("button", name="Close")
        expect(close).to_have_count(2)
        expect(close.last).to_be_focused()
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()


def answer_with(answer: dict | None, route: Route) -> None:
    """Answer as a gateway does, with nothing at all, or not."""
    if answer is None:
        route.abort()
    else:
        body = "<h1>of a gateway</h1>" if answer["status"] != 200 else ""
        route.fulfill(body=body, content_type="text/html", **answer)


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_browser_whose_clock_is_wrong_shows_the_same_times(page, open_context, portal, hours):
    launch_batch(page, "on-time", "sleep", "300")
    context = open_context()
    context.add_init_script(shifted(timedelta(hours=hours)))
    tab = context.new_page()
    tab.goto(page.url)
    assert abs(tab.evaluate("Date.now()") - page.evaluate("Date.now()")) > 3_600_000
    expect(tab.locator(".events time[data-age]").first).to_have_text(RECENT)
    tab.goto("/")
    expect(tab.locator("#sessions-table time[data-age]").first).to_have_text(RECENT)
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", title_of(tab, "#sessions-table time[data-age]"))


def test_a_tab_whose_steady_clock_went_apart_from_the_wall_asks_what_time_it_is(page, portal):
    launch_batch(page, "sleeper", "sleep", "300")
    age = page.locator(".events time[data-age]").first
    expect(age).to_have_text(RECENT)

    # An answer that is under way meanwhile tells nothing: nobody knows whether it was given before or after.
    held = []

    def hold(route):
        if "hx-request" in route.request.headers:
            held.append(route)
        else:
            route.continue_()

    page.route("**/*", hold)
    while not held:
        page.wait_for_timeout(50)
    with page.expect_request("**/healthz"):
        # As after a machine's sleep, but the other way round, so that a wrong age shows.
        page.evaluate(
            "() => { const now = performance.now.bind(performance); performance.now = () => now() + 7_200_000; }"
        )
        for route in held:
            route.continue_()
        page.unroute("**/*", hold)
    expect(age).to_have_text(RECENT)


def test_the_theme_changes_at_once_and_stays(page):
    page.goto("/launch")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.locator(".bar-menu__button").click()
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(background)
    assert dark != light
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    page.goto("/nothing")
    assert page.evaluate(background) == dark


def test_the_theme_changes_without_scripts(open_context):
    tab = open_context(java_script_enabled=False).new_page()
    tab.goto("/launch?kind=headless")
    tab.locator(".bar-menu__button").click()
    tab.get_by_role("button", name="Dark").click()
    tab.wait_for_url("**/launch?kind=headless")
    assert tab.locator("html").get_attribute("data-theme") == "dark"


WIDTHS = (320, 390, 640, 699, 700, 1024, 1440, 1920, 2560)


def test_the_bar_and_the_page_share_their_edges_and_nothing_overflows_at_any_width(open_context):
    wrong = {}
    for state in ({}, {"storage_state": None}):
        tab = open_context(**state).new_page()
        for address in ("/signin?next=/x", "/nothing", "/launch"):
            tab.goto(address)
            for width in WIDTHS:
                tab.set_viewport_size({"width": width, "height": 800})
                if found := tab.evaluate(EDGES):
                    wrong[f"{address} at {width}"] = found
    assert wrong == {}


# What is wrong with the frame at this width.
EDGES = """() => {
  const wrong = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) wrong.push(`${wide} px wide`);
  const main = document.getElementById("main"), style = getComputedStyle(main), box = main.getBoundingClientRect();
  const left = box.left + parseFloat(style.paddingLeft), right = box.right - parseFloat(style.paddingRight);
  const bar = [...document.querySelectorAll(".bar > *")].filter((each) => each.checkVisibility());
  const edges = bar.map((each) => each.getBoundingClientRect());
  if (Math.abs(Math.min(...edges.map((each) => each.left)) - left) > 1) wrong.push("the left edges differ");
  const last = Math.max(...edges.map((each) => each.right));
  if (bar.length > 1 && Math.abs(last - right) > 1) wrong.push("the right edges differ");
  return wrong.join();
}"""


def test_forced_colours_keep_choices_and_states(page, open_context):
    launch_batch(page, "in-colours", "sleep", "300")
    tab = open_context(forced_colors="active").new_page()
    tab.goto("/")
    dot = "getComputedStyle(document.querySelector('#sessions-table .state'), '::before').backgroundColor"
    assert tab.evaluate(dot) != tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.goto("/launch")
    outlines = tab.evaluate("""[...document.querySelectorAll(".kind")].map(
        (each) => [each.querySelector("input").checked, getComputedStyle(each).outlineStyle !== "none"])""")
    assert all(checked == outlined for checked, outlined in outlines)
    tab.locator(".bar-menu__button").click()
    pressed, other = (
        tab.locator(f'.theme__choice[value="{value}"]').evaluate(
            "(each) => getComputedStyle(each).backgroundColor"
        )
        for value in ("auto", "dark")
    )
    assert pressed != other


def a_session_to_open(page: Page, portal) -> str:
    """Launch a terminal and return the address of its page once it can be opened."""
    page.goto("/launch?kind=contributed")
    page.get_by_role("radio", name=re.compile("ttyd|terminal")).first.check()
    page.get_by_label("Name", exact=True).fill("shell")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/s/*")
    expect(page.locator("#session .state")).to_have_text("Running", timeout=120_000)
    return page.url


def sign_in(tab: Page, portal) -> None:
    """Paste the token on the sign-in page."""
    if not tab.get_by_label("Bearer token").is_visible():
        tab.get_by_text("With a token instead").click()
    tab.get_by_label("Bearer token").fill(portal.exports["CANFAR_TOKEN"])
    tab.get_by_role("button", name="Sign in with the token").click()


def shifted(by: timedelta) -> str:
    """Return a script that sets the browser's clock wrong."""
    return f"""
      const Real = Date, shift = {by.total_seconds() * 1000};
      globalThis.Date = class extends Real {{
        constructor(...given) {{ given.length ? super(...given) : super(Real.now() + shift); }}
        static now() {{ return Real.now() + shift; }}
      }};
    """


def title_of(tab: Page, selector: str) -> str:
    """Return what a time tells a pointer that rests on it."""
    time = tab.locator(selector).first
    time.hover()
    return time.get_attribute("title") or ""
