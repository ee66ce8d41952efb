"""What a page says of a platform that the portal started itself, and that is away."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_app.client import errors
from sessions_app.connections import supervised
from sessions_app.management import child
from tests.platforms import RunningPlatform

REASON, ADVICE = "The local platform stopped, and is being started again.", "Your sessions go on meanwhile."


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    supervised.back()
    supervised._until = 0.0


def test_only_an_error_of_not_being_reached_is_explained_by_it():
    supervised.away(REASON, ADVICE)
    explained = supervised.explained(
        errors.PlatformUnreachableError("No answer.", sent=True, request="GET session")
    )
    assert (str(explained), explained.advice, explained.sent) == (REASON, ADVICE, True)
    refused = errors.RefusedError("No.")
    assert supervised.explained(refused) is refused
    assert supervised.explained(None) is None


def test_an_error_from_before_it_came_back_says_so_and_a_later_one_is_itself(monkeypatch):
    unreachable = errors.PlatformUnreachableError("No answer.")
    supervised.away(REASON, ADVICE)
    supervised.back()
    assert str(supervised.explained(unreachable)) == "The local platform stopped, and was started again."
    monkeypatch.setattr(supervised, "_until", 0.0)
    assert supervised.explained(unreachable) is unreachable


@pytest.mark.django_db(transaction=True)
async def test_the_list_and_the_launch_page_say_that_it_is_being_started_again(
    alice, clean_platform: RunningPlatform
):
    clean_platform.kill()
    try:
        supervised.away(REASON, ADVICE)
        page = await alice.get("/")
        assert page.status_code == 200
        assert REASON in page.text
        assert ADVICE in page.text
        form = await alice.get("/launch?type=headless")
        assert REASON in form.text
        assert "nothing can be launched until" in form.text
    finally:
        clean_platform.start_again()


def test_a_platform_is_given_up_in_words_when_it_cannot_live_though_nobody_hears(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(child, "PAUSES", (0.0,))
    monkeypatch.setattr(child, "MOST_STARTS", 2)
    starts = iter([True, False, True])

    def start(platform: child.LocalPlatform) -> subprocess.Popen[str]:
        if not next(starts):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return subprocess.Popen(["false"], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(child.LocalPlatform, "_start", start)
    platform, told = child.LocalPlatform(8001, tmp_path / "a folder"), []

    def say(words: str) -> None:
        told.append(words)
        raise BrokenPipeError

    platform.watch(say).join(60)
    assert "It could not be started: Resource temporarily unavailable." in told
    sentence, line = told[-1].splitlines()
    assert sentence.startswith(
        "The local platform was started again 2 times in a row, and stopped each time."
    )
    assert str(tmp_path / "a folder") in shlex.split(line)
    explained = supervised.explained(errors.PlatformUnreachableError("No answer."))
    assert "2 times in a row" in str(explained)
