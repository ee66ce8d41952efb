"""Colours last until they are changed: over lines, from wherever a log is read, in everything that shows lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.live import following, looks
from sessions_app.live.bodies import BODY, fitting
from sessions_app.live.ending import last_lines
from sessions_app.live.lines import Liner
from sessions_app.live.segments import Stretch
from sessions_app.live.spool import Cursor, Spool, kept
from sessions_app.models import Person, Record
from tests.live.fakes import FakeSource, Looker, until
from tests.live.test_escapes import CORPUS, TEXTS, Case, reference_spans

SECOND = 1_767_600_000
RED = "ansi-fg-1"
COLOURED = [
    "plain",
    "\x1b[1;31mred from here",
    *["still red"] * 10,
    "and\x1b[39m bold",
    "bold\x1b[0m",
    "plain",
]
BEGUN = ["", "", *["1;31"] * 11, "1", ""]


def sent(stretch: Stretch) -> dict[str, Any]:
    """Return what a page is told of lines."""
    said: dict[str, Any] = json.loads(f"{{{fitting(stretch)[1]}}}")
    return said


@pytest.mark.parametrize("case", CORPUS, ids=[case.name for case in CORPUS])
def test_a_line_is_drawn_as_the_corpus_says(case: Case) -> None:
    assert looks.runs(case.text) == case.spans


@given(st.lists(TEXTS, max_size=6))
def test_each_line_begins_as_the_line_before_it_ended(lines: list[str]) -> None:
    begun, last = looks.over("", lines)
    look: dict[str, str] = {}
    for line, at in zip(lines, begun, strict=True):
        assert looks.runs(line, at) == reference_spans(line, look)
    assert looks.runs("x", last) == reference_spans("x", look)


@given(TEXTS, TEXTS)
def test_what_lasts_of_a_text_does_what_the_text_did(before: str, text: str) -> None:
    look = looks.after("", before)
    lasts = looks.lasting(text)
    assert looks.after(look, lasts) == looks.after(look, text)
    assert len(lasts) < 40


@pytest.mark.parametrize("reset", ["\x1b[0m", "\x1b[m", "\x9bm", "\x1b[1;0m", "\x1bc", "\x1b[!p"])
def test_every_reset_ends_a_look(reset: str) -> None:
    assert looks.after("1;31;44", f"red{reset}plain") == ""


def test_a_thousand_changes_of_one_line_are_drawn() -> None:
    text = "\x1b[31ma\x1b[32mb" * 5_000
    drawn = looks.runs(text)
    assert "".join(run for run, _ in drawn) == "ab" * 5_000
    assert len(drawn) == looks.MOST_RUNS
    assert drawn[:2] == [("a", RED), ("b", "ansi-fg-2")]


def test_the_colour_of_a_text_that_a_return_replaces_lasts() -> None:
    liner = Liner()
    lines = liner.feed(b"\x1b[31m10%\r\x1b[1m50%\r100%\nred\x1b[0m\r\nplain\n")
    assert looks.over("", lines) == (["", "1;31", ""], "")
    assert [looks.runs(line) for line in lines[:1]] == [[("100%", "ansi-bold ansi-fg-1")]]
    assert Liner().feed(b"10%\r100%\n") == ["100%"]


def test_lines_have_their_look_wherever_reading_begins_also_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "slug")
    lines = ["\x1b[31mred", *[f"line {n}" for n in range(2, 50_000)], "\x1b[0mplain", "plain"]
    for at in range(0, len(lines), 7_000):
        spool.append(lines[at : at + 7_000], SECOND)
    spool.append(["\x1b[34mblue"], SECOND)
    spool.save({})
    files = kept(tmp_path, "slug")
    assert files is not None
    for reader in (spool, files):
        for line in (2, 4_000, 30_000, 49_999, 50_000):
            stretch = reader.read_after(Cursor(spool.epoch, line - 1), 100)
            assert stretch.lines[0] == lines[line - 1]
            assert stretch.look(0) == "31"
        assert not any(reader.read_after(Cursor(spool.epoch, 50_000), 100).looks)
    again = Spool(tmp_path, "slug")
    again.append(["still blue"], SECOND)
    assert again.read_after(Cursor(again.epoch, 50_002)).looks == ["34"]


def test_lines_that_begin_plain_are_stored_as_they_always_were(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "slug")
    spool.append(["plain", "\x1b[32mINFO\x1b[0m ready"], SECOND)
    [path] = tmp_path.glob("*.log")
    assert path.read_bytes() == b"%08xplain\n%08x\x1b[32mINFO\x1b[0m ready\n" % (SECOND, SECOND)
    assert "looks" not in sent(spool.read_after(Cursor(spool.epoch, 0)))


def test_a_log_that_begins_anew_begins_plain(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "slug")
    spool.append(["\x1b[31mred"], SECOND)
    spool.begin_epoch()
    spool.append(["plain"], SECOND)
    assert not spool.read_after(Cursor(spool.epoch, 0)).looks
    assert spool.look == ""


def test_the_colour_of_lines_that_were_dropped_for_want_of_room_lasts(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "slug", cap=8_000)
    spool.append(["\x1b[31mred"], SECOND)
    for n in range(2_000):
        spool.append([f"line {n}"], SECOND)
    first = spool.first_of(spool.epoch)
    assert first is not None
    assert first > 1
    assert spool.read_after(Cursor(spool.epoch, first - 1), 100).look(0) == "31"


def test_a_frame_tells_looks_in_runs_and_keeps_to_its_size() -> None:
    begun, _ = looks.over("", COLOURED)
    assert begun == BEGUN
    seconds = [SECOND] * len(COLOURED)
    assert sent(Stretch(COLOURED, seconds, begun))["looks"] == [[2, "1;31"], [13, "1"], [14, ""]]
    # Every line another look.
    lines = [f"{n}\x1b[{30 + n % 8};{40 + n % 5}m" for n in range(20_000)]
    count, body = fitting(Stretch(lines, [SECOND] * len(lines), looks.over("", lines)[0]))
    assert BODY - 100 < len(body.encode()) <= BODY
    assert len(json.loads(f"{{{body}}}")["looks"]) == count - 1


async def test_a_page_is_told_the_look_of_lines_in_the_middle_of_the_tail_and_of_what_is_not_whole(
    alice: Person, alices: Record, platform_source: FakeSource
) -> None:
    browser = AsyncClient()
    await browser.aforce_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    text = "\n".join(["plain", "\x1b[31mred", *[f"line {n}" for n in range(3, 4_001)], "half"])
    platform_source.text = text.encode()
    feed: Any = following.feed_of(alices, "log")
    feed.join(Looker())
    await until(lambda: feed.provisional == "half")
    address = f"/s/{alices.slug}/log"
    middle = (await browser.get(f"{address}/lines?from=2000&to=2100")).json()
    assert (middle["lines"][0], middle["looks"]) == ("line 2000", [[0, "31"]])
    frames = (await browser.get(f"{address}/since?tail=20")).json()["frames"]
    [tail] = [frame for frame in frames if frame["t"] == "log"]
    assert (tail["from"], tail["looks"]) == (3_981, [[0, "31"]])
    assert (tail["partial"], tail["look"]) == ("half", "31")
    found = (await browser.get(f"{address}/search?q=line+39")).json()["hits"]
    assert [hit[4:] for hit in found] == [[None, "31"]] * 111
    answer: Any = await browser.get(f"{address}/kept.txt")
    taken = b"".join([piece async for piece in answer.streaming_content]).decode()
    assert taken == text.removesuffix("half")


async def test_the_last_lines_of_a_failure_are_coloured_by_what_was_written_before_them() -> None:
    source = FakeSource()
    source.text = b"\x1b[31m" + b"line\n" * 5_000 + b"end\x1b[0m\nplain <b>\n\n"
    alices = Record(pk=1, slug="slug1", state="failed", name="m31")
    told = await last_lines(source, alices, 4)  # type: ignore[arg-type]
    assert told == [[("line", RED)], [("end", RED)], [("plain <b>", "")]]
