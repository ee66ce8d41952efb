"""What the page makes of a line: text, classes from a list, and nothing else, in a real browser."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from sessions_app.live import looks
from sessions_app.live.escapes import visible
from tests.browser.conftest import Portal
from tests.live.test_escapes import CLASSES, CORPUS, HOSTILE, chance_texts, reference_spans

ANSI, LEVELS = "/static/js/behaviours/log/ansi.js", "/static/js/behaviours/log/levels.js"
IN_PAGE = f"""
const {{ spans, visible, links, CLASSES }} = await import("{ANSI}");
const {{ level }} = await import("{LEVELS}");
function draw(text) {{
  const row = document.createElement("div");
  for (const run of spans(text)) {{
    const span = document.createElement("span");
    span.className = run.classes;
    span.append(run.text);
    row.append(run.classes ? span : run.text);
  }}
  return row;
}}
"""
# Of a long text, this many characters are drawn cut at every offset.
SHORT = 600


@pytest.fixture
def quiet(open_context: Callable[..., BrowserContext]) -> Page:
    """A page of the portal, with its scripts, on which nothing moves."""
    context = open_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto("/nothing")
    page.wait_for_load_state("networkidle")
    return page


def run(page: Page, body: str, given: object = None) -> object:
    return page.evaluate(f"async (given) => {{ {IN_PAGE} {body} }}", given)


def runs_of(page: Page, texts: list[str]) -> list[list[tuple[str, str]]]:
    made = run(page, "return given.map((text) => spans(text).map((run) => [run.text, run.classes]));", texts)
    return [[(text, classes) for text, classes in runs] for runs in made]


def test_the_corpus_is_drawn_as_it_says(quiet: Page) -> None:
    texts = [case.text for case in CORPUS]
    assert run(quiet, "return CLASSES;") == CLASSES
    for case, runs in zip(CORPUS, runs_of(quiet, texts), strict=True):
        assert runs == case.spans, case.name
    for case, seen in zip(CORPUS, run(quiet, "return given.map(visible);", texts), strict=True):
        assert seen == case.visible, case.name


def test_the_page_and_the_search_see_the_same_of_any_text(quiet: Page) -> None:
    long_ones = ["".join(chance_texts(3000, seed)) for seed in range(41, 46)]
    # Long enough to be gone through in several pieces.
    assert min(map(len, long_ones)) > 130_000
    texts = [*chance_texts(4000, seed=40), *long_ones]
    for text, runs in zip(texts, runs_of(quiet, texts), strict=True):
        assert runs == reference_spans(text), repr(text)
    for text, seen in zip(texts, run(quiet, "return given.map(visible);", texts), strict=True):
        assert seen == visible(text), repr(text)


def test_the_page_and_the_portal_colour_a_line_the_same_however_it_begins(quiet: Page) -> None:
    chance = random.Random(90)
    codes = [
        *map(str, range(110)),
        "38;5;9",
        "48;5;200",
        "38;2;200;9;9",
        "48:2::9;9:200",
        "4:3",
        "0",
        "39;49",
    ]
    lines = [f"\x1b[{';'.join(chance.choices(codes, k=2))}m{text}" for text in chance_texts(2000, seed=90)]
    begun, _ = looks.over("", lines)
    given = list(zip(lines, begun, strict=True))
    drawn = run(
        quiet, "return given.map((line) => spans(...line).map((run) => [run.text, run.classes]));", given
    )
    for (line, look), runs in zip(given, drawn, strict=True):
        assert [(text, classes) for text, classes in runs] == looks.runs(line, look), repr((line, look))
    assert len(set(begun)) > 50


def test_every_colour_of_a_program_becomes_the_one_of_the_sixteen_that_the_reference_names(
    quiet: Page,
) -> None:
    steps = [0, 1, 31, 32, 63, 64, 65, 127, 128, 160, 161, 200, 223, 224, 255]
    mixed = [f"2;{red};{green};{blue}" for red in steps for green in steps for blue in steps]
    texts = [f"\x1b[38;{colour}mx" for colour in [*(f"5;{index}" for index in range(258)), *mixed]]
    for text, runs in zip(texts, runs_of(quiet, texts), strict=True):
        assert runs == reference_spans(text), repr(text)


def test_a_line_of_endless_changes_is_seen_whole_and_drawn_in_a_bounded_number_of_runs(quiet: Page) -> None:
    text = "\x1b[31ma\x1b[32mb" * 50_000
    [runs] = runs_of(quiet, [text])
    assert "".join(run for run, _ in runs) == visible(text) == "ab" * 50_000
    assert len(runs) == 4096
    assert runs[:2] == [("a", "ansi-fg-1"), ("b", "ansi-fg-2")]
    assert runs[-1][1] == ""


def test_a_line_cut_anywhere_is_drawn_as_text_and_has_no_effect(quiet: Page) -> None:
    texts = [case.text for case in CORPUS]
    # The modules themselves are asked for before anything counts.
    run(quiet, "")
    quiet.evaluate("navigator.clipboard.writeText('as it was')")
    before = {"title": quiet.title(), "url": quiet.url, "elements": quiet.locator("*").count()}
    requests: list[str] = []
    dialogs: list[str] = []
    quiet.on("request", lambda sent: requests.append(sent.url))
    quiet.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    wrong, changed, drawn = run(
        quiet,
        """
        const allowed = new Set(CLASSES);
        const host = document.createElement("div");
        document.querySelector("main").append(host);
        let [changed, drawn] = [0, 0];
        const watch = (records) => { changed += records.filter((record) => !host.contains(record.target)).length; };
        const observer = new MutationObserver(watch);
        observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
        const wrong = [];
        const checked = (text) => {
          const row = draw(text);
          for (const node of row.childNodes) {
            const isText = node.nodeType === Node.TEXT_NODE;
            const isRun = node.nodeName === "SPAN" && node.attributes.length === 1 && node.childNodes.length === 1
              && node.firstChild.nodeType === Node.TEXT_NODE && [...node.classList].every((name) => allowed.has(name));
            if (!isText && !isRun) wrong.push(text);
          }
          if (row.textContent !== visible(text)) wrong.push(text);
          return row;
        };
        for (const text of given.texts) {
          for (let cut = 0; cut <= Math.min(text.length, given.short); cut += 1) {
            const halves = [text.slice(0, cut), text.slice(cut)].slice(0, text.length > given.short ? 1 : 2);
            const rows = (cut ? halves : [text]).map(checked);
            host.replaceChildren(...rows);
            drawn += rows.length;
          }
          window.htmx.process(host);
          await new Promise((then) => setTimeout(then));
        }
        host.remove();
        const records = observer.takeRecords();
        observer.disconnect();
        watch(records.filter((record) => ![...record.removedNodes].includes(host)));
        return [wrong, changed, drawn];
        """,
        {"texts": texts, "short": SHORT},
    )
    assert drawn > 5_000
    assert wrong == []
    assert changed == 0
    after = {"title": quiet.title(), "url": quiet.url, "elements": quiet.locator("*").count()}
    assert (after, requests, dialogs) == (before, [], [])
    quiet.bring_to_front()
    assert quiet.evaluate("navigator.clipboard.readText()") == "as it was"


LINKS = {
    "see https://example.org/a.": ["https://example.org/a"],
    "(https://example.org/a), then": ["https://example.org/a"],
    "https://example.org/M_(x)_y).": ["https://example.org/M_(x)_y"],
    "https://example.org/[a](b": ["https://example.org/[a]"],
    "[text](http://example.org/x)more": ["http://example.org/x"],
    "<https://example.org/> \"https://example.org/b\" 'https://example.org/c','d'": [
        "https://example.org/",
        "https://example.org/b",
        "https://example.org/c",
    ],
    "http://localhost:8888/lab?token=a&b=%20#c;": ["http://localhost:8888/lab?token=a&b=%20#c"],
    "https://10.0.0.1:2379,https://10.0.0.2:2379/x": ["https://10.0.0.1:2379", "https://10.0.0.2:2379/x"],
    "http://[::1]:8080/x http://my_host/": ["http://[::1]:8080/x", "http://my_host/"],
    "https://example.org/Schrödinger/星 x": ["https://example.org/Schrödinger/星"],
    "😀 https://example.org/😀": ["https://example.org/"],
    "\x1b[31mhttps://exam\x1b[32mple.org/\x1b[0m": ["https://example.org/"],
    "\x1b]8;;javascript:alert(1)\x07https://example.org/\x1b]8;;\x07x": ["https://example.org/x"],
    "https://example.org/\x00hidden": ["https://example.org/"],
    "javascript:alert(1) data:text/html,x file:///etc/passwd //example.org ftp://example.org": [],
    "https:// http://. https://?x https://.": [],
    "https://user:secret@example.org/ https://example.com@example.org": [],
    # Letters that only look like those of another host.
    "https://\u0430pple.com https://googl\u0435.com https://a.b\u0435 https://\u212a.org": [],
    "git+https://example.org/x xhttps://example.org": [],
    "https://example.org/" + "a" * 2028: ["https://example.org/" + "a" * 2028],
    "https://example.org/" + "a" * 2029: [],
}


def test_only_addresses_of_the_web_are_links_and_lead_where_they_say(quiet: Page) -> None:
    found = run(
        quiet,
        "return given.map((text) => links(text).map(([start, end]) => visible(text).slice(start, end)));",
        list(LINKS),
    )
    assert dict(zip(LINKS, found, strict=True)) == LINKS
    addresses = [address for each in found for address in each]
    hosts = run(quiet, "return given.map((one) => [new URL(one).protocol, new URL(one).host]);", addresses)
    for address, (protocol, host) in zip(addresses, hosts, strict=True):
        assert address.startswith(f"{protocol}//{host}")


def test_no_link_holds_a_space_or_control_whatever_the_text(quiet: Page) -> None:
    texts = ["https://a.b/" + text.replace("K", "http://c.d/(x)") for text in chance_texts(1000, seed=70)] + [
        case.text for case in CORPUS
    ]
    wrong = run(
        quiet,
        """
        return given.filter((text) => links(text).some(([start, end]) => {
          const address = visible(text).slice(start, end);
          const safe = /^https?:\\/\\/[^\\s\\u2400-\\u243f"'<>\\\\]+$/.test(address) && address.length <= 2048;
          return !safe || !["http:", "https:"].includes(new URL(address).protocol);
        }));
        """,
        texts,
    )
    assert wrong == []


GUESSED = {
    "error": [
        "ERROR boom", "error: no such file", "Error: x", "FATAL x", "2026-01-02T03:04:05.123Z ERROR x",
        "[2026-01-02 03:04:05] CRITICAL: x", "[ERROR] x", "[12:00:00 ERR] x", "level=error msg=x",
        "ERROR: 3 WARN left", '{"level":"error","msg":"INFO"}', "Traceback (most recent call last):",
        "KeyError: 'x'", "numpy.linalg.LinAlgError: x", "E0102 15:04:05.123456 1 main.go] x",
        "[E 2026-01-02 03:04:05.123 ServerApp] x", "12:00:01 ERROR x", "x" * 190 + " ERROR x",
        "Jan  2 15:04:05 host app: ERROR x", "[ERROR] once [error] twice",
    ],
    "warn": [
        "WARN x", "WARNING:root:x", "Warning: x", "warning: unused",
        "2026-01-02 03:04:05 | WARNING  | mod:fn:1 - x",
        "2026-01-02 03:04:05,123 - distributed.worker - WARNING - x", "[warn] x", "lvl=warn",
        '{"severity": "WARNING"}', "[W 15:04:05.123 NotebookApp] x", "[WARN] not INFO",
    ],
    "info": [
        "INFO ready", "INFO:     127.0.0.1:1234 - \"GET / HTTP/1.1\" 200 OK",
        "[2026-01-02 15:04:05.123Z] [CARTA] [info] Listening", "2026-01-02 03:04:05,123 - dask - INFO - x",
        "[I 2026-01-02 15:04:05.123 ServerApp] x", "I0102 15:04:05.123456 1 x.go] x", "info: hosting",
        "level=info", "1700000000.12 INFO x",
    ],
    "debug": [
        "DEBUG x", "12:00:00 DEBUG x", "[debug] x", "TRACE x", "level: debug", "[D 15:04:05 NotebookApp] x",
        "dbug: x",
    ],
    "": [
        "", "plain", "0 errors", "0 errors, 0 warnings", "0 ERROR", "NO ERROR", "no error", "errors: 3",
        "ERRORS", "info@example.org", "INFO@EXAMPLE.ORG", "error_rate=0.1", "ERROR_RATE=1", "ERROR=0",
        "DEBUG=1 python x.py", "-DDEBUG", "loss INF", "--log-level=debug x", "/var/log/ERROR.log",
        "information on debugging", "found ERROR and WARN", "[WARN] [ERROR]", "level=info was level=debug",
        "x" * 197 + "ERROR", "x" * 195 + " ERRORS", "x" * 200 + " ERROR", "in-ERROR",
        "error handling is on",
    ],
}  # fmt: skip


def test_a_level_is_guessed_from_what_the_line_says_and_only_when_it_is_sure(quiet: Page) -> None:
    lines = [line for each in GUESSED.values() for line in each]
    guessed = dict(zip(lines, run(quiet, "return given.map(level);", lines), strict=True))
    assert guessed == {line: name for name, each in GUESSED.items() for line in each}


@pytest.mark.parametrize("unit", [*HOSTILE, "https://a/(", "http://", "\x1b[31mx\x1b[m", "[ERROR"])
def test_ten_times_the_text_takes_about_ten_times_the_time(quiet: Page, unit: str) -> None:
    taken: list[tuple[float, float]] = []
    # A machine that is busy with other things takes longer at times, a bad algorithm always. Quadratic would be a
    # hundred times; a few clock ticks are granted to the small one.
    while len(taken) < 5 and not any(large < 40 * max(small, 10) for small, large in taken):
        taken.append(times_of(quiet, unit))
    print(f"{unit[:12]!r}: milliseconds for 500 kB and 5 MB: {taken}")
    assert any(large < 40 * max(small, 10) for small, large in taken), taken


def times_of(page: Page, unit: str) -> tuple[float, float]:
    """Return how many milliseconds a text and one ten times as long take."""
    small, large = run(
        page,
        """
        const taken = [5e5, 5e6].map((size) => {
          const text = given.repeat(size / given.length);
          visible(text.slice(0, 50_000));
          const begun = performance.now();
          spans(text); visible(text); links(text); level(text);
          return performance.now() - begun;
        });
        return taken;
        """,
        unit,
    )
    return small, large


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_is_readable_on_the_page_and_on_every_other(
    open_context: Callable[..., BrowserContext], portal: Portal, scheme: str
) -> None:
    page = open_context(color_scheme=scheme).new_page()
    page.goto("/nothing")
    looks = run(
        page,
        """
        const host = document.createElement("div");
        document.querySelector("main").append(host);
        const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
        const luminance = (colour) => {
          canvas.fillStyle = colour;
          canvas.fillRect(0, 0, 1, 1);
          const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
          return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        const contrast = (...colours) => {
          const [low, high] = colours.map(luminance).sort((one, other) => one - other);
          return (high + 0.05) / (low + 0.05);
        };
        const shown = {};
        const foregrounds = ["", "ansi-dim", ...CLASSES.filter((name) => name.startsWith("ansi-fg"))];
        const backgrounds = ["surface-1", "surface-2", ...CLASSES.filter((name) => name.startsWith("ansi-bg"))];
        for (const inverse of ["", "ansi-inverse"]) {
          for (const foreground of foregrounds) {
            for (const background of backgrounds) {
              const span = document.createElement("span");
              span.className = `${inverse} ${foreground} ${background.startsWith("ansi") ? background : ""}`;
              host.style.background = background.startsWith("ansi") ? "" : `var(--${background})`;
              host.replaceChildren(span);
              const { color, backgroundColor } = getComputedStyle(span);
              const isClear = backgroundColor === "rgba(0, 0, 0, 0)";
              const behind = isClear ? getComputedStyle(host).backgroundColor : backgroundColor;
              shown[`${inverse} ${foreground} on ${background}`] = contrast(color, behind);
            }
          }
        }
        host.remove();
        return shown;
        """,
    )
    on_page = {look: ratio for look, ratio in looks.items() if look.endswith("on surface-1")}
    print(
        scheme,
        {look: round(ratio, 2) for look, ratio in on_page.items()},
        "least:",
        min(looks.items(), key=lambda x: x[1]),
    )
    assert len(looks) == 2 * 18 * 18
    assert {look: ratio for look, ratio in looks.items() if ratio < 4.5} == {}
    # The two surfaces and all colours are really there: nothing falls back to one colour.
    assert len(set(on_page.values())) > 16
