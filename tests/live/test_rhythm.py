"""How often the platform is asked."""

from __future__ import annotations

import pytest

from sessions_app.live.rhythm import Rhythm


@pytest.fixture(autouse=True)
def quick() -> None:
    """Keep the real pauses."""


def test_a_quiet_log_is_read_less_and_less_often() -> None:
    rhythm = Rhythm()
    pauses = [rhythm.after_read(news=False, size=100) for _ in range(10)]
    assert pauses[0] == 1.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15


def test_news_quicken_it_again() -> None:
    rhythm = Rhythm()
    for _ in range(10):
        rhythm.after_read(news=False, size=100)
    assert rhythm.after_read(news=True, size=100) == 1


def test_a_long_log_costs_at_most_30_mb_a_minute() -> None:
    assert Rhythm().after_read(news=True, size=50_000_000) == 100


def test_failures_are_spaced_out_and_the_platforms_wish_is_heard() -> None:
    rhythm = Rhythm()
    assert [rhythm.after_failure() for _ in range(6)] == [2, 4, 8, 16, 30, 30]
    assert rhythm.after_failure(60) == 60
    assert rhythm.after_failure(10_000) == 120
