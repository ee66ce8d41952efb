"""A line longer than a frame is one line: sent as its beginning, found everywhere, handed over whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient

from sessions_app.live.bodies import BODY, SHOWN, fitting
from sessions_app.live.ending import last_lines
from sessions_app.live.excerpts import behind
from sessions_app.live.segments import Stretch
from sessions_app.live.spool import Spool
from sessions_app.models import Person, Record
from tests.live.fakes import FakeSource

LONG = "x" * (SHOWN - 3) + "needle" + "y" * 200_000


def test_a_frame_holds_the_beginning_of_a_long_line_and_says_how_long_it_is() -> None:
    count, body = fitting(Stretch(["a", LONG, "b"], [1, 1, 1]))
    said = json.loads(f"{{{body}}}")
    assert count == 3
    assert said["lines"] == ["a", LONG[:SHOWN], "b"]
    assert said["long"] == [[1, len(LONG)]]
    assert len(body) < BODY
    assert json.loads(f"{{{fitting(Stretch([LONG], [1]), whole=True)[1]}}}")["lines"] == [LONG]


async def test_it_is_numbered_once_found_across_the_cut_and_taken_away_whole(
    alice: Person, alices: Record, data_folder: Path
) -> None:
    alices.state = "completed"
    await alices.asave()
    spool = Spool(data_folder / "spool", alices.slug)
    spool.append(["a", LONG, "b"], 1_700_000_000)
    spool.save({})
    browser = AsyncClient()
    await browser.aforce_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    address = f"/s/{alices.slug}/log"
    found = (await browser.get(f"{address}/search?q=needle")).json()["hits"]
    assert [(hit[0], hit[1], hit[4]) for hit in found] == [(2, [[SHOWN - 3, SHOWN + 3]], len(LONG))]
    assert (await browser.get(f"{address}/lines?from=2&to=2&whole=1")).json()["lines"] == [LONG]
    answer: Any = await browser.get(f"{address}/kept.txt?numbers=1")
    text = b"".join([piece async for piece in answer.streaming_content]).decode()
    assert text == f"1\ta\n2\t{LONG}\n3\tb\n"


async def test_what_is_found_behind_the_beginning_of_a_long_line_is_told_with_its_place_and_what_is_around_it(
    alice: Person, alices: Record, data_folder: Path
) -> None:
    alices.state = "completed"
    await alices.asave()
    line = "needle" + "é" * 40_000 + "\x1b[31m😀 needle\x1b[0m!"
    spool = Spool(data_folder / "spool", alices.slug)
    spool.append([LONG, line, "needle"], 1_700_000_000)
    spool.save({})
    browser = AsyncClient()
    await browser.aforce_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    hits = (await browser.get(f"/s/{alices.slug}/log/search?q=needle")).json()["hits"]
    # One that the cut goes through; one that is not shown, beside one that is; one of a short line.
    around = [0, SHOWN - 2, "…" + "x" * 80, "needle", "y" * 80 + "…"]
    assert hits[0][4:] == [len(LONG), "", [around]]
    assert hits[1][1:2] == [[[0, 6], [40_009, 40_015]]]
    assert hits[1][4:] == [len(line), "", [[1, 40_009, "…" + "é" * 77 + "😀 ", "needle", "!"]]]
    assert len(hits[2]) == 4


def test_an_excerpt_is_bounded_and_holds_no_half_characters() -> None:
    text = "😀" * 100 + "x" + "needle" * 100 + "😀" * 100
    [found] = behind(text, [[201, 801]], 100)
    assert found == (0, 102, "…" + "😀" * 39 + "x", ("needle" * 34)[:200] + "…", "😀" * 40 + "…")
    assert behind(text, [[0, 100]], 100) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"10%\r100%\n\x1b]0;title\x07\x1b[31mred\xc2\x9b0m\n", ["100%", "red"]),
        (b"half", ["half"]),
        (b"token=k3xv\x1b[31m9q2a", ["token=[session id]"]),
        (b"x" * 700 + b"\n", ["x" * 700]),
        (b"line\n" * 600_000 + b"last\n", [*["line"] * 19, "last"]),
    ],
    ids=["returns", "escapes", "half a line", "an id", "a long line", "over two MiB"],
)
async def test_a_failure_tells_the_last_lines_as_the_viewer_shows_them(text: bytes, lines: list[str]) -> None:
    source = FakeSource()
    source.text, source.piece = text, 64 * 1024
    alices = Record(pk=1, slug="slug1", state="failed", name="m31")
    told = await last_lines(source, alices, 20)  # type: ignore[arg-type]
    assert ["".join(run for run, _ in line) for line in told] == lines
