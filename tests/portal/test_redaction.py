"""An id is hidden wherever it can be read, whatever stands inside it, and nothing that is stored holds one."""

from __future__ import annotations

import random
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.client import errors
from sessions_app.connections import seen
from sessions_app.connections.redaction import HIDDEN, IN_ONE_PATTERN, Passing, Redactor
from sessions_app.live.escapes import visible
from sessions_app.live.lines import LONGEST, Liner

ID = "k3xv9q2a"
OTHERS = ["abcdef12", "ef12ghij", "pqrs-tuv"]
BETWEEN = {
    "a colour": "\x1b[31m",
    "no colour": "\x1b[m",
    "a colour in eight bits": "\x9b31m",
    "a title": "\x1b]0;t\x07",
    "a link": "\x1b]8;;http://x\x1b\\",
    "an erased line": "\x1b[K",
    "nul": "\0",
    "a bell": "\x07",
    "a lone escape": "\x1b",
    "a letter taken back": "z\b",
    "the same letters drawn twice": "v\bv\b",
    "a zero-width blank": "\u200b",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\xad",
    "a turn of direction": "\u202e\u202c",
    "a combining joiner": "\u034f",
    "a variation": "\ufe0f",
    "a filler": "\u3164",
    "a tag": "\U000e0041",
    "much of all": "\x1b[1m\0\u200b\x1b[K" * 200,
}


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
@pytest.mark.parametrize("at", range(1, len(ID)))
def test_an_id_is_hidden_with_something_unseen_inside(between: str, at: int) -> None:
    text = f"token={ID[:at]}{between}{ID[at:]} open"
    assert visible(Redactor([ID, *OTHERS]).hide(text)) == f"token={HIDDEN} open"


@pytest.mark.parametrize(
    "written",
    [
        ID.upper(),
        "K3xV9q2A",
        "\N{KELVIN SIGN}3xv9q2a",
        "".join(chr(ord(letter) + 0xFEE0) for letter in ID),
        "\N{MATHEMATICAL BOLD SMALL K}3xv9q2a",
        "k\u03083\u0301xv9q2a",
        "\u200b".join(ID),
    ],
)
def test_an_id_is_hidden_however_it_is_written(written: str) -> None:
    hidden = Redactor([ID]).hide(f"<{written}>")
    assert hidden == f"<{HIDDEN}>"


def test_what_a_terminal_draws_over_something_else_is_hidden() -> None:
    redactor = Redactor([ID])
    assert ID not in redactor.hide("zzzz9q2a\rk3xv")
    bold = redactor.hide("k\bk3\b3x\bxv\bv9\b92\bqq\b\bq2\b2a\ba")
    assert HIDDEN in bold
    assert "q" not in bold
    assert redactor.hide("k3xv\r\n9q2a") == "k3xv\r\n9q2a"


def test_ids_beside_and_inside_of_one_another_are_hidden() -> None:
    redactor = Redactor([ID, *OTHERS])
    assert redactor.hide(ID + ID) == HIDDEN * 2
    assert redactor.hide("abcdef12ghij") == f"{HIDDEN}ghij"
    assert redactor.hide(f"x{ID}y-PQRS-TUV-0") == f"x{HIDDEN}y-{HIDDEN}-0"
    assert Redactor(["k3xv9q", ID]).hide(ID) == HIDDEN


def test_colours_go_on_behind_an_id() -> None:
    assert Redactor([ID]).hide("\x1b[31mk3xv\x1b[0m9q2a end") == f"\x1b[31m{HIDDEN}\x1b[0m end"


def test_what_is_no_id_stays_as_it_is() -> None:
    text = "\x1b[31mk3xv 9q2a\x1b[0m k3xv\n9q2a K3XV9Q2 é \ud83d \0\b"
    assert Redactor([ID, "tiny", "", "*" * 9]).hide(text) == text
    assert Redactor(["tiny"]).hide("tiny") == "tiny"


@given(st.lists(st.tuples(st.sampled_from(ID), st.sampled_from(["", *BETWEEN.values(), " "])), max_size=40))
def test_nothing_is_left_to_read(parts: list[tuple[str, str]]) -> None:
    redactor = Redactor([ID, ID[2:]])
    hidden = redactor.hide("".join(letter + between for letter, between in parts))
    assert not redactor.finds(hidden)


# What is near to a sequence, or to its end, and what is none.
PIECES = [
    "\x1b",
    "[",
    "3",
    "1;",
    "m",
    "K",
    " ",
    "\n",
    "\r",
    "\t",
    "!",
    "~",
    "\x7f",
    "\x1b[31m",
    "\x1b[" + "1" * 200 + "m",
    "é",
    "✓",
]


@given(
    st.lists(
        st.one_of(st.sampled_from([*PIECES, *BETWEEN.values()]), st.sampled_from([ID[:3], ID[3:], *ID])),
        max_size=30,
    )
)
def test_what_is_looked_for_quickly_is_what_is_found_letter_by_letter(parts: list[str]) -> None:
    text = "".join(parts)
    letter_by_letter = any(ID.encode() in data.lower() for data, _ in seen.places(text))
    assert Redactor([ID]).finds(text) == letter_by_letter


def test_many_kinds_of_foreign_letters_are_read_as_a_few_are() -> None:
    foreign = "".join(map(chr, range(0x3B1, 0x3C9))) + "é✓\u200b\ufeff\U0001d424"
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in ID)
    assert len(set(foreign)) > seen.FEW_KINDS
    for text in (f"{foreign}{wide}", f"✓{wide}", f"{ID[:4]}\u200b{ID[4:]}\ud83d", f"{foreign}{ID}\udcff"):
        assert Redactor([ID]).finds(text)
        assert not Redactor(["zzzzzzzz"]).finds(text)


def test_an_id_that_is_learned_later_is_hidden_from_then_on() -> None:
    redactor = Redactor()
    assert redactor.hide(ID) == ID
    redactor.learn([ID])
    assert redactor.hide(ID) == HIDDEN


def test_thousands_of_ids_are_looked_for_in_bounded_time() -> None:
    draw = random.Random(1)
    ids = ["".join(draw.choices(string.ascii_lowercase, k=8)) for _ in range(3 * IN_ONE_PATTERN)]
    redactor = Redactor(ids)
    lines = ["".join(draw.choices(string.ascii_lowercase + " ", k=100)) for _ in range(2000)]
    redactor.hide_lines(lines)
    begun = time.process_time()
    assert redactor.hide_lines(lines) == lines
    # It takes some milliseconds; tried one after the other, 6000 ids would take seconds.
    assert time.process_time() - begun < 0.5
    assert all(redactor.hide(each) == HIDDEN for each in ids[::100])


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_bytes_pass_without_ids_and_else_as_they_were(piece: int) -> None:
    data = f"one {ID}\r\n".encode() + b"\xff\xc3(\0 \xe2\x82\n" + f"k3\x1b[mxv9q2a\n{ID}".encode()
    passing = Passing(Redactor([ID]))
    passed = b"".join(passing.feed(data[at : at + piece]) for at in range(0, len(data), piece))
    hidden = HIDDEN.encode()
    expected = b"one " + hidden + b"\r\n\xff\xc3(\0 \xe2\x82\n" + hidden + b"\x1b[m\n" + hidden
    assert passed + passing.finish() == expected


def test_an_id_is_found_in_a_line_that_does_not_end() -> None:
    passing = Passing(Redactor([ID]))
    text = ("." * 1000 + "k3xv\x1b[31m9q2a") * 700
    passed = b""
    for at in range(0, len(text), 5000):
        passed += passing.feed(text[at : at + 5000].encode())
    assert (passed + passing.finish()).decode() == ("." * 1000 + HIDDEN + "\x1b[31m") * 700


def test_an_id_is_found_across_the_cut_of_a_line_that_is_too_long() -> None:
    for before in (LONGEST - 5, LONGEST - 1, LONGEST):
        liner = Liner(Redactor([ID]))
        lines = liner.feed(("x" * before + "k3x\x1b[31mv9q2a" + "y" * LONGEST).encode()) + liner.finish()
        assert "".join(lines) == "x" * before + HIDDEN + "\x1b[31m" + "y" * LONGEST


def test_a_line_under_way_shows_no_beginning_of_an_id() -> None:
    liner = Liner(Redactor([ID]))
    liner.feed("token=k3\x1b[1mxv9\u200bq2".encode())
    assert liner.partial == "token="


def test_an_error_says_no_id() -> None:
    error = errors.PlatformError(detail=f"no {ID}", request=f"GET session/{ID}", advice=f"Look at {ID}.")
    Redactor([ID]).hide_in_error(error)
    assert ID not in f"{error} {error.args} {error.detail} {error.request} {error.advice}"
