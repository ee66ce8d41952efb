"""The log of a session, read by a person: following, finding, choosing, copying, coming back to a line."""

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_journeys import launch_batch

LINES = 3_000
QUIET_WRITER = f"""
for number in range({LINES}):
    print(f"frame {{number}} of {LINES}", "ERROR no flat field" if number % 500 == 7 else "")
"""
SLOW_WRITER = (
    QUIET_WRITER
    + """
import sys, time
sys.stdout.flush()
for number in range(6_000):
    print("late", number, flush=True)
    time.sleep(0.1)
"""
)


def session_writing(page: Page, code: str, folder: Path, name: str = "written") -> Locator:
    """Launch a batch session that runs ``code`` and return its log's area."""
    program = folder / f"{name}.py"
    program.write_text(code)
    launch_batch(page, name, "python3", str(program))
    expect(page.locator(".log__line").first).to_be_visible()
    return page.locator("[data-log-area]")


def lines_in_sight(page: Page) -> list[int]:
    """Return the numbers of the lines that can be seen, in their order."""
    return page.evaluate(
        """() => {
          const box = document.querySelector("[data-log-area]").getBoundingClientRect();
          return [...document.querySelectorAll(".log__line")].filter((row) => {
            const own = row.getBoundingClientRect();
            return own.top > box.top - 1 && own.bottom < box.bottom + 1;
          }).map((row) => Number(row.dataset.line));
        }"""
    )


def wait_for_lines(page: Page, numbers: set[int]) -> None:
    end = time.monotonic() + 60
    while not numbers <= set(seen := lines_in_sight(page)):
        assert time.monotonic() < end, f"{numbers} are not in sight, but {seen}"
        time.sleep(0.05)


def until(page: Page, condition: str, argument: object = None) -> None:
    page.wait_for_function(condition, arg=argument)


def line(page: Page, number: int) -> Locator:
    return page.locator(f'.log__line[data-line="{number}"]')


@pytest.fixture
def written(page: Page, tmp_path: Path) -> Locator:
    area = session_writing(page, QUIET_WRITER, tmp_path)
    expect(page.locator("[data-log-status]")).to_contain_text("whole log")
    return area


def test_the_page_holds_few_rows_of_a_long_log_and_reaches_all_of_them(page: Page, written: Locator) -> None:
    expect(line(page, LINES)).to_be_visible()
    assert page.locator(".log__line").count() < 120
    written.focus()
    page.keyboard.press("g")
    expect(line(page, 1)).to_have_text("frame 0 of 3000 ")
    page.evaluate("document.querySelector('[data-log-area]').scrollTop = 1500 * 18")
    expect(line(page, 1510)).to_have_text("frame 1509 of 3000 ")
    page.keyboard.press("End")
    expect(line(page, LINES)).to_be_in_viewport()
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "true")


def test_following_pauses_when_somebody_scrolls_up_and_says_how_much_is_new(
    page: Page, tmp_path: Path
) -> None:
    area = session_writing(page, SLOW_WRITER, tmp_path)
    expect(page.locator(".log__line", has_text="late").last).to_be_visible()
    area.hover()
    page.mouse.wheel(0, -2_000)
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    before = lines_in_sight(page)
    pill = page.locator("[data-log-pill]")
    expect(pill).to_have_text(re.compile(r"^[1-9]\d* new lines$"))
    # What is read stays where it is while lines come.
    assert lines_in_sight(page) == before
    pill.click()
    expect(pill).to_be_hidden()
    until(page, "document.querySelector('[data-log-area]').scrollTop > 3000 * 17")


def test_selecting_text_pauses_following_and_keeps_the_selection(page: Page, tmp_path: Path) -> None:
    session_writing(page, SLOW_WRITER, tmp_path)
    chosen = page.locator(".log__line", has_text="late").last
    chosen.locator(".log__text").dblclick(position={"x": 10, "y": 9})
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    text = page.evaluate("document.getSelection().toString()").strip()
    expect(page.locator("[data-log-pill]")).to_be_visible()
    assert page.evaluate("document.getSelection().toString()").strip() == text == "late"


def test_find_counts_in_the_whole_log_and_steps_through_it(page: Page, written: Locator) -> None:
    written.focus()
    page.keyboard.press("/")
    page.keyboard.type("no flat field")
    hits = page.locator("[data-log-hits]")
    expect(hits).to_have_text("6 hits")
    page.keyboard.press("Enter")
    expect(hits).to_contain_text(" of 6")
    page.keyboard.press("Shift+Enter")
    seen = set()
    for _ in range(6):
        page.keyboard.press("Enter")
        now = page.locator(".log__hit--now")
        expect(now).to_have_text("no flat field")
        expect(now).to_be_in_viewport()
        seen.add(page.locator(".log__line:has(.log__hit--now)").get_attribute("data-line"))
    assert seen == {str(number) for number in range(8, LINES, 500)}
    page.keyboard.press("Escape")
    expect(page.locator("mark")).to_have_count(0)
    expect(written).to_be_focused()


def test_enter_right_after_typing_goes_to_the_first_line_found(page: Page, written: Locator) -> None:
    written.focus()
    page.keyboard.press("g")
    expect(line(page, 1)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("frame 1507")
    page.keyboard.press("Enter")
    expect(page.locator("[data-log-hits]")).to_have_text("hit 1 of 1")
    expect(page.locator(".log__hit--now")).to_be_in_viewport()


def test_a_pattern_finds_and_a_bad_one_is_explained_where_it_was_typed(page: Page, written: Locator) -> None:
    page.get_by_role("button", name="Find").click()
    query = page.get_by_role("searchbox", name="Find in the whole log")
    page.get_by_role("button", name="regular expression").click()
    query.fill(r"^frame 1\d{3} ")
    expect(page.locator("[data-log-hits]")).to_have_text("1,000 hits")
    query.fill("frame (")
    expect(query).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[data-log-hits]")).to_contain_text(")")
    expect(query).to_have_value("frame (")


def test_only_the_lines_found_can_be_shown_and_one_of_them_in_its_place(page: Page, written: Locator) -> None:
    page.keyboard.press("/")
    page.keyboard.type("no flat field")
    expect(page.locator("[data-log-hits]")).to_have_text("6 hits")
    page.get_by_role("button", name="Only these").click()
    expect(page.locator(".log__line")).to_have_count(6)
    kept = downloaded(page, "Download found")
    assert [text.split()[1] for text in kept] == [str(number) for number in range(7, LINES, 500)]
    line(page, 1008).locator(".log__number").click()
    expect(line(page, 1009)).to_be_visible()
    wait_for_lines(page, {1008})


def test_a_line_has_an_address_that_leads_back_to_it(page: Page, written: Locator, open_context) -> None:
    written.focus()
    page.keyboard.press("g")
    line(page, 12).locator(".log__number").click()
    line(page, 15).locator(".log__number").click(modifiers=["Shift"])
    expect(page).to_have_url(re.compile(r"#L12-L15\.\w+$"))
    expect(page.locator(".log__line--chosen")).to_have_count(4)
    other = open_context(viewport={"width": 1440, "height": 900}).new_page()
    other.goto(page.url)
    expect(other.locator(".log__line--chosen")).to_have_count(4)
    wait_for_lines(other, {12, 13, 14, 15})
    # Who comes to a line goes on from there with the keys.
    other.keyboard.press("G")
    wait_for_lines(other, {LINES})


def test_what_was_chosen_can_be_unchosen(page: Page, written: Locator) -> None:
    written.focus()
    page.keyboard.press("g")
    for undo in (
        lambda: page.keyboard.press("Escape"),
        lambda: line(page, 12).locator(".log__number").click(),
    ):
        line(page, 12).locator(".log__number").click()
        expect(page.locator(".log__line--chosen")).to_have_count(1)
        expect(page.get_by_role("link", name="Download chosen")).to_be_visible()
        expect(written).to_be_focused()
        undo()
        expect(page.locator(".log__line--chosen")).to_have_count(0)
        expect(page.get_by_role("link", name="Download chosen")).to_be_hidden()
        expect(page).not_to_have_url(re.compile("#"))


def test_copying_gives_the_chosen_lines_as_plain_text(page: Page, tmp_path: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    area = session_writing(page, r"for n in range(9): print(f'\x1b[31mred\x1b[0m {n}')", tmp_path)
    expect(line(page, 9)).to_have_text("red 8")
    expect(area.locator(".ansi-fg-1").first).to_have_text("red")
    line(page, 2).locator(".log__number").click()
    line(page, 4).locator(".log__number").click(modifiers=["Shift"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "red 1\nred 2\nred 3"


def place_of(page: Page, number: int, text: str) -> tuple[float, float]:
    """Return where in the page a line's text begins to say something."""
    expect(line(page, number)).to_contain_text(text)
    box = page.evaluate(
        """([number, text]) => {
          const row = document.querySelector(`.log__line[data-line="${number}"] .log__text`);
          const node = document.createTreeWalker(row, NodeFilter.SHOW_TEXT).nextNode();
          const range = document.createRange();
          range.setStart(node, node.data.indexOf(text));
          range.setEnd(node, node.data.indexOf(text) + 1);
          const { left, top, height } = range.getBoundingClientRect();
          return [left + 0.5, top + height / 2];
        }""",
        [number, text],
    )
    return box[0], box[1]


def copied(page: Page) -> list[str]:
    """Return the lines that Ctrl+C takes."""
    page.evaluate("navigator.clipboard.writeText('')")
    page.keyboard.press("Control+c")
    end = time.monotonic() + 60
    # What is not in the page is fetched first.
    while not (taken := page.evaluate("navigator.clipboard.readText()")):
        assert time.monotonic() < end, "Nothing was copied."
        page.wait_for_timeout(50)
    return taken.split("\n")


def test_a_long_drag_keeps_its_beginning_and_so_does_shift_and_a_click_far_away(
    page: Page, written: Locator
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("location.hash = '#L100'")
    wait_for_lines(page, {100})
    page.keyboard.press("Escape")
    page.mouse.move(*place_of(page, 100, "99 of"))
    page.mouse.down()
    page.mouse.move(*place_of(page, 103, "of"))
    # With the button held down, far away: first by the wheel, then below the log, which scrolls by itself.
    while lines_in_sight(page)[0] < 1_000:
        page.mouse.wheel(0, 2_000)
        page.wait_for_timeout(30)
    box = written.bounding_box()
    assert box is not None
    begun = lines_in_sight(page)[0]
    while lines_in_sight(page)[0] < begun + 100:
        page.mouse.move(box["x"] + 150 + time.monotonic() % 5, box["y"] + box["height"] + 8)
        page.wait_for_timeout(30)
    page.mouse.up()
    assert page.locator(".log__line").count() < 120
    end = lines_in_sight(page)[-1]
    # Where the log is scrolled to afterwards changes nothing.
    page.evaluate("location.hash = '#L2500'")
    wait_for_lines(page, {2_500})
    taken = copied(page)
    assert (taken[0], taken[1], taken[700]) == ("99 of 3000 ", "frame 100 of 3000 ", "frame 799 of 3000 ")
    assert end - 2 <= 99 + len(taken) <= end + 2

    page.keyboard.press("Escape")
    page.mouse.click(*place_of(page, 2_500, " of"))
    page.keyboard.press("g")
    wait_for_lines(page, {2})
    page.keyboard.down("Shift")
    page.mouse.click(*place_of(page, 2, "1 of"))
    page.keyboard.up("Shift")
    taken = copied(page)
    assert (len(taken), taken[0], taken[-1]) == (2_499, "1 of 3000 ", "frame 2499")


def test_settings_are_remembered_and_wrapping_keeps_the_place(page: Page, tmp_path: Path) -> None:
    area = session_writing(page, "for n in range(2000): print(n, 'x' * (n % 700))", tmp_path)
    expect(line(page, 2000)).to_be_visible()
    area.focus()
    page.evaluate("document.querySelector('[data-log-area]').scrollTop = 700 * 18")
    expect(line(page, 720)).to_be_visible()
    page.keyboard.press("w")
    until(page, "document.querySelector('.log').classList.contains('log--wrap')")
    assert lines_in_sight(page)[0] in {701, 702}
    assert page.evaluate("(area) => area.scrollWidth <= area.clientWidth", area.element_handle())
    page.keyboard.press("t")
    expect(page.locator(".log__moment").first).to_have_attribute("data-moment", re.compile(r"\d\d:\d\d:\d\d"))
    page.reload()
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Times")).to_have_attribute("aria-pressed", "true")


def test_levels_are_told_by_a_mark_beside_the_line(page: Page, written: Locator) -> None:
    written.focus()
    page.keyboard.press("g")
    expect(line(page, 8)).to_have_attribute("data-level", "error")
    assert line(page, 9).get_attribute("data-level") is None


COLOURED_WRITER = """
for number in range(1, 5_001):
    print({10: "\\x1b[33m", 4_000: "\\x1b[0m"}.get(number, "") + f"frame {number}")
"""


def test_a_colour_lasts_over_lines_wherever_the_log_is_read(page: Page, tmp_path: Path) -> None:
    area = session_writing(page, COLOURED_WRITER, tmp_path)
    expect(page.locator("[data-log-status]")).to_contain_text("whole log")
    colour = page.locator(".ansi-fg-3")
    # Of the log its end is here; what is before it is loaded where somebody looks.
    page.evaluate("location.hash = '#L3999-L4001'")
    expect(line(page, 3_999).locator(colour)).to_have_text("frame 3999")
    expect(line(page, 4_000)).to_have_text("frame 4000")
    expect(line(page, 4_000).locator(colour)).to_have_count(0)
    page.evaluate("location.hash = '#L1500'")
    expect(line(page, 1_500).locator(colour)).to_have_text("frame 1500")
    page.evaluate("location.hash = '#L9'")
    expect(line(page, 10).locator(colour)).to_have_text("frame 10")
    expect(line(page, 9).locator(colour)).to_have_count(0)
    area.press("/")
    page.locator("[data-log-query]").fill("frame 2000")
    page.get_by_role("button", name="Only these").click()
    expect(page.locator(".log__line")).to_have_count(1)
    expect(line(page, 2_000).locator(colour)).to_have_text("frame 2000")


LONG_LINE_WRITER = """
for number in range(1, 101):
    print(f"frame {number}")
    if number == 50:
        print("needle" + "x" * 20_000 + " needle " + "y" * 5_000 + " the last needle")
"""


def test_a_hit_behind_the_beginning_of_a_long_line_is_shown(page: Page, tmp_path: Path) -> None:
    area = session_writing(page, LONG_LINE_WRITER, tmp_path)
    expect(page.locator("[data-log-status]")).to_contain_text("whole log")
    area.press("/")
    page.locator("[data-log-query]").fill("needle")
    page.keyboard.press("Enter")
    expect(page.locator("[data-log-hits]")).to_have_text("hit 1 of 3")
    page.keyboard.press("Enter")
    here = line(page, 51).locator(".log__excerpt")
    place = here.locator(".log__where")
    expect(place).to_have_attribute("data-where", "Hit 1 of 2 behind what is shown, at character 20,008:")
    expect(here.locator(".log__hit--now")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(place).to_have_attribute("data-where", "Hit 2 of 2 behind what is shown, at character 25,025:")
    expect(here).to_have_text(re.compile("^…y+ the last needle$"))
    # Wrapped, what is shown of the line is longer than what is in sight.
    page.get_by_role("button", name="Wrap").click()
    page.get_by_role("button", name="Previous").click()
    expect(here.locator(".log__hit--now")).to_be_in_viewport()
    page.get_by_role("button", name="Wrap").click()
    page.get_by_role("button", name="Close").click()
    expect(here).to_have_count(0)
    # Nothing is left of the room that it took.
    until(page, "document.querySelector('[data-log-sheet]').offsetHeight === 101 * 18")


def test_the_log_stays_when_its_session_is_destroyed(page: Page, written: Locator) -> None:
    # What has ended is destroyed without a question.
    expect(page.locator("#session .state")).to_have_text("Completed")
    page.get_by_role("link", name="Destroy").click()
    expect(page.locator("#notices")).to_contain_text("was destroyed")
    end = time.monotonic() + 60
    while time.monotonic() < end and page.locator(".state--gone").count() == 0:
        page.reload()
    expect(line(page, LINES)).to_have_text(f"frame {LINES - 1} of {LINES} ")
    page.keyboard.press("/")
    page.keyboard.type("no flat field")
    expect(page.locator("[data-log-hits]")).to_have_text("6 hits")


@pytest.mark.parametrize("afterwards", ["time.sleep(600)", ""], ids=["running", "ended"])
def test_a_long_log_is_downloaded_to_its_last_line(page: Page, tmp_path: Path, afterwards: str) -> None:
    count = 50_000
    code = f"import time\nfor n in range({count}): print('frame', n, 'reduced')\nprint(end='', flush=True)\n"
    session_writing(page, code + afterwards, tmp_path)
    expect(line(page, count)).to_be_visible()
    if not afterwards:
        expect(page.locator("[data-log-status]")).to_contain_text("whole log")
    wanted = [f"frame {n} reduced" for n in range(count)]
    assert downloaded(page, "Download") == wanted
    page.keyboard.press("/")
    page.keyboard.type("frame")
    expect(page.locator("[data-log-hits]")).to_contain_text("more than 5,000 hits")
    assert downloaded(page, "Download found") == wanted


def downloaded(page: Page, link: str) -> list[str]:
    """Follow a link to a file and return its lines."""
    with page.expect_download() as download:
        page.get_by_role("link", name=link, exact=True).click()
    return Path(download.value.path()).read_text().splitlines()
