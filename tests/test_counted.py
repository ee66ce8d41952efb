"""A run in which fewer tests ran than were collected fails, and says which."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.platforms import ROOT

FINE = "def test_one(): pass\ndef test_two(): pass\n"
SILENT = """
import pytest

def test_that_runs(): pass

@pytest.mark.skip(reason="not today")
def test_that_skips(): pass

@pytest.mark.xfail(reason="known to fail")
def test_that_may_fail(): assert False

@pytest.mark.parametrize("twin", [1, 2, 3])
def test_twins(twin): pass
"""
# What a plugin that makes tests may do by mistake.
ONE_ID = """
def pytest_itemcollected(item):
    if item.originalname == "test_twins":
        item._id = item.parent.id.child(item.originalname)
"""
DYING = "import os\ndef test_one(): os._exit(3)\ndef test_two(): pass\n"
STOPPING = "def test_one(request): request.session.shouldstop = 'enough'\ndef test_two(): pass\n"
BROKEN = "import pytest\n@pytest.fixture\ndef bad(): raise OSError\ndef test_one(bad): pass\n"


def run(folder: Path, *options: str, **files: str) -> tuple[int, list[str]]:
    """Run pytest on these files with the plugin; return how it ended and what it said."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "pytest.ini").touch()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-p", "tests.counted", *options, str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


@pytest.fixture(params=[[], ["-n", "2", "--dist", "loadfile"]], ids=["alone", "shared"])
def way(request: pytest.FixtureRequest) -> list[str]:
    return request.param


def test_a_run_of_all_its_tests_passes_and_says_how_many(tmp_path: Path, way: list[str]) -> None:
    code, told = run(tmp_path, *way, test_fine=FINE)
    assert (code, "collected 2, ran 2" in told) == (0, True), told
    assert not any("not every test ran" in line for line in told)


def test_what_did_not_run_fails_the_run_and_is_named(tmp_path: Path, way: list[str]) -> None:
    away = "import pytest\npytest.skip('all of it', allow_module_level=True)\n"
    code, told = run(tmp_path, *way, test_silent=SILENT, conftest=ONE_ID, test_away=away)
    assert code == 1
    [ran] = [line for line in told if line.startswith("collected 6, ran ")]
    # Which of the three twins run is for xdist; that they do not is said either way.
    assert ran.endswith("ran 2" if way else "ran 4")
    named = [line for line in told if (line.startswith("test_") and "::" in line) or "as a whole" in line]
    assert "test_silent.py::test_that_skips was skipped: Skipped: not today" in named
    assert any(line.startswith("test_silent.py::test_that_may_fail was skipped: ") for line in named)
    assert any(line.startswith("test_silent.py::test_twins is the id of 3 tests, ") for line in named)
    assert "test_away.py was skipped as a whole: Skipped: all of it" in named
    assert not any("test_that_runs" in line for line in named)


def test_what_was_left_out_on_request_is_named_and_fails_nothing(tmp_path: Path, way: list[str]) -> None:
    code, told = run(tmp_path, *way, "-k", "one", test_fine=FINE)
    assert (code, "collected 1, ran 1" in told) == (0, True), told
    assert told[told.index("Left out as asked:") + 1] == "test_fine.py::test_two"


def test_what_a_crashed_process_left_undone_is_named(tmp_path: Path) -> None:
    code, told = run(tmp_path, "-n", "1", "--max-worker-restart", "0", test_dying=DYING)
    assert (code, "collected 2, ran 0" in told) == (1, True), told
    assert "test_dying.py::test_two never began" in told


@pytest.mark.parametrize(
    ("text", "said"),
    [(STOPPING, "test_two never began"), (BROKEN, "test_one could not be")],
    ids=["stopped", "unprepared"],
)
def test_what_a_broken_off_run_left_undone_is_named(tmp_path: Path, text: str, said: str) -> None:
    code, told = run(tmp_path, test_broken=text)
    assert code != 0
    assert any(line.startswith(f"test_broken.py::{said}") for line in told), told
