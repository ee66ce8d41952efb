"""Looks at a page at every width: nothing may reach over its edge, and nothing may cover what can be pressed."""

from __future__ import annotations

from collections.abc import Iterable

from playwright.sync_api import Page

# What people have; 720 is also what 1440 px are at 200 %.
WIDTHS = (320, 360, 390, 480, 640, 720, 721, 768, 900, 960, 961, 1024, 1160, 1280, 1440, 1920, 2560)
WRONG = """() => {
  const found = [];
  const edge = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > edge) found.push(`sideways: ${document.documentElement.scrollWidth}`);
  const name = (each) => each.outerHTML.slice(0, 90);
  const scrolls = (each) => each.closest("[data-log-area], .events__list, .session-panes__side, .facts");
  const pressed = [...document.querySelectorAll("main a, main button, main input, main summary")]
    .filter((each) => each.checkVisibility() && !scrolls(each) && !each.matches(".log__pill"))
    .map((each) => [each, each.getBoundingClientRect()]).filter(([, box]) => box.width > 1 && box.height > 1);
  for (const [each, box] of pressed) {
    if (box.right > edge + 1 || box.left < -1) found.push(`over the edge: ${name(each)}`);
  }
  for (const [a, p] of pressed) for (const [b, q] of pressed) {
    if (a === b || a.contains(b) || b.contains(a)) continue;
    const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (across > 1 && down > 1) found.push(`covered: ${name(a)} by ${name(b)}`);
  }
  const panes = document.querySelectorAll(".session-panes__log, .facts, .session-panes__events, .phases, .head");
  for (const pane of panes) {
    const isWider = pane.checkVisibility() && pane.scrollWidth > pane.clientWidth + 1;
    if (isWider) found.push(`wider than its room: ${name(pane)}`);
  }
  return found.slice(0, 5);
}"""


def wrong_at(page: Page, what: str, widths: Iterable[int] = WIDTHS) -> dict[str, list[str]]:
    """Return what is wrong with the page that is shown, at each width."""
    wrong = {}
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        if found := page.evaluate(WRONG):
            wrong[f"{what} at {width} px"] = found
    return wrong
