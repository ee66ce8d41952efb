"""Lines keep their numbers on disk, through restarts, and the oldest go first."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.live import spool as spools
from sessions_app.live.spool import Cursor, Spool


def everything(spool: Spool, epoch: int, budget: int = 50) -> list[str]:
    """Read an epoch as a viewer does."""
    lines: list[str] = []
    cursor = Cursor(epoch, (spool.first_of(epoch) or 1) - 1)
    while part := spool.read_after(cursor, budget):
        lines += part
        cursor = Cursor(epoch, cursor.line + len(part))
    return lines


def test_lines_are_read_back_from_any_number(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append([f"line {n}" for n in range(1, 20_001)])
    for line in (1, 2, 777, 12_345, 20_000):
        assert spool.read_after(Cursor(spool.epoch, line - 1))[0] == f"line {line}"
    assert spool.read_after(Cursor(spool.epoch, 20_000)) == []


def test_old_lines_come_from_the_disk_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append([f"line {n}" for n in range(1, 30_001)])
    spool.save({"seen": 5})
    again = Spool(tmp_path, "abc")
    assert (again.last, again.progress) == (spool.last, {"seen": 5})
    assert everything(again, again.epoch, 65536) == [f"line {n}" for n in range(1, 30_001)]


def test_lines_written_after_the_last_save_are_taken_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append(["one"])
    spool.save({})
    spool.append(["two"])
    again = Spool(tmp_path, "abc")
    again.append(["zwei"])
    assert everything(again, again.epoch) == ["one", "zwei"]


def test_the_oldest_lines_are_dropped_beyond_the_cap(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc", cap=8000)
    for start in range(0, 5000, 50):
        spool.append([f"line {n}" for n in range(start + 1, start + 51)])
    first = spool.first_of(spool.epoch)
    assert first is not None
    assert first > 4000
    assert everything(spool, spool.epoch) == [f"line {n}" for n in range(first, 5001)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 9500


def test_many_epochs_make_a_bounded_number_of_files(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    for _ in range(300):
        spool.begin_epoch()
        spool.append(["x"])
    assert len(list(tmp_path.iterdir())) <= spools.MOST_SEGMENTS
    assert spool.last.line == 1


def test_a_spool_that_lost_a_file_starts_with_another_epoch(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "abc")
    spool.append(["one"])
    spool.epoch = 5
    spool.save({"seen": 4})
    next(tmp_path.glob("*.log")).unlink()
    again = Spool(tmp_path, "abc")
    assert again.epoch != 5
    assert again.progress == {}


def test_only_the_owner_of_the_process_can_read_the_files(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "abc")
    spool.append(["one"])
    spool.save({})
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


def test_forgotten_spools_are_removed(tmp_path: Path) -> None:
    for slug in ("old", "new"):
        spool = Spool(tmp_path, slug)
        spool.append(["one"])
        spool.save({})
    long_ago = time.time() - 40 * 86400
    for path in tmp_path.glob("old.*"):
        os.utime(path, (long_ago, long_ago))
    spools.prune(tmp_path)
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
        spool.append(part)
    spool.save({})
    written = [line for part in parts for line in part]
    assert everything(spool, spool.epoch, budget) == written
    assert everything(Spool(folder, "abc"), spool.epoch, budget) == written
