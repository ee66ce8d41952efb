"""Lines keep their numbers on disk, through restarts, and the oldest go first."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.live import spool as spools
from sessions_app.live.spool import Cursor, Kept, Spool

SECOND = 1_767_600_000


def everything(spool: Kept, epoch: int, budget: int = 50) -> list[str]:
    """Read an epoch as a viewer does."""
    lines: list[str] = []
    cursor = Cursor(epoch, (spool.first_of(epoch) or 1) - 1)
    while part := spool.read_after(cursor, budget):
        lines += part.lines
        cursor = Cursor(epoch, cursor.line + len(part))
    return lines


def test_lines_are_read_back_from_any_number(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append([f"line {n}" for n in range(1, 20_001)], SECOND)
    for line in (1, 2, 777, 12_345, 20_000):
        assert spool.read_after(Cursor(spool.epoch, line - 1)).lines[0] == f"line {line}"
    assert spool.read_after(Cursor(spool.epoch, 20_000)).lines == []


def test_old_lines_come_from_the_disk_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append([f"line {n}" for n in range(1, 30_001)], SECOND)
    spool.save({"seen": 5})
    again = Spool(tmp_path, "abc")
    assert (again.last, again.progress) == (spool.last, {"seen": 5})
    assert everything(again, again.epoch, 65536) == [f"line {n}" for n in range(1, 30_001)]


def test_lines_written_after_the_last_save_are_taken_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append(["one"], SECOND)
    spool.save({})
    spool.append(["two"], SECOND)
    again = Spool(tmp_path, "abc")
    again.append(["zwei"], SECOND)
    assert everything(again, again.epoch) == ["one", "zwei"]


def test_the_oldest_lines_are_dropped_beyond_the_cap(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc", cap=8000)
    for start in range(0, 5000, 50):
        spool.append([f"line {n}" for n in range(start + 1, start + 51)], SECOND)
        spool.save({})
    first = spool.first_of(spool.epoch)
    assert first is not None
    assert first > 4000
    assert everything(spool, spool.epoch) == [f"line {n}" for n in range(first, 5001)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 9500


def test_many_epochs_make_a_bounded_number_of_files(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    for _ in range(300):
        spool.begin_epoch()
        spool.append(["x"], SECOND)
        spool.save({})
    assert len(list(tmp_path.iterdir())) <= spools.MOST_SEGMENTS + 1
    assert spool.last.line == 1


def test_each_line_keeps_the_second_of_its_arrival(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append(["one", "two"], SECOND)
    spool.append(["three"], SECOND + 7)
    spool.append(["four"], SECOND + 7)
    spool.save({})
    for read in (spool, Spool(tmp_path, "abc"), spools.kept(tmp_path, "abc")):
        assert read is not None
        stretch = read.read_after(Cursor(read.epoch, 0))
        assert stretch.lines == ["one", "two", "three", "four"]
        assert stretch.runs() == [[0, SECOND], [2, SECOND + 7]]
        assert read.size == len("onetwothreefour") + 4


def test_a_clock_gone_wild_does_not_break_the_numbering(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    for second in (-5, 2**40, 0):
        spool.append(["one"], second)
    spool.save({})
    stretch = Spool(tmp_path, "abc").read_after(Cursor(spool.epoch, 0))
    assert (stretch.lines, stretch.seconds) == (["one"] * 3, [0, 2**32 - 1, 0])


def test_a_spool_of_the_earlier_format_begins_anew(tmp_path: Path) -> None:
    """It is not read as if its lines began with a time."""
    (tmp_path / "abc.1.log").write_text("deadbeef is no time\n")
    state = {"epoch": 7, "serial": 1, "segments": [["abc.1.log", 7, 1, 1, 20]], "progress": {"seen": 20}}
    (tmp_path / "abc.json").write_text(json.dumps(state))
    assert spools.kept(tmp_path, "abc") is None
    spool = Spool(tmp_path, "abc")
    assert spool.epoch != 7
    assert (spool.progress, spool.holds_text) == ({}, False)


def test_reading_changes_no_file_and_makes_none(tmp_path: Path) -> None:
    assert spools.kept(tmp_path / "nowhere", "abc") is None
    assert not (tmp_path / "nowhere").exists()
    spool = Spool(tmp_path, "abc")
    spool.append(["one"], SECOND)
    spool.save({})
    spool.append(["not saved"], SECOND)
    (tmp_path / "abc.99.log").write_text("a stray")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    kept = spools.kept(tmp_path, "abc")
    assert kept is not None
    assert everything(kept, kept.epoch) == ["one"]
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_a_snapshot_stays_as_it_was_while_the_spool_grows(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append(["one"], SECOND)
    snapshot = spool.snapshot()
    spool.append(["two"] * 20_000, SECOND)
    assert everything(snapshot, snapshot.epoch) == ["one"]


def test_a_process_killed_while_lines_are_dropped_keeps_the_rest(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc", cap=8000)
    spool.append([f"line {n}" for n in range(1, 401)], SECOND)
    spool.save({"seen": 1})
    last = spool.last
    # Drops the first files; then the process is gone before it saves.
    spool.append([f"line {n}" for n in range(401, 1201)], SECOND)
    again = Spool(tmp_path, "abc", cap=8000)
    assert (again.last, again.progress) == (last, {"seen": 1})


def test_what_was_dropped_for_want_of_room_is_remembered(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc", cap=8000)
    spool.append(["x"], SECOND)
    spool.save({})
    assert not Spool(tmp_path, "abc").lost
    spool.append([f"line {n}" for n in range(2000)], SECOND)
    spool.save({})
    assert Spool(tmp_path, "abc").lost


def test_a_spool_that_lost_a_file_starts_with_another_epoch(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append(["one"], SECOND)
    spool.epoch = 5
    spool.save({"seen": 4})
    next(tmp_path.glob("*.log")).unlink()
    again = Spool(tmp_path, "abc")
    assert again.epoch != 5
    assert again.progress == {}


def test_only_the_owner_of_the_process_can_read_the_files(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "abc")
    spool.append(["one"], SECOND)
    spool.save({})
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


def test_forgotten_spools_are_removed(tmp_path: Path) -> None:
    for slug in ("old", "new"):
        spool = Spool(tmp_path, slug)
        spool.append(["one"], SECOND)
        spool.save({})
    long_ago = time.time() - 40 * 86400
    for path in tmp_path.glob("old.*"):
        os.utime(path, (long_ago, long_ago))
    assert spools.prune(tmp_path, busy=["old"]) == []
    assert spools.prune(tmp_path) == ["old"]
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"new"}


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(st.lists(st.text("aé\r ", max_size=40), max_size=12), max_size=12),
    budget=st.integers(1, 200),
)
def test_what_is_read_is_what_was_written(
    tmp_path_factory: object, parts: list[list[str]], budget: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")  # type: ignore[attr-defined]
    spool = Spool(folder, "abc")
    for part in parts:
        spool.append(part, SECOND)
    spool.save({})
    written = [line for part in parts for line in part]
    assert everything(spool, spool.epoch, budget) == written
    assert everything(Spool(folder, "abc"), spool.epoch, budget) == written
