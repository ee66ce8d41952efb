"""The list as people use it: what it shows under a resting pointer, and that it keeps to its width at every size."""

import re

import httpx
from playwright.sync_api import Page, expect

from tests.browser.test_journeys import TERMINAL, ask_to_destroy, expect_destroyed, launch_elsewhere

WEB_TERMINAL = "images.canfar.net/skaha/web-terminal:latest"
# Where the layout changes, and steps between them.
WIDTHS = sorted(
    {*range(320, 2561, 160), 360, 390, 639, 640, 699, 700, 768, 900, 1024, 1159, 1160, 1246, 1440, 2560}
)
OVERFLOWS = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const cells = [...document.querySelectorAll("td, th")].filter((cell) => cell.checkVisibility()
    && getComputedStyle(cell).overflowX === "visible" && cell.scrollWidth > cell.clientWidth + 1);
  const told = cells.map((cell) => cell.className + ": " + cell.innerText);
  return wide > 0 ? [`the page by ${wide} px`, ...told] : told;
}"""
CUT = """() => [...document.querySelectorAll(".state-line .why")]
  .filter((why) => why.checkVisibility())
  .filter((why) => why.scrollHeight > why.clientHeight + 1 || why.scrollWidth > why.clientWidth + 1)
  .map((why) => "cut: " + why.innerText).slice(0, 5)"""
COVERED = """() => {
  const seen = [...document.querySelectorAll("main a, main button, main input, main select, main summary")]
    .filter((each) => each.checkVisibility() && !each.closest(".selection, .menu__list"))
    .map((each) => [each, each.getBoundingClientRect()]).filter(([, box]) => box.width > 1 && box.height > 1);
  const found = [];
  for (let i = 0; i < seen.length; i += 1) for (let j = i + 1; j < seen.length; j += 1) {
    const [[a, p], [b, q]] = [seen[i], seen[j]];
    if (q.top > p.bottom + 200) continue;
    const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (across > 1 && down > 1 && !a.contains(b) && !b.contains(a)) found.push(a.outerHTML + b.outerHTML);
  }
  return found.slice(0, 5);
}"""


def create(portal, *asked: dict[str, str]) -> None:
    """Launch as another client of the platform would."""
    headers = {
        "Authorization": f"Bearer {portal.exports['CANFAR_TOKEN']}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    usual = {"image": TERMINAL, "type": "headless", "cmd": "true"}
    with httpx.Client(
        base_url=portal.exports["CANFAR_URL"], headers=headers, trust_env=False, timeout=60
    ) as client:
        for each in asked:
            client.post("/session", params={**usual, **each}).raise_for_status()


def every_state(portal) -> None:
    """Launch sessions of each state, one with the longest name, a group of forty and more than fit on a page."""
    long = "a-session-with-the-longest-name-that-the-platform-takes-for-one"
    create(
        portal,
        {"name": long, "cmd": "sleep", "args": "600"},
        {"name": "opens", "image": WEB_TERMINAL, "type": "contributed"},
        {"name": "fails", "cmd": "python3", "args": "-c raise(SystemExit(3))"},
        {"name": "never", "image": "images.canfar.net/skaha/none-such:1", "type": "notebook"},
        *({"name": f"fit-{n}", "cmd": "sleep" if n < 5 else "true", "args": "600"} for n in range(1, 41)),
        *({"name": f"{n:03}-step-of-a-run"} for n in range(70)),
    )


def test_at_every_width_nothing_overflows_and_nothing_covers_another(page: Page, portal) -> None:
    wrong = {}

    def walk(what: str, widths: list[int]) -> None:
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            if found := page.evaluate(OVERFLOWS) + page.evaluate(COVERED) + page.evaluate(CUT):
                wrong[f"{what} at {width} px"] = found[:5]

    page.goto("/")
    expect(page.get_by_text("You have no sessions")).to_be_visible()
    walk("nothing", WIDTHS)
    every_state(portal)
    page.goto("/?kind=contributed")
    expect(page.get_by_role("link", name="Open opens")).to_be_visible()
    walk("one", WIDTHS)
    for what, address in {
        "all": "/",
        "a group": "/?group=fit",
        "an open group": "/?open=fit&sort=name",
    }.items():
        page.goto(address)
        page.get_by_role("checkbox").nth(1).check()
        page.locator(".menu summary").first.click()
        walk(what, WIDTHS if what == "all" else WIDTHS[::3])
    assert wrong == {}


def test_what_i_destroyed_goes_from_under_the_pointer_and_undo_brings_it_back(page: Page, portal) -> None:
    for name in ("first", "second"):
        launch_elsewhere(portal, name)
    page.goto("/")
    expect(page.locator("#sessions-table")).to_contain_text("Running")
    ask_to_destroy(page, "first")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Destroy|Cancel the launch")).click()
    row = page.get_by_role("row", name=re.compile("first"))
    row.hover()
    row.get_by_role("link", name="Undo").click()
    expect(page.locator("#notices")).to_contain_text("you took it back in time")
    expect(row).not_to_contain_text("Destroying")
    ask_to_destroy(page, "first")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Destroy|Cancel the launch")).click()
    page.get_by_role("row", name=re.compile("second")).hover()
    assert page.locator("#sessions-table tbody").evaluate("each => each.matches(':hover')")
    expect_destroyed(page, "first")
    expect(row).to_have_count(0)
    expect(page.locator(".tabs__tab").first).to_have_text(re.compile(r"All\s+1"))
    page.locator("#notices").get_by_role("link", name="Its page").click()
    expect(page.get_by_role("heading", name="first")).to_be_visible()


def test_renewing_is_one_press_with_a_line_of_the_new_end_and_a_closed_dialog_gives_the_focus_back(
    page: Page, portal
) -> None:
    create(portal, {"name": "long-lived", "image": WEB_TERMINAL, "type": "contributed"})
    page.goto("/")
    row = page.get_by_role("row", name=re.compile("long-lived"))
    expect(row.get_by_role("link", name="Open")).to_be_visible()
    page.get_by_label("More for long-lived").click()
    row.get_by_role("link", name="Renew").click()
    expect(page.locator("#notices")).to_contain_text(re.compile(r"ends? at \d{4}-\d\d-\d\d \d\d:\d\d UTC"))
    expect(page.get_by_role("dialog")).to_be_hidden()
    # Who asks to destroy by the keyboard and thinks better of it is back where they were.
    page.get_by_label("More for long-lived").focus()
    page.keyboard.press("Enter")
    row.get_by_role("link", name="Destroy").press("Enter")
    expect(page.get_by_role("dialog").get_by_text("Keep")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("More for long-lived")).to_be_focused()


def test_the_whole_row_leads_to_its_page_and_text_can_be_selected(page: Page, portal) -> None:
    launch_elsewhere(portal, "wide-row")
    page.goto("/")
    row = page.get_by_role("row", name=re.compile("wide-row"))
    expect(row).to_contain_text("Running")
    box = row.locator(".table__kind").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert page.evaluate("String(getSelection())") in "Batch"
    assert page.url.rstrip("/") == portal.address
    page.mouse.click(5, 5)
    row.locator(".table__age").click(position={"x": 60, "y": 20})
    expect(page.get_by_role("heading", name="wide-row")).to_be_visible()
