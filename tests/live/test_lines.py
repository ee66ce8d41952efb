"""Bytes become lines at the same places however they are dealt out, and the secret never shows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sessions_app.connections.redaction import HIDDEN, Redactor
from sessions_app.live.lines import LONGEST, Liner

SECRET = "k3xv9q2a"


def lines_of(data: bytes, *, cuts: list[int] | None = None, secret: str = SECRET) -> list[str]:
    """Return the lines of ``data``, dealt out at ``cuts``; kept and taken up again at each."""
    redactor = Redactor([secret])
    liner, lines, at = Liner(redactor), [], 0
    for cut in [*sorted(cuts or []), len(data)]:
        lines += liner.feed(data[at:cut])
        at = max(at, cut)
        liner = Liner(redactor, liner.kept())
    return lines + liner.finish()


def test_lines_end_at_newlines_only() -> None:
    assert lines_of("a\x0bb\x0cc\u2028d\x85e\n\nf".encode()) == ["a\x0bb\x0cc\u2028d\x85e", "", "f"]


def test_a_return_and_newline_end_one_line() -> None:
    assert lines_of(b"one\r\ntwo\r\r\nthree") == ["one", "two", "three"]


def test_a_progress_bar_is_one_line_with_its_last_text() -> None:
    assert lines_of(b"10%\r50%\r100%\nnext\r") == ["100%", "next"]


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    assert lines_of(b"\xff\xc3\xa9\xe2\x82\n\xe2\x82") == ["\ufffdé\ufffd", "\ufffd"]


def test_a_line_that_is_not_whole_is_provisional() -> None:
    liner = Liner()
    assert liner.feed(b"one\nha") == ["one"]
    assert liner.partial == "ha"
    assert liner.feed(b"lf\n") == ["half"]
    assert liner.partial == ""


def test_the_secret_is_hidden_across_any_cut() -> None:
    data = f"http://localhost/lab?token={SECRET}\n{SECRET}{SECRET}\n".encode()
    for cut in range(len(data)):
        assert lines_of(data, cuts=[cut]) == [f"http://localhost/lab?token={HIDDEN}", HIDDEN * 2]


def test_a_provisional_line_shows_no_beginning_of_the_secret() -> None:
    for length in range(1, len(SECRET)):
        liner = Liner(Redactor([SECRET]))
        liner.feed(f"token={SECRET[:length]}".encode())
        assert liner.partial == "token="
    liner.feed(SECRET[-1:].encode())
    assert liner.partial == f"token={HIDDEN}"


def test_an_endless_line_is_shown_as_several() -> None:
    lines = lines_of(b"x" * (3 * LONGEST))
    assert "".join(lines) == "x" * (3 * LONGEST)
    assert max(map(len, lines)) <= LONGEST + len(SECRET)


def test_a_long_line_is_one_line() -> None:
    long = "x" * (LONGEST - 10)
    assert lines_of(f"a\n{long}\nb\n".encode(), cuts=[16 * 1024, 40_000]) == ["a", long, "b"]


def test_the_secret_is_not_cut_in_two_where_a_long_line_is() -> None:
    for before in range(LONGEST - 10, LONGEST + 10):
        data = b"x" * before + SECRET.encode() + b"y" * LONGEST
        assert "".join(lines_of(data)) == "x" * before + HIDDEN + "y" * LONGEST


def test_an_endless_progress_bar_takes_no_room() -> None:
    liner = Liner()
    for number in range(20_000):
        liner.feed(b"\rstep %d" % number)
    assert liner.feed(b"\n") == ["step 19999"]
    assert liner.partial == ""


PARTS = st.sampled_from(
    [b"a", b"\n", b"\r", b"\r\n", "é€".encode(), b"\xff", SECRET.encode(), SECRET[:4].encode(), b"x" * 9000]
)


@given(st.lists(PARTS, max_size=30).map(b"".join), st.lists(st.integers(0, 40000), max_size=8))
def test_lines_do_not_depend_on_the_pieces(data: bytes, cuts: list[int]) -> None:
    whole = lines_of(data)
    assert lines_of(data, cuts=[cut % (len(data) + 1) for cut in cuts]) == whole
    assert not any(SECRET in line for line in whole)
