"""What is seen of a line: escape sequences have no effect, nothing of the rest is lost, and it takes linear time."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.live import escapes
from sessions_app.live.escapes import visible
from sessions_app.live.lines import LONGEST, Liner

Parts = str | list[tuple[str, int]]


class Case(NamedTuple):
    """A line of the corpus, what is seen of it, and the runs of equal look that the page makes of it."""

    name: str
    text: str
    visible: str
    spans: list[tuple[str, str]]
    # What the program printed, where that is not the line and a newline.
    sent: bytes


def corpus() -> list[Case]:
    """Read the corpus. Long texts are written as parts with counts; runs are named unless all is plain."""
    rows = json.loads(Path(__file__).with_name("escapes.json").read_text(encoding="utf-8"))
    return [case_of(**row) for row in rows]


def case_of(
    name: str,
    visible: Parts,
    text: Parts,
    spans: list[tuple[str, str]] | None = None,
    sent: str | None = None,
) -> Case:
    """Return the case that a row of the corpus stands for."""
    line, seen = joined(text), joined(visible)
    plain = [(seen, "")] if seen else []
    runs = plain if spans is None else [(run, classes) for run, classes in spans]
    # Bytes that are no UTF-8 are written as the surrogates that Python reads them as.
    raw = f"{line}\n".encode() if sent is None else sent.encode("utf-8", "surrogateescape")
    return Case(name, line, seen, runs, raw)


def joined(parts: Parts) -> str:
    return parts if isinstance(parts, str) else "".join(text * count for text, count in parts)


CORPUS = corpus()
each_case = pytest.mark.parametrize("case", CORPUS, ids=[case.name for case in CORPUS])

# The reference: slow, one character after the other, written from ECMA-48 and not from the code.

ESCAPE, ATTRIBUTES = "\x1b", ["bold", "dim", "italic", "underline", "strike", "inverse", "hidden"]
CLASSES = [
    *(f"ansi-{name}" for name in ATTRIBUTES),
    *(f"ansi-{ground}-{colour}" for ground in ("fg", "bg") for colour in range(16)),
]
SINGLE = {
    1: "bold",
    2: "dim",
    3: "italic",
    4: "underline",
    7: "inverse",
    8: "hidden",
    9: "strike",
    21: "underline",
}
DIGITS = set("0123456789;:")
CLEARED = {
    22: ["bold", "dim"],
    23: ["italic"],
    24: ["underline"],
    27: ["inverse"],
    28: ["hidden"],
    29: ["strike"],
}


def is_control(character: str) -> bool:
    return ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0


def run_of(text: str, at: int, low: str, high: str) -> int:
    """Return where a run of characters between ``low`` and ``high`` ends."""
    while text[at : at + 1] and low <= text[at] <= high:
        at += 1
    return at


def control_sequence_end(text: str, at: int) -> int | None:
    parameters = run_of(text, at, "0", "?")
    between = run_of(text, parameters, " ", "/")
    whole = parameters - at <= 128 and between - parameters <= 4 and "@" <= text[between : between + 1] <= "~"
    return between + 1 if whole else None


def string_end(text: str, at: int) -> int | None:
    for place in range(at, min(len(text), at + 4097)):
        if text[place] in "\x07\x9c":
            return place + 1
        if text[place] == ESCAPE:
            return place + 2 if text[place + 1 : place + 2] == "\\" else None
        if text[place] in "\x18\x1a" or "\x80" <= text[place] <= "\x9f":
            return None
    return None


def sequence_end(text: str, at: int) -> int | None:
    """Return where the sequence that begins at ``at`` ends; None if none does."""
    long_form = {"\x9b": "[", "\x90": "P", "\x98": "X", "\x9d": "]", "\x9e": "^", "\x9f": "_"}
    opener, at = (
        (text[at + 1 : at + 2], at + 2) if text[at] == ESCAPE else (long_form.get(text[at], ""), at + 1)
    )
    if opener == "[":
        return control_sequence_end(text, at)
    if opener and opener in "PX]^_":
        return string_end(text, at)
    if opener and "0" <= opener <= "~":
        return at
    between = run_of(text, at - 1, " ", "/")
    whole = " " <= opener <= "/" and between - at < 4 and "0" <= text[between : between + 1] <= "~"
    return between + 1 if whole else None


def symbol(character: str) -> str:
    if character == "\t":
        return character
    if ord(character) < 0x20:
        return chr(0x2400 + ord(character))
    if character == "\x7f":
        return "\N{SYMBOL FOR DELETE}"
    turns = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return "\N{SYMBOL FOR SUBSTITUTE FORM TWO}" if is_control(character) or character in turns else character


def reference_spans(text: str, look: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """Return the runs of equal look, as the page has to make them; ``look`` becomes what is left at the end."""
    look = {} if look is None else look
    seen: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        end = sequence_end(text, at) if is_control(text[at]) else None
        if end is None:
            order = [*ATTRIBUTES, "fg", "bg"]
            seen.append((symbol(text[at]), " ".join(look[slot] for slot in order if slot in look)))
            at += 1
            continue
        sequence, at = text[at:end], end
        parameters = sequence.lstrip("\x1b\x9b[").removesuffix("m")
        if sequence.startswith(("\x1b[", "\x9b")) and sequence.endswith("m") and set(parameters) <= DIGITS:
            change(look, parameters.split(";"))
        if sequence in {"\x1bc", "\x1b[!p", "\x9b!p"}:
            look.clear()
    return [
        ("".join(character for character, _ in run), classes)
        for classes, run in groupby(seen, key=lambda each: each[1])
    ]


def reference(text: str) -> str:
    return "".join(run for run, _ in reference_spans(text))


def number(parameter: str) -> int:
    return int(parameter or 0)


def change(look: dict[str, str], parameters: list[str]) -> None:
    """Apply "select graphic rendition"."""
    while parameters:
        code, *parts = parameters.pop(0).split(":")
        ground = {38: "fg", 48: "bg", 58: "line"}.get(number(code))
        if ground is None and not parts:
            change_one(look, number(code))
        elif number(code) == 4 and parts:
            change_one(look, 4 if number(parts[0]) else 24)
        elif ground and parts:
            values = [number(part) for part in parts[1:]]
            paint(
                look,
                ground,
                number(parts[0]),
                values[1:4] if number(parts[0]) == 2 and len(values) > 3 else values,
            )
        elif ground and parameters and parameters[0].isdigit() and number(parameters[0]) in {2, 5}:
            kind = number(parameters.pop(0))
            taken, parameters[: 3 if kind == 2 else 1] = parameters[: 3 if kind == 2 else 1], []
            if not any(":" in each for each in taken):
                paint(look, ground, kind, [number(each) for each in taken] or [256])


def change_one(look: dict[str, str], code: int) -> None:
    for slot in CLEARED.get(code, [*look] if code == 0 else []):
        look.pop(slot, None)
    if code in SINGLE:
        look[SINGLE[code]] = f"ansi-{SINGLE[code]}"
    for base, ground, first in ((30, "fg", 0), (40, "bg", 0), (90, "fg", 8), (100, "bg", 8)):
        if base <= code < base + 8:
            look[ground] = f"ansi-{ground}-{first + code - base}"
        if code == base + 9 and first == 0:
            look.pop(ground, None)


def paint(look: dict[str, str], ground: str, kind: int, values: list[int]) -> None:
    if ground == "line" or any(value > 255 for value in values[: {2: 3, 5: 1}.get(kind, 0)]):
        return
    if kind == 5 and values:
        look[ground] = f"ansi-{ground}-{nearest_of_256(values[0])}"
    elif kind == 2 and len(values) == 3:
        look[ground] = f"ansi-{ground}-{nearest(*values)}"


def nearest_of_256(index: int) -> int:
    if index < 16:
        return index
    steps = [0, 95, 135, 175, 215, 255]
    cube = [(red, green, blue) for red in steps for green in steps for blue in steps]
    greys = [(value, value, value) for value in range(8, 248, 10)]
    return nearest(*[*cube, *greys][index - 16])


def nearest(red: int, green: int, blue: int) -> int:
    """Return the colour of the same hue, the bright one if it is; or the grey if there is little of a hue."""
    high, low = max(red, green, blue), min(red, green, blue)
    if high < 32 or (high - low) / high < 0.25:
        return 0 if high <= 64 else 8 if high <= 160 else 7 if high <= 223 else 15
    middle = (high + low) / 2
    return (red > middle) + 2 * (green > middle) + 4 * (blue > middle) + (8 if high > 223 else 0)


CHARACTERS = "\x00\t\x07\x18\x1a\x1b\x1b\x1b\x7f\x80\x85\x90\x98\x9b\x9c\x9d\x9e\x9f\u202e\u2066"
CHARACTERS += "[[[]PX^_\\;:?<>= (#/0123456789mmmKHlhkcZO~aé星😀\ufffd"
PIECES = [
    *CHARACTERS, "\x1b[", "\x1b]", "\x1b]8;;", "\x1bP", "\x1b\\", "\x1b[0m", "\x1bc", "\x1b[!p",
    "\x1b[1;3", "31m", "38;5;", "48;2;1;",
    "38:2::", "4:3", "58;5;1;", "INFO", "x" * 4090, "é😀" * 2047, "1" * 127, "    ",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def chance_texts(count: int, seed: int) -> Iterator[str]:
    """Yield texts that are full of sequences and of beginnings of some, the same ones each time."""
    chance = random.Random(seed)
    for _ in range(count):
        yield "".join(chance.choices(PIECES[:-4], k=chance.randrange(1, 60)))


@each_case
def test_the_corpus_is_seen_as_it_says(case: Case) -> None:
    assert visible(case.text) == case.visible


@each_case
def test_the_reference_agrees_with_the_corpus(case: Case) -> None:
    assert reference_spans(case.text) == case.spans
    assert "".join(text for text, _ in case.spans) == case.visible


@given(TEXTS)
def test_what_is_seen_is_what_the_reference_sees(text: str) -> None:
    assert visible(text) == reference(text)


@given(st.text())
def test_what_is_seen_of_any_text_is_what_the_reference_sees(text: str) -> None:
    assert visible(text) == reference(text)


@given(TEXTS | st.text())
def test_what_is_seen_holds_no_control_but_tab_and_stays_as_it_is(text: str) -> None:
    seen = visible(text)
    assert not any(is_control(character) for character in seen if character != "\t")
    assert visible(seen) == seen


@given(TEXTS, st.integers(1, 50))
def test_a_long_text_is_seen_the_same_in_pieces(text: str, block: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(escapes, "_BLOCK", block)
        assert visible(text) == reference(text)


def cuts_of(data: bytes) -> Iterator[int]:
    """Yield every offset of a short text; of a long one those near which something happens, and some others."""
    if len(data) < 1024:
        yield from range(len(data) + 1)
        return
    places = [0, *range(LONGEST, len(data), 16 * LONGEST), len(data)]
    yield from sorted({min(max(place + by, 0), len(data)) for place in places for by in range(-4, 5)})


def lines_of(*pieces: bytes) -> list[str]:
    liner = Liner()
    return [line for piece in pieces for line in liner.feed(piece)] + liner.finish()


@each_case
def test_a_line_is_the_same_wherever_its_bytes_are_cut(case: Case) -> None:
    whole = lines_of(case.sent)
    assert "".join(whole) == case.text
    for cut in cuts_of(case.sent):
        assert lines_of(case.sent[:cut], case.sent[cut:]) == whole


@pytest.mark.parametrize("text", [case.text for case in CORPUS if len(case.text) < 1024])
def test_what_is_seen_is_clean_wherever_a_line_is_cut(text: str) -> None:
    for cut in range(len(text)):
        for half in (text[:cut], text[cut:]):
            assert visible(half) == reference(half)


HOSTILE = [
    "\x1b[", "\x1b]8;;", "\x1bP", "\x1bP\x1b[\x1b]8;;", "\x9b\x9d\x90", "\x1b]" + "x" * 4097, "\x1b[" + "1" * 200,
    "\x1b" + " " * 9, "\x1b[31mxyz", "\x1b\\ab", "\x00", "\u202e",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_ten_times_the_text_takes_about_ten_times_the_time(unit: str) -> None:
    taken = []
    for size in (200_000, 2_000_000):
        text = unit * (size // len(unit))
        begun = time.process_time()
        visible(text)
        taken.append(time.process_time() - begun)
    # Quadratic would be a hundred times; a clock tick is granted to the small one.
    assert taken[1] < 40 * max(taken[0], 0.005), taken
