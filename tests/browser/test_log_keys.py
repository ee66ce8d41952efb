"""The log by keyboard, its finder beyond what it holds at once, and what it says of a link that leads too far."""

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PATIENCE
from tests.browser.test_log_view import (
    LINES,
    QUIET_WRITER,
    line,
    lines_in_sight,
    session_writing,
    wait_for_lines,
)

FINDER = "/static/js/behaviours/log/finder.js"
# A portal with so many lines found, two hits in each, of which it tells 500 at a time.
FOUND = """async ([finder, lines]) => {
  const { Finder } = await import(finder);
  const landed = [];
  const search = async ({ after }) => {
    const hits = [];
    const upTo = Math.min(after + 500, lines);
    for (let line = after + 1; line <= upTo; line += 1) hits.push([line, [[0, 1], [4, 5]], "x", null]);
    return { hits, e: 7, upto: after + hits.length, end: after + hits.length >= lines, next_e: null };
  };
  const found = new Finder(search, () => {}, () => landed.push(found.words));
  const idle = async () => { while (found.controller || found.landing) await new Promise((then) => setTimeout(then)); };
  const step = async (by) => {
    found.step(by, () => 0);
    await idle();
    return [found.words, found.hits[found.at].line, found.within];
  };
  found.start({ q: "x" }, [7]);
  await idle();
  const told = { idle: found.words, first: await step(1), second: await step(1), third: await step(1) };
  await step(-1);
  await step(-1);
  told.back = await step(-1);
  told.round = await step(1);
  let most = found.hits.length;
  const seen = new Set([`${told.round[1]}.${told.round[2]}`]);
  for (let number = 1; number < 2 * lines; number += 1) {
    const [, at, within] = await step(1);
    seen.add(`${at}.${within}`);
    most = Math.max(most, found.hits.length);
  }
  return { ...told, all: seen.size, end: found.words, most };
}"""


@pytest.mark.parametrize("lines", [3, 12_345])
def test_find_steps_through_every_hit_and_reaches_the_end_however_many_there_are(
    page: Page, lines: int
) -> None:
    page.goto("/")
    told = page.evaluate(FOUND, [FINDER, lines])
    total = f"{2 * lines:,}"
    more = "" if lines < 5_000 else "more than "
    seen = total if lines < 5_000 else "10,000"
    assert told["idle"] == f"{more}{seen} hits"
    assert told["first"] == [f"hit 1 of {more}{seen}", 1, 0]
    assert told["second"] == [f"hit 2 of {more}{seen}", 1, 1]
    assert told["third"] == [f"hit 3 of {more}{seen}", 2, 0]
    # Back over the beginning leads to the last one, and on from there round to the first.
    assert told["back"] == [f"hit {total} of {total}", lines, 1]
    assert told["round"] == [f"hit 1 of {more}{seen}", 1, 0]
    assert (told["all"], told["end"]) == (2 * lines, f"hit {total} of {total}")
    assert told["most"] <= 5_000


@pytest.fixture
def written(page: Page, tmp_path) -> Locator:
    area = session_writing(page, QUIET_WRITER, tmp_path)
    expect(page.locator("[data-log-status]")).to_contain_text("whole log")
    return area


def places(page: Page) -> list[dict]:
    return page.evaluate(
        """[...document.querySelectorAll(".log__tool:not([data-log-part])")].filter((tool) => tool.offsetParent)
           .map((tool) => { const { x, y } = tool.getBoundingClientRect(); return { x, y }; })"""
    )


def test_keys_work_wherever_the_focus_is_but_in_fields_and_dialogs(page: Page, written: Locator) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Launch again").focus()
    page.keyboard.press("g")
    expect(line(page, 1)).to_be_in_viewport()
    page.keyboard.press("w")
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("w")
    page.keyboard.press("End")
    expect(line(page, LINES)).to_be_in_viewport()
    # With a modifier they are somebody else's.
    page.keyboard.press("Alt+g")
    page.keyboard.press("Control+ArrowUp")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "true")
    before = places(page)
    page.keyboard.press("/")
    page.keyboard.type("frame 10")
    expect(page.locator("[data-log-query]")).to_have_value("frame 10")
    page.keyboard.press("Enter")
    expect(page.locator("[data-log-hits]")).to_contain_text("hit ")
    opened = places(page)
    # Nothing that was there moved, and with the words nothing moves.
    assert opened[: len(before)] == before
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    assert places(page) == opened
    page.keyboard.press("Escape")
    # The first line in sight by Enter, and a range by Shift and the arrows.
    page.keyboard.press("g")
    expect(line(page, 1)).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"#L1\.\w+$"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    expect(page).to_have_url(re.compile(r"#L2-L4\.\w+$"))
    expect(page.locator(".log__line--chosen")).to_have_count(3)
    page.keyboard.press("Shift+ArrowUp")
    expect(page).to_have_url(re.compile(r"#L2-L3\.\w+$"))
    # While a dialog is open, the log stays as it is.
    page.evaluate("document.getElementById('dialog').showModal()")
    page.keyboard.press("w")
    page.evaluate("document.getElementById('dialog').close()")
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "false")


def test_a_link_beyond_the_end_is_told_and_what_there_is_of_it_shown(page: Page, written: Locator) -> None:
    address = page.url.partition("#")[0]
    page.goto("/")
    page.goto(f"{address}#L{LINES - 1}-L{LINES + 50}")
    told = page.locator("[data-log-told]")
    expect(told).to_have_text(
        f"This log has {LINES:,} lines; the link leads to lines {LINES - 1:,} to {LINES + 50:,}."
    )
    expect(page.locator(".log__line--chosen")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    page.goto("/")
    page.goto(f"{address}#L99999")
    expect(told).to_contain_text("the link leads to line 99,999")
    # A link into the middle tells of nothing new: those lines were there before.
    page.goto("/")
    page.goto(f"{address}#L12")
    wait_for_lines(page, {12})
    expect(page.locator("[data-log-status]")).to_contain_text("whole log")
    expect(page.locator("[data-log-pill]")).to_be_hidden()
    # On a phone the link opens the log, whichever part was looked at, and the keys of the tabs are those of links.
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("link", name="Timeline").focus()
    page.keyboard.press("Enter")
    expect(written).to_be_hidden()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    page.evaluate("location.hash = '#L20'")
    wait_for_lines(page, {20})
    assert page.evaluate("document.querySelector('[data-log-area]').getBoundingClientRect().top") < 420
    assert len(lines_in_sight(page)) > 15


def test_all_of_a_log_is_taken_by_keyboard(page: Page, written: Locator) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    written.focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    # The lines are fetched first, all of them; a function that waits is no condition for `wait_for_function`.
    end = time.monotonic() + PATIENCE
    while not (taken := page.evaluate("navigator.clipboard.readText()")).startswith("frame 0 of"):
        assert time.monotonic() < end, f"In the clipboard is {taken[:100]!r}."
        time.sleep(0.1)
    lines = taken.split("\n")
    assert len(lines) == LINES
    assert lines[LINES - 1].startswith(f"frame {LINES - 1} of {LINES}")
