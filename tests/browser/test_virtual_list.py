"""The log's virtual list by itself: a million rows, a few of them in the page."""

import itertools

import pytest
from playwright.sync_api import Page

MODULES = "/static/js/behaviours/log"
# A list of numbered rows in an area of 30 rows, every tenth of them three rows tall where `tall` says so.
LIST = """
async ([modules, count, tall]) => {
  const { VirtualList } = await import(`${modules}/virtual.js`);
  document.body.innerHTML = "";
  const make = (parent, css) => {
    const element = document.createElement("div");
    Object.assign(element.style, css);
    parent.append(element);
    return element;
  };
  const area = make(document.body, { height: "540px", overflow: "auto", overflowAnchor: "none" });
  const sheet = make(area, { display: "flow-root" });
  const rows = make(sheet, { lineHeight: "18px" });
  const isTall = (index) => tall && index % 10 === 0;
  const source = {
    count,
    key: (index) => `0.${index}`,
    indexOfKey: (key) => Number(key.split(".")[1]),
    isTall,
    isAbsent: () => false,
    face: () => window.face ?? "",
    shown() {},
    element(index) {
      const element = document.createElement("div");
      element.textContent = index;
      element.style.height = isTall(index) ? "54px" : "18px";
      return element;
    },
  };
  const list = new VirtualList({ area, sheet, rows, source, onFollow() {} });
  area.addEventListener("scroll", () => list.scrolled());
  window.frame = () => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)));
  window.inSight = () => {
    const box = area.getBoundingClientRect();
    return [...rows.children].filter((row) => {
      const own = row.getBoundingClientRect();
      return own.bottom > box.top + 1 && own.top < box.bottom - 1;
    }).map((row) => Number(row.textContent));
  };
  Object.assign(window, { area, rows, list });
  list.renew();
  await frame();
}
"""


@pytest.fixture
def bare(page: Page, portal) -> Page:
    page.goto(f"{portal.address}/signin")
    return page


def test_a_list_as_long_as_a_browser_cannot_draw_shows_its_end_its_beginning_and_its_middle(
    bare: Page,
) -> None:
    bare.evaluate(LIST, [MODULES, 1_000_000, False])
    assert bare.evaluate("inSight()")[-1] == 999_999
    bare.evaluate("area.scrollTop = 0; frame()")
    assert bare.evaluate("inSight()")[0] == 0
    bare.evaluate("area.scrollTop = area.scrollHeight / 2; frame()")
    middle = bare.evaluate("inSight()")
    assert abs(middle[0] - 500_000) < 1_000
    assert middle == list(range(middle[0], middle[0] + len(middle)))
    bare.evaluate("area.scrollTop = area.scrollHeight; frame()")
    assert bare.evaluate("inSight()")[-1] == 999_999
    assert bare.evaluate("rows.childElementCount") < 100


def test_where_a_person_scrolled_to_counts_also_when_lines_come_before_the_browser_has_told_of_it(
    bare: Page,
) -> None:
    bare.evaluate(LIST, [MODULES, 60, False])
    assert bare.evaluate("inSight()")[-1] == 59
    bare.evaluate("area.scrollTop = 0; list.draw(); frame()")
    assert bare.evaluate("inSight()")[0] == 0
    assert bare.evaluate("list.following") is False
    # An area that is hidden has no place; that is nobody's scrolling.
    bare.evaluate("list.follow(true); frame()")
    bare.evaluate(
        "area.style.display = 'none'; list.draw(); area.style.display = ''; area.scrollTop = 0; list.draw(); frame()"
    )
    assert bare.evaluate("inSight()")[-1] == 59


def test_a_key_leads_where_it_says_also_when_the_area_grows_at_that_moment(bare: Page) -> None:
    bare.evaluate(LIST, [MODULES, 60, False])
    assert bare.evaluate("inSight()")[-1] == 59
    # What stands above the log folds: the browser moves the bar, and tells of it after the key.
    bare.evaluate("list.goTo(0, 0); area.style.height = '600px'; area.scrollTop; frame()")
    assert bare.evaluate("inSight()")[0] == 0
    assert not bare.evaluate("list.following")
    bare.evaluate("list.follow(true); area.style.height = '540px'; area.scrollTop = 3; frame()")
    assert bare.evaluate("inSight()")[-1] == 59


def test_small_steps_in_a_long_list_pass_over_no_row(bare: Page) -> None:
    bare.evaluate(LIST, [MODULES, 1_000_000, False])
    bare.evaluate("list.goTo(400000, 0); frame()")
    seen = [bare.evaluate("inSight()")]
    for _ in range(20):
        bare.evaluate("area.scrollTop += 270; frame()")
        seen.append(bare.evaluate("inSight()"))
    assert seen[0][0] == 400_000
    for before, after in itertools.pairwise(seen):
        assert after[0] - before[0] == 15
    # At rest the bar goes back to where this place is in proportion, and the rows stay where they are.
    bare.wait_for_timeout(400)
    assert bare.evaluate("inSight()") == seen[-1]


def test_rows_of_other_heights_keep_their_places(bare: Page) -> None:
    bare.evaluate(LIST, [MODULES, 5_000, True])
    assert bare.evaluate("inSight()")[-1] == 4_999
    bare.evaluate("list.goTo(2500, 0); frame()")
    assert bare.evaluate("inSight()")[0] == 2_500
    for step in range(1, 30):
        bare.evaluate("list.move(-90); frame()")
        shown = bare.evaluate("inSight()")
        assert shown == list(range(shown[0], shown[-1] + 1)), f"a hole or a doubled row after {step} steps"
    # Ten rows are twelve rows tall.
    assert shown[0] == pytest.approx(2_500 - 29 * 90 / 18 / 1.2, abs=2)


def test_heights_agree_with_a_plain_sum(bare: Page) -> None:
    wrong = bare.evaluate(
        """async (modules) => {
          const { Heights } = await import(`${modules}/heights.js`);
          const heights = new Heights(18);
          const plain = Array(3000).fill(18);
          heights.resize(plain.length);
          let random = 7;
          const next = (below) => (random = (random * 48271) % 2147483647) % below;
          for (let round = 0; round < 2000; round += 1) {
            const row = next(plain.length);
            plain[row] = 18 * (1 + next(4));
            heights.set(row, plain[row]);
          }
          const tops = [0];
          for (const height of plain) tops.push(tops.at(-1) + height);
          const wrong = [];
          for (let row = 0; row <= plain.length; row += 1) if (heights.top(row) !== tops[row]) wrong.push(["top", row]);
          for (let round = 0; round < 2000; round += 1) {
            const at = next(tops.at(-1));
            const row = heights.at(at);
            if (!(tops[row] <= at && at < tops[row + 1])) wrong.push(["at", at, row]);
          }
          return wrong;
        }""",
        MODULES,
    )
    assert wrong == []


def test_rows_in_which_a_selection_begins_and_ends_stay_also_when_they_are_drawn_anew(bare: Page) -> None:
    bare.evaluate(LIST, [MODULES, 1_000_000, False])
    ends = bare.evaluate(
        """async () => {
          const ends = () => {
            const { anchorNode, anchorOffset, focusNode, focusOffset } = getSelection();
            return [anchorNode.textContent, anchorOffset, focusNode.textContent, focusOffset];
          };
          rows.className = "log__lines";
          list.goTo(123_456);
          await frame();
          const text = (number) => [...rows.children].find((row) => row.textContent === number).firstChild;
          getSelection().setBaseAndExtent(text("123460"), 2, text("123458"), 5);
          list.goTo(900_000);
          await frame();
          const far = [ends(), rows.children.length < 120, inSight().includes(900_000)];
          window.face = "another";
          list.soon();
          await frame();
          return [...far, ends(), list.selected()];
        }"""
    )
    there = ["123460", 2, "123458", 5]
    begun, ended = {"index": 123_458, "offset": 5}, {"index": 123_460, "offset": 2}
    assert ends == [there, True, True, there, {"from": begun, "to": ended}]
