"""The page of one session, and the one where one waits: their room at every width, and in the reader's own colours."""

from playwright.sync_api import expect

from tests.browser.test_journeys import launch_batch
from tests.browser.test_log_view import QUIET_WRITER
from tests.browser.test_waiting import launch_notebook, wait_in_line
from tests.browser.walking import wrong_at

LONG = "a-rather-long-name-for-a-session-of-the-second-reduction"
FAR = f"images.canfar.net/{'a-project-with-a-long-name-' * 3}x/{'an-image-' * 6}x:1"


def test_at_every_width_nothing_overflows_and_nothing_covers_another(page, portal, tmp_path):
    wrong = {}
    program = tmp_path / "written.py"
    program.write_text(QUIET_WRITER)
    launch_batch(page, LONG, "python3", f"{program} {'--option=of/some/length/ ' * 9}")
    expect(page.locator("[data-log-status]")).to_contain_text("whole log")
    wrong |= wrong_at(page, "ended")
    page.keyboard.press("/")
    page.keyboard.type("frame 1")
    expect(page.locator("[data-log-hits]")).to_contain_text("hits")
    page.set_viewport_size({"width": 390, "height": 900})
    page.get_by_role("button", name="More for the log").click()
    wrong |= wrong_at(page, "finding")
    address = launch_notebook(page, "m31", FAR)
    expect(page.locator("#session .state--failed")).to_have_text("Cannot start")
    expect(page.get_by_role("link", name="Change and launch again")).to_be_visible()
    wrong |= wrong_at(page, "cannot start")
    page.goto(f"{address}/open")
    expect(page.get_by_role("link", name="Change and launch again")).to_be_visible()
    wrong |= wrong_at(page, "waiting in vain")
    wait_in_line(page, portal, "in-line")
    wrong |= wrong_at(page, "waiting")
    assert wrong == {}


# What is seen of an element's colours and edges, to be compared.
LOOK = """(selector) => {
  const style = getComputedStyle(document.querySelector(selector));
  return [style.backgroundColor, style.borderLeftColor, style.borderLeftStyle];
}"""


def test_forced_colours_keep_levels_the_chosen_line_and_the_switch(page, open_context, portal, tmp_path):
    program = tmp_path / "levels.py"
    program.write_text(
        "print('ERROR no flat field'); print('WARNING seeing is bad'); print('fine'); print('chosen')"
    )
    launch_batch(page, "levels", "python3", str(program))
    expect(page.locator("[data-log-status]")).to_contain_text("whole log")
    forced = open_context(viewport={"width": 1440, "height": 900}, forced_colors="active").new_page()
    forced.goto(f"{page.url.partition('#')[0]}#L4")
    expect(forced.locator(".log__line--chosen")).to_have_count(1)
    looks = {
        what: forced.evaluate(LOOK, f'.log__line[data-line="{number}"] .log__number')
        for number, what in enumerate(("error", "warning", "fine"), 1)
    }
    assert looks["error"] != looks["fine"] != looks["warning"] != looks["error"]
    chosen, fine = (forced.evaluate(LOOK, f'.log__line[data-line="{number}"]') for number in (4, 3))
    assert chosen[0] != fine[0]
    pressed = forced.evaluate(LOOK, '.log__tool[aria-pressed="false"]')
    forced.keyboard.press("t")
    assert forced.evaluate(LOOK, '.log__tool[aria-pressed="true"]') != pressed
    address = wait_in_line(page, portal)
    forced.goto(f"{address}/open")
    on = forced.evaluate(LOOK, ".switch__track")
    forced.get_by_role("switch").click()
    expect(forced.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    assert forced.evaluate(LOOK, ".switch__track") != on
