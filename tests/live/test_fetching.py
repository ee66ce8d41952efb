"""A text is fetched at the platform's pace, whoever reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sessions_app.client import errors
from sessions_app.live.fetching import Fetched
from sessions_app.live.places import NoPlaceError, Places
from sessions_app.models import Person
from tests.live.fakes import until


class Text:
    """A log of the platform's; a pause of None never ends."""

    truncated = True

    def __init__(self, pieces: list[bytes | float | Exception]) -> None:
        self.said = pieces
        self.open = False

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[Text]:
        self.open = True
        try:
            yield self
        finally:
            self.open = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for said in self.said:
            if isinstance(said, Exception):
                raise said
            if isinstance(said, float):
                await asyncio.sleep(said)
            else:
                yield said


async def test_the_platform_is_let_go_of_before_anybody_reads(tmp_path: Path) -> None:
    text = Text([b"first\n", *[b"x" * 65536] * 100, b"last\n"])
    fetched = Fetched(text.opening(), tmp_path)
    assert await fetched.begun()
    await until(lambda: not text.open)
    assert list(tmp_path.iterdir()) == []
    whole = b"".join([piece async for piece in fetched.pieces()])
    assert whole == b"first\n" + b"x" * 6_553_600 + b"last\n"
    assert fetched.truncated


async def test_the_first_is_there_before_the_last_has_come(tmp_path: Path) -> None:
    text = Text([b"first\n", 3600.0])
    fetched = Fetched(text.opening(), tmp_path)
    assert await fetched.begun()
    pieces = fetched.pieces()
    assert await anext(pieces) == b"first\n"
    await pieces.aclose()  # type: ignore[attr-defined]
    assert not text.open


async def test_an_empty_text_and_one_that_fails_at_once_are_told_before_the_answer_begins(
    tmp_path: Path,
) -> None:
    empty = Fetched(Text([]).opening(), tmp_path)
    assert not await empty.begun()
    await empty.close()
    failing = Fetched(Text([errors.PlatformError("No.")]).opening(), tmp_path)
    with pytest.raises(errors.PlatformError):
        await failing.begun()
    await failing.close()


async def test_a_text_that_breaks_off_ends_with_its_error_after_what_came(tmp_path: Path) -> None:
    fetched = Fetched(Text([b"one", errors.PlatformError("It broke off.")]).opening(), tmp_path)
    pieces = fetched.pieces()
    assert await anext(pieces) == b"one"
    with pytest.raises(errors.PlatformError):
        await anext(pieces)


def test_places_are_counted_for_each_and_in_all() -> None:
    places = Places(2, 3)
    alice, bob = Person(pk=1, name="alice"), Person(pk=2, name="bob")
    held = [places.take(alice), places.take(alice)]
    with pytest.raises(NoPlaceError):
        places.take(alice)
    other = places.take(bob)
    with pytest.raises(NoPlaceError):
        places.take(bob)
    held[0].give_back()
    held[0].give_back()
    assert (places.taken_by(alice), places.taken_by(bob)) == (1, 1)
    # Also what was never begun, and so is never closed.
    del held[1], other
    assert (places.taken_by(alice), places.taken_by(bob)) == (0, 0)
