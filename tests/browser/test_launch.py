"""Launching, as people do it: a line with quotes, a link, a phone, and colours that the reader sets."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_pages import SIZES, findings

WIDTHS = (320, 390, 641, 720, 1023, 1024, 1159, 1440, 1920, 2560)
NO_SUCH = "images.canfar.net/skaha/no-such-image-of-a-very-long-name:1"
WRONG = f"/launch?type=headless&name=a_b&image={NO_SUCH}&memory=lots&gpus=1&colour=x"


def in_sight(page: Page) -> bool:
    """Say whether Launch is in the window, and nothing lies over it."""
    return page.evaluate(
        """() => {
          const button = document.querySelector("[data-launch]");
          const { left, right, top, bottom } = button.getBoundingClientRect();
          const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
          return top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth && hit === button;
        }"""
    )


def test_a_line_with_quotes_runs_as_it_was_typed_and_can_be_launched_again(open_context, page):
    tab = open_context(viewport=SIZES["phone"], has_touch=True).new_page()
    tab.goto("/launch?kind=headless")
    line = "bash -c \"echo hello; sleep 1; echo 'a  b'\""
    tab.get_by_label("Name", exact=True).fill("one-liner")
    tab.get_by_label("Command", exact=True).fill(line)
    expect(tab.locator("#summary")).to_contain_text("It travels as a script")
    expect(tab.locator("#summary dd").filter(has_text="hello")).to_have_text(line)
    assert in_sight(tab)
    tab.get_by_role("button", name="Launch", exact=True).click()
    tab.wait_for_url("**/s/*")
    expect(tab.locator("#session .state")).to_have_text("Completed", timeout=20_000)
    assert tab.request.get(f"{tab.url}/log.txt").text() == "hello\na  b\n"
    tab.goto(f"/launch?again={tab.url.rpartition('/')[2]}")
    expect(tab.get_by_label("Command", exact=True)).to_have_value(line)


def test_a_script_is_written_in_the_form_and_its_variable_asked_for_again(page):
    page.goto("/launch?kind=headless")
    page.get_by_text("A script instead").click()
    page.get_by_label("Script", exact=True).fill("#!/usr/bin/env python3\nimport os\nprint(os.environ['A'])")
    page.get_by_label("Environment").fill("A=b=c")
    page.get_by_label("Name", exact=True).fill("written")
    expect(page.locator("#summary")).to_contain_text("your script of 3 lines, by python3")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/s/*")
    expect(page.get_by_role("log")).to_contain_text("b=c", timeout=20_000)
    page.goto(f"/launch?again={page.url.rpartition('/')[2]}")
    launch = page.get_by_role("button", name="Launch", exact=True)
    expect(launch).to_have_attribute("aria-disabled", "true")
    launch.click(force=True)
    expect(page.get_by_label("Environment")).to_be_focused()
    page.get_by_label("Environment").fill("")
    expect(launch).not_to_have_attribute("aria-disabled", "true")


def test_a_link_fills_the_form_and_the_address_follows_it(page):
    page.goto("/launch?type=notebook&name=m31&memory=2&cores=1&colour=red")
    expect(page.get_by_text("“colour”, which this page does not know")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("m31")
    expect(page.get_by_label("Memory, GiB")).to_have_value("2")
    page.get_by_label("Name", exact=True).fill("m33")
    expect(page).to_have_url(re.compile(r"type=notebook&image=[^&]+&name=m33&cores=1&memory=2$"))
    page.get_by_role("radio", name=re.compile("Batch")).check()
    page.get_by_label("Environment").fill("A=secret")
    page.get_by_label("Command", exact=True).fill("env")
    expect(page.locator("#summary")).to_contain_text("env")
    expect(page).to_have_url(re.compile("type=headless"))
    assert "secret" not in page.url
    assert "env" not in page.url
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("m33")


def test_launch_is_in_reach_and_nothing_runs_over_at_any_width(page):
    found = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 700})
        for address in ("/launch?kind=headless", WRONG):
            page.goto(address)
            expect(page.locator("#summary dd").first).to_be_visible()
            if page.evaluate("document.documentElement.scrollWidth") > width or not in_sight(page):
                found[width] = address
            page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
            if not in_sight(page):
                found[f"{width}, at the end"] = address
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_a_launch_is_wrong(open_context, page, scheme):
    for size in SIZES.values():
        tab = open_context(viewport=size, color_scheme=scheme).new_page()
        tab.goto(WRONG)
        tab.wait_for_load_state("networkidle")
        assert findings(tab) == []


def test_the_chosen_kind_and_image_show_in_the_readers_own_colours(open_context, page):
    tab = open_context(viewport=SIZES["wide"], forced_colors="active").new_page()
    tab.goto("/launch?kind=headless")
    for part in (".kind", ".image"):
        background = "each => getComputedStyle(each).backgroundColor"
        chosen = tab.locator(f"{part}:has(:checked)").evaluate(background)
        other = tab.locator(f"{part}:not(:has(:checked))").first.evaluate(background)
        assert chosen != other
