"""Tests that share what their file starts stay together, and what takes long begins first."""

from tests import sharing
from tests.platforms import ROOT


def test_what_is_named_there_exists() -> None:
    assert [
        name for name in (*sharing.FIRST, *sharing.APART, *sharing.SLOW) if not exists(*name.split("::"))
    ] == []


def exists(path: str, test: str = "") -> bool:
    """Say whether a file or folder is there, and in it a test that begins so."""
    place = ROOT / "tests" / path
    return place.exists() and (not test or f"def {test.partition('[')[0]}" in place.read_text())


def test_a_file_is_given_out_as_one_but_where_each_test_stands_alone() -> None:
    assert sharing.scope("tests/portal/test_links.py::test_one[a::b]") == "tests/portal/test_links.py"
    journey = "tests/browser/test_journeys.py::test_one"
    assert sharing.scope(journey) == journey


def test_what_takes_long_comes_first_wherever_the_run_was_started() -> None:
    tests = ["client/test_values.py::test_a", "browser/test_pages.py::test_b", "live/test_oracle.py::test_c"]
    for folder in ("", "tests/"):
        assert sorted((folder + test for test in tests), key=sharing.rank) == [
            folder + t for t in reversed(tests)
        ]
