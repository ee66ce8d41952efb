"""What a page shows of a log while the network between it and the portal is cut, blocked or asleep."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.browser.conftest import PATIENCE, Counting, Portal
from tests.browser.test_journeys import launch_batch
from tests.cutting import Way, WireInThread, wire_to

WIDE = {"width": 1440, "height": 900}
# The page looks every 5 s whether anything was heard in the last 45 s.
SILENCE = 51_000
# Scrolls a virtual list from its beginning to its end and collects each row that is ever there by its number. A log
# that is too short to be scrolled is still followed, and leads to its end when it grows: then it is begun once more.
COLLECT = """async () => {
  const area = document.querySelector("[data-log-area]");
  const found = new Map();
  const look = () => {
    for (const row of area.querySelectorAll(".log__line")) found.set(Number(row.dataset.line), row.textContent);
  };
  const frame = () => new Promise((then) => requestAnimationFrame(() => setTimeout(then)));
  const scroll = async (to) => {
    area.scrollTop = to;
    await frame();
    await frame();
    look();
    return area.scrollTop <= to + 40;
  };
  const walk = async () => {
    if (!await scroll(0)) return false;
    for (;;) {
      const before = area.scrollTop;
      if (!await scroll(before + Math.max(40, area.clientHeight - 80))) return false;
      if (area.scrollTop <= before) return true;
    }
  };
  for (let walks = 0; !await walk(); walks += 1) if (walks === 10) throw new Error("It cannot be scrolled.");
  return [...found].sort((one, other) => one[0] - other[0]);
}"""


def log_of(page: Page) -> list[str]:
    """Return the whole text of a page's log, line by line, however few of its rows are in the page at a time."""
    rows = page.evaluate(COLLECT)
    numbers = [number for number, _ in rows]
    assert numbers == list(range(1, len(rows) + 1)), f"Lines are missing: {numbers[:5]} … {numbers[-5:]}"
    return [text for _, text in rows]


@pytest.fixture
def wire(portal: Portal) -> Iterator[WireInThread]:
    """Lay a wire to the portal."""
    with wire_to(portal.port) as laid:
        yield laid


@pytest.fixture
def behind(
    wire: WireInThread,
    portal: Portal,
    page: Page,
    open_context: Callable[..., BrowserContext],
    signed_in: dict,
) -> Page:
    """Open a page whose way to the portal is the wire; cookies do not tell ports apart.

    The log that is not reached by it is launched from the other page, which has a way of its own.
    """
    return open_context(viewport=WIDE, base_url=f"http://localhost:{wire.port}").new_page()


def launched(page: Page, counting: Counting) -> str:
    """Launch a session that writes lines until it is told to end; return the path of its page."""
    launch_batch(page, "interrupted", "python3", str(counting.program))
    path = "/s/" + page.url.rpartition("/")[2]
    page.goto("about:blank")
    return path


def stay(page: Page) -> None:
    """Mark the page, so that a reload would be seen."""
    page.evaluate("window.stayed = true")


def assert_stayed(page: Page) -> None:
    assert page.evaluate("window.stayed === true"), "The page was loaded again."


def let_pass(page: Page, milliseconds: int, until: Callable[[], bool], within: float = PATIENCE) -> None:
    """Move the page's clock on in one go, then in seconds until something holds."""
    page.clock.fast_forward(milliseconds)
    end = time.monotonic() + within
    while not until():
        assert time.monotonic() < end, "It did not come to pass in time."
        page.clock.run_for(1_000)


def test_a_log_is_whole_after_the_network_was_cut_without_a_word(page, behind, wire, counting):
    path = launched(page, counting)
    behind.clock.install()
    behind.goto(path)
    stay(behind)
    log, status = behind.get_by_role("log"), behind.locator("[data-log-status]")
    behind.clock.run_for(2_000)
    expect(log).to_contain_text("line 3")
    wire.become(Way.SILENT)
    let_pass(behind, SILENCE, lambda: "reconnecting" in status.inner_text())
    shown = len(log_of(behind))
    assert shown > 3
    wire.become(Way.PASS)
    counting.end()
    behind.clock.resume()
    let_pass(behind, 30_000, lambda: "ended" in status.inner_text())
    assert counting.wrote(log_of(behind)) > shown
    assert_stayed(behind)


def test_a_log_is_whole_after_the_tab_slept_for_an_hour(page, behind, wire, counting):
    path = launched(page, counting)
    behind.clock.install()
    behind.goto(path)
    stay(behind)
    behind.clock.run_for(2_000)
    expect(behind.get_by_role("log")).to_contain_text("line 3")
    # Nothing of a sleeping machine answers; meanwhile the session ends.
    wire.become(Way.SILENT)
    counting.end()
    page.goto(path)
    expect(page.locator("#session .state")).to_have_text("Completed")
    wire.become(Way.PASS)
    status = behind.locator("[data-log-status]")
    let_pass(behind, 3_600_000, lambda: "ended" in status.inner_text())
    assert counting.wrote(log_of(behind)) > 3
    assert_stayed(behind)


@pytest.mark.portal_breaks
@pytest.mark.parametrize("way", [Way.REFUSE_UPGRADES, Way.SWALLOW_UPGRADES])
def test_a_log_is_polled_where_websockets_are_blocked(page, behind, wire, way, counting):
    path = launched(page, counting)
    wire.become(way)
    behind.goto(path)
    stay(behind)
    status = behind.locator("[data-log-status]")
    expect(status).to_contain_text(re.compile("polling", re.IGNORECASE))
    # The timeline comes the same way, and says so.
    expect(behind.locator("[data-events-status]")).to_have_text("polling")
    shown = len(log_of(behind))
    counting.end()
    expect(status).to_contain_text("ended")
    assert counting.wrote(log_of(behind)) > shown
    assert_stayed(behind)


# How long the browser kept a page's own request back before it was sent, in milliseconds.
KEPT_BACK = """() => {
  const [page] = performance.getEntriesByType("navigation");
  return page.requestStart - page.fetchStart;
}"""


@pytest.mark.portal_breaks
def test_six_windows_whose_sockets_are_blocked_leave_connections_for_pages(
    page, wire, portal, open_context, signed_in
):
    page.goto("/launch?kind=headless&name=quiet&cmd=sleep+600&replicas=6")
    page.get_by_role("button", name="Launch", exact=True).click()
    rows = page.get_by_role("row").get_by_role("link", name=re.compile(r"^quiet-\d$"))
    expect(rows).to_have_count(6)
    paths = [link.get_attribute("href") for link in rows.all()]
    page.goto("about:blank")
    wire.become(Way.REFUSE_UPGRADES)
    context = open_context(viewport=WIDE, base_url=f"http://localhost:{wire.port}")
    asking: set[Request] = set()
    context.on("request", lambda sent: asking.add(sent) if "/since" in sent.url else None)
    context.on("requestfinished", lambda sent: asking.discard(sent))
    context.on("requestfailed", lambda sent: asking.discard(sent))
    for path in paths:
        context.new_page().goto(path)
    for window in context.pages:
        expect(window.locator("[data-log-status]")).to_contain_text("polling")
        expect(window.locator("[data-events-status]")).to_contain_text("polling")
    # Logs and timelines are twelve; a browser opens six connections, and three requests wait at the portal.
    end = time.monotonic() + PATIENCE
    while not 3 <= len(asking) <= 4:
        assert time.monotonic() < end, f"{len(asking)} requests wait."
        window.wait_for_timeout(50)
    seventh = context.new_page()
    seventh.goto("/")
    # It was some milliseconds; without room the browser waits until the portal has answered another, up to ten seconds.
    assert seventh.evaluate(KEPT_BACK) < 3_000
