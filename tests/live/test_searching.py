"""What is found in kept lines, and what a search may cost."""

from __future__ import annotations

import asyncio
import resource
import threading
from pathlib import Path

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.live import searching, turns
from sessions_app.live.searching import Query, QueryError, Step, search
from sessions_app.live.spool import Kept, Spool
from sessions_app.live.turns import BusyError, Turns
from sessions_app.models import Person
from tests.live.fakes import until

SECOND = 1_767_600_000


def kept(folder: Path, lines: list[str]) -> Kept:
    """Return a log of these lines."""
    spool = Spool(folder, "abc")
    spool.append(lines, SECOND)
    return spool.snapshot()


def found(
    folder: Path, lines: list[str], text: str, *, regex: bool = False, case: bool | None = None
) -> dict[int, list[list[int]]]:
    """Return the places in each line, searching to the end."""
    log, query = kept(folder, lines), Query(text, regex=regex, case=case)
    hits, after = [], 0
    while True:
        step = search(log, log.extents[-1], after, query)
        hits += step.hits
        if step.end:
            return {hit.line: hit.ranges for hit in hits}
        assert step.upto > after
        after = step.upto


LINES = [
    "An Error here",
    "no error there: error",
    "fine",
    "ERROR (a+b)*c",
    "naïve 😀 smile 😀",
    "\x1b[31mred\x1b[0m er\x1b[1mror\x1b[0m",
]


@pytest.mark.parametrize(
    ("text", "regex", "case", "places"),
    [
        ("error", False, None, {1: [[3, 8]], 2: [[3, 8], [16, 21]], 4: [[0, 5]], 6: [[4, 9]]}),
        ("Error", False, None, {1: [[3, 8]]}),
        ("Error", False, False, {1: [[3, 8]], 2: [[3, 8], [16, 21]], 4: [[0, 5]], 6: [[4, 9]]}),
        ("error", False, True, {2: [[3, 8], [16, 21]], 6: [[4, 9]]}),
        ("(a+b)*c", False, None, {4: [[6, 13]]}),
        (r"err\w+$", True, None, {2: [[16, 21]], 6: [[4, 9]]}),
        ("😀", False, None, {5: [[6, 8], [15, 17]]}),
        ("smile", False, None, {5: [[9, 14]]}),
        ("31m", False, None, {}),
        ("", False, None, {}),
        ("", True, None, {}),
        ("x*", True, None, {}),
        ("^|$", True, None, {}),
        ("z*fine", True, None, {3: [[0, 4]]}),
    ],
)
def test_what_is_found_where_a_person_sees_it(
    tmp_path: Path, text: str, regex: bool, case: bool | None, places: dict[int, list[list[int]]]
) -> None:
    assert found(tmp_path, LINES, text, regex=regex, case=case) == places


@pytest.mark.parametrize(
    "text",
    [r"\Seed", r"\Wseed", r"\pLeed", r"\p{Lu}eed|seed", r"\Aseed", r"(?P<N>seed)", r"(?U)seed", r"\x53?eed"],
)
def test_letters_that_only_mean_something_do_not_tell_upper_case_from_lower(text: str) -> None:
    assert Query(text, regex=True).ranges(" SEED") or Query(text, regex=True).ranges("SEED")


def test_letters_that_are_looked_for_do() -> None:
    assert Query(r"\sSeed", regex=True).ranges(" SEED") == []
    assert Query(r"\S", regex=False).ranges(r"\s") == []


def test_a_hit_is_the_line_as_it_is_kept_with_its_second(tmp_path: Path) -> None:
    log = kept(tmp_path, LINES)
    [hit] = search(log, log.extents[-1], 0, Query("red")).hits
    assert (hit.text, hit.second) == (LINES[5], SECOND)


def test_of_one_line_fifty_places_are_told(tmp_path: Path) -> None:
    [places] = found(tmp_path, ["ab" * 200], "a").values()
    assert (len(places), places[-1]) == (50, [98, 99])


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.text("abé😀\x1b[m ", max_size=30), min_size=1, max_size=20),
    wanted=st.text("abé😀", min_size=1, max_size=3),
)
def test_every_place_is_what_was_looked_for(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], wanted: str
) -> None:
    """The offsets cut exactly the query out of what is seen, as a browser counts, and no line is missed."""
    places = found(tmp_path_factory.mktemp("spool"), lines, wanted, case=True)
    for number, line in enumerate(lines, 1):
        seen = searching.visible(line)
        assert (number in places) is (wanted in seen)
        units = seen.encode("utf-16-le")
        for start, end in places.get(number, []):
            assert units[2 * start : 2 * end].decode("utf-16-le") == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(", "missing ): ("),
        ("a**", "bad repetition operator: **"),
        (r"(a)\1", r"invalid escape sequence: \1"),
        ("(?=a)", "invalid perl operator: (?="),
        ("(a{1000}){1000}", "invalid repetition size: {1000}"),
        (r"[\p{L}]{1000}", "pattern too large - compile failed"),
        (r"(\pL{3}){20}", "its repetitions make it too large"),
        ("a\ud800", "it holds half a character"),
    ],
)
def test_a_pattern_that_cannot_be_searched_for_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(QueryError, match="cannot be searched for") as refused:
        Query(text, regex=True)
    assert reason in str(refused.value)


def test_a_query_may_be_five_hundred_characters_long(tmp_path: Path) -> None:
    assert found(tmp_path, ["x" * 600], "x" * 500) == {1: [[0, 500]]}
    with pytest.raises(QueryError, match="too long"):
        Query("x" * 501)


@pytest.mark.parametrize(
    "pattern",
    [
        "(x+x+)+y",
        "(.*)*=.*y",
        "(a|a?)+$y",
        "(.|a){1000}b",
        "(?:.*a){200}b",
        "(a?){400}a{400}",
        "x*" * 200 + "y",
    ],
)
def test_a_pattern_made_to_hang_ends_in_time_and_takes_no_memory(tmp_path: Path, pattern: str) -> None:
    log = kept(tmp_path, ["xa" * 8000] * 400)
    before = resource.getrusage(resource.RUSAGE_SELF)
    after = 0
    for _ in range(3):
        step = search(log, log.extents[-1], after, Query(pattern, regex=True))
        assert step.upto > after or step.end
        after = step.upto
    spent = resource.getrusage(resource.RUSAGE_SELF)
    assert spent.ru_utime - before.ru_utime < 15  # A thousandth of what backtracking would take.
    assert spent.ru_maxrss - before.ru_maxrss < 96 * 1024


def test_no_pattern_stays_behind(tmp_path: Path) -> None:
    for number in range(50):
        Query(f"a{{{number}}}", regex=True)
    assert re2._Regexp._make.cache_info().currsize == 0


def test_one_step_is_bounded_and_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its amounts are looked at here; on a busy machine its time is over before.
    monkeypatch.setattr(searching, "STEP_TIME", 3600.0)
    log = kept(tmp_path, ["x" * 1023] * 10_000)
    extent, query = log.extents[-1], Query("y")
    step = search(log, extent, 0, query)
    upto = [step.upto]
    while not step.end:
        step = search(log, extent, upto[-1], query)
        assert step.hits == []
        upto.append(step.upto)
    assert upto == sorted(set(upto))
    assert upto[0] <= 4096
    assert upto[-1] == 10_000
    step = search(log, extent, 0, Query("x{3}", regex=True))
    assert (len(step.hits), step.upto, step.end) == (500, 500, False)
    assert search(log, extent, 10_000, query) == Step([], 10_000, end=True)


def test_an_answer_of_long_lines_is_bounded_too(tmp_path: Path) -> None:
    log = kept(tmp_path, ["x" * 16_000] * 400)
    step = search(log, log.extents[-1], 0, Query("x"))
    assert sum(len(hit.text) for hit in step.hits) < 1_100_000
    assert not step.end


def test_lines_that_were_dropped_under_a_search_end_it_without_an_error(tmp_path: Path) -> None:
    log = kept(tmp_path, ["x"] * 10)
    for path in tmp_path.glob("*.log"):
        path.unlink()
    assert search(log, log.extents[-1], 0, Query("x")) == Step([], 0, end=False)


class Work:
    """Work that goes on until it is let go, and counts itself."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.lock = threading.Lock()
        self.now = self.most = self.done = 0

    def __call__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.go.wait(10)
        with self.lock:
            self.now -= 1
            self.done += 1


async def test_few_searches_go_on_at_once_and_fewer_for_each_person() -> None:
    queue, work = Turns(), Work()
    people = [Person(pk=pk, name=str(pk)) for pk in (1, 1, 1, 2, 2, 3, 3)]
    asked = [asyncio.create_task(queue.run(person, work)) for person in people]
    await until(lambda: work.now == 4)
    assert sorted(queue._running.values()) == [2, 2]
    work.go.set()
    await asyncio.gather(*asked)
    assert (work.most, work.done, queue._running.total()) == (4, 7, 0)


async def test_who_waits_too_long_for_a_turn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.05)
    queue, work, person = Turns(), Work(), Person(pk=1, name="alice")
    asked = [asyncio.create_task(queue.run(person, work)) for _ in range(2)]
    await until(lambda: work.now == 2)
    with pytest.raises(BusyError):
        await queue.run(person, work)
    work.go.set()
    await asyncio.gather(*asked)


async def test_a_turn_lasts_as_long_as_its_thread_although_the_asker_left() -> None:
    queue, work, person = Turns(), Work(), Person(pk=1, name="alice")
    asked = [asyncio.create_task(queue.run(person, work)) for _ in range(2)]
    await until(lambda: work.now == 2)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert queue._running[1] == 2
    work.go.set()
    await until(lambda: queue._running.total() == 0)
