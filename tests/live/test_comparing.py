"""What is new in a re-read is decided by position."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.live.comparing import RESTARTED, Comparison, Place, Verdict, last_occurrence, overlap

RE = "restarted"


def compare(
    place: Place, text: bytes, *, piece: int = 7, searching: bool = False
) -> tuple[list[bytes | str], Verdict, Place]:
    """Hold ``text`` against ``place`` in pieces; return the news joined, the verdict and the new place."""
    comparison = Comparison(place, searching=searching, window=32, least_overlap=8)
    news: list[bytes | str] = []
    stream = [each for at in range(0, len(text), piece) for each in comparison.feed(text[at : at + piece])]
    for each in [*stream, *comparison.finish()]:
        if each is RESTARTED:
            news.append(RE)
        elif news and isinstance(news[-1], bytes):
            news[-1] += each
        else:
            news.append(each)
    comparison.close()
    return news, comparison.verdict(), comparison.place


def place_of(text: bytes) -> Place:
    """Return the place behind ``text``."""
    return Place().after(text, 32)


def test_everything_is_new_the_first_time() -> None:
    assert compare(Place(), b"one\ntwo\n")[0] == [b"one\ntwo\n"]


def test_the_same_text_brings_nothing() -> None:
    news, verdict, place = compare(place_of(b"one\ntwo\n"), b"one\ntwo\n")
    assert (news, verdict, place) == ([], Verdict.SAME, place_of(b"one\ntwo\n"))


def test_only_what_was_appended_is_new_though_it_repeats() -> None:
    news, verdict, _ = compare(place_of(b"again\n" * 20), b"again\n" * 23)
    assert (news, verdict) == ([b"again\n" * 3], Verdict.NEWS)


def test_a_rotated_text_goes_on_where_it_was() -> None:
    old = b"".join(b"line %d\n" % n for n in range(40))
    news, verdict, place = compare(place_of(old), old[150:] + b"new\n")
    assert (news, verdict, place) == ([b"new\n"], Verdict.NEWS, place_of(old[150:] + b"new\n"))


def test_a_text_rotated_into_the_window_goes_on_where_it_was() -> None:
    old = b"".join(b"line %d\n" % n for n in range(40))
    news, _, _ = compare(place_of(old), old[-20:] + b"new\n")
    assert news == [b"new\n"]


def test_another_text_is_a_restart() -> None:
    news, _, place = compare(place_of(b"first run\n" * 5), b"second run\n")
    assert (news, place) == ([RE, b"second run\n"], place_of(b"second run\n"))


def test_an_empty_answer_is_not_taken_for_a_rewritten_text() -> None:
    old = place_of(b"words\n")
    assert compare(old, b"") == ([], Verdict.EMPTY, old)


def test_an_answer_that_ends_early_changes_nothing() -> None:
    old = place_of(b"one\ntwo\nthree\n")
    assert compare(old, b"one\ntw") == ([], Verdict.SHORT, old)


def test_a_short_answer_that_is_believed_is_a_restart() -> None:
    news, _, _ = compare(place_of(b"one\ntwo\nthree\n"), b"one\ntw", searching=True)
    assert news == [RE, b"one\ntw"]


def test_a_text_changed_behind_its_beginning_asks_for_a_search() -> None:
    old = b"h" * 5000 + b"".join(b"line %d\n" % n for n in range(40))
    other = b"h" * 5000 + b"something else entirely\n" * 30
    news, verdict, place = compare(place_of(old), other)
    assert (news, verdict, place) == ([], Verdict.AGAIN, place_of(old))
    assert compare(place_of(old), other, searching=True)[0] == [RE, other]


def test_news_of_a_rotated_text_keep_their_order_in_any_pieces() -> None:
    old = b"".join(b"line %d\n" % n for n in range(40))
    new = old[100:] + b"".join(b"more %d\n" % n for n in range(40))
    for piece in (1, 3, 64, 5000):
        assert compare(place_of(old), new, piece=piece)[0] == [new[len(old) - 100 :]]


@given(
    wanted=st.binary(min_size=1, max_size=6),
    text=st.lists(st.sampled_from([b"a", b"b", b"ab"]), max_size=60).map(b"".join),
    latest=st.integers(0, 80),
)
def test_the_last_occurrence_is_found(wanted: bytes, text: bytes, latest: int) -> None:
    starts = [n for n in range(len(text)) if n <= latest and text.startswith(wanted, n)]
    assert last_occurrence(io.BytesIO(text), wanted, latest) == (max(starts) if starts else None)


@given(
    tail=st.lists(st.sampled_from([b"a", b"b"]), max_size=20).map(b"".join),
    text=st.lists(st.sampled_from([b"a", b"b"]), max_size=20).map(b"".join),
)
def test_the_longest_overlap_is_found(tail: bytes, text: bytes) -> None:
    lengths = [n for n in range(2, len(tail) + 1) if text.startswith(tail[len(tail) - n :])]
    assert overlap(tail, text, 2) == (max(lengths) if lengths else None)


@pytest.mark.parametrize("tail", [b"a" * 65536, b"b" + b"a" * 65535, b"ab" + b"a" * 65534])
def test_a_text_made_to_be_slow_is_searched_quickly(tail: bytes) -> None:
    began = time.process_time()
    last_occurrence(io.BytesIO(b"a" * 4_000_000), tail, 3_900_000)
    overlap(tail, b"a" * 65000 + b"c" * 500, 256)
    assert time.process_time() - began < 20  # A quadratic search takes hours.


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_byte_is_taken_once_through_appends_rotations_and_restarts(data: st.DataObject) -> None:
    """The oracle knows what was really written; repeats are common, one line in three is numbered."""
    current, written, taken, place = b"", [b""], [b""], Place()
    for turn in range(data.draw(st.integers(1, 12))):
        if data.draw(st.integers(0, 9)) == 0:
            current = b"run %d begins\n" % turn
            written.append(current)
        elif len(current) > 48 and data.draw(st.booleans()):
            current = current[data.draw(st.integers(0, len(current) - 48)) :]
        for number in range(data.draw(st.integers(0, 6))):
            fresh = data.draw(st.sampled_from([b"same\n", b"half", b"%d-%d\n" % (turn, number), b"\xff\r"]))
            current, written[-1] = current + fresh, written[-1] + fresh
        # A text that was rotated must have been seen before: nobody can know what came and went between two
        # looks.
        news, verdict, place = compare(place, current, piece=data.draw(st.integers(1, 40)))
        if verdict in (Verdict.AGAIN, Verdict.SHORT):
            news, _, place = compare(place, current, searching=True)
        for each in news:
            if each == RE:
                taken.append(b"")
            else:
                assert isinstance(each, bytes)
                taken[-1] += each
    assert [text for text in taken if text] == [text for text in written if text]
