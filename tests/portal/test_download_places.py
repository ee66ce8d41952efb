"""A download's place is given back when it ends, however it ends."""

from __future__ import annotations

import errno
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sessions_app.client import errors
from sessions_app.connections import Connection
from sessions_app.live import downloads, fetching, places
from sessions_app.live.places import NoPlaceError, Places
from sessions_app.models import Record


@pytest.fixture
async def record(alice) -> Record:
    made = Record.objects.draft(alice.person, "running1")
    made.name, made.state = "long", "running"
    await made.asave()
    return made


@pytest.fixture
def uncollected():
    """What is given back only when the collector comes is not given back in time."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def failing(error: errors.PlatformError):
    @asynccontextmanager
    async def stream_log(*_: object) -> AsyncIterator[None]:
        raise error
        yield

    return stream_log


async def test_downloads_that_fail_give_their_places_back_at_once(alice, record, uncollected, monkeypatch):
    monkeypatch.setattr(Connection, "stream_log", failing(errors.PlatformError("It does not answer.")))
    asked = [(await alice.get(f"/s/{record.slug}/log.txt")).status_code for _ in range(6)]
    assert asked == [502] * 6
    assert downloads.places().taken_by(alice.person) == 0


async def test_who_has_no_download_is_not_told_of_their_own(alice, record, bob, monkeypatch):
    places = downloads.places()
    monkeypatch.setattr(places, "in_all", 1)
    held = places.take(bob.person)
    refused = await alice.get(f"/s/{record.slug}/log.txt")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert downloads.TOO_MANY_IN_ALL in refused.text
    monkeypatch.setattr(places, "each", 1)
    held.give_back()
    own = places.take(alice.person)
    refused = await alice.get(f"/s/{record.slug}/log.txt")
    assert downloads.TOO_MANY_OF_YOURS in refused.text
    own.give_back()


async def test_a_full_disk_is_told_in_words_and_holds_no_place(alice, record, uncollected, monkeypatch):
    class Text:
        truncated = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"some of it\n"

    @asynccontextmanager
    async def stream_log(*_: object) -> AsyncIterator[Text]:
        yield Text()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Connection, "stream_log", stream_log)
    monkeypatch.setattr(fetching.os, "pwrite", full)
    alice.raise_request_exception = False
    asked = [await alice.get(f"/s/{record.slug}/log.txt") for _ in range(6)]
    assert [each.status_code for each in asked] == [503] * 6
    assert asked[0].headers["Retry-After"]
    assert downloads.places().taken_by(alice.person) == 0


async def test_a_head_takes_no_place_and_asks_the_platform_nothing(alice, record, monkeypatch):
    monkeypatch.setattr(Connection, "stream_log", failing(errors.PlatformError("It was asked.")))
    taken = []
    monkeypatch.setattr(downloads.places(), "take", lambda *whose: taken.append(whose))
    head = await alice.head(f"/s/{record.slug}/log.txt")
    assert (head.status_code, head.content, taken) == (200, b"", [])


async def test_who_gets_nowhere_makes_room_for_who_has_no_place(alice, bob, monkeypatch):
    held, broken_off = Places(each=2, in_all=3), []
    first = held.take(alice.person, lambda: broken_off.append("first"))
    second = held.take(alice.person, lambda: broken_off.append("second"))
    third = held.take(bob.person)
    # All have moved lately.
    with pytest.raises(NoPlaceError) as full:
        held.take(bob.person)
    assert not full.value.own
    first.moved_at -= places.STALE + 2
    second.moved_at -= places.STALE + 1
    first.moved()
    taken = held.take(bob.person)
    assert broken_off == ["second"]
    assert (held.taken_by(alice.person), held.taken_by(bob.person)) == (1, 2)
    # What was taken away is not given back twice, and what nothing can end is left alone.
    second.give_back()
    third.moved_at -= places.STALE + 1
    with pytest.raises(NoPlaceError):
        held.take(alice.person)
    assert held.taken_by(alice.person) == 1
    for place in (first, third, taken):
        place.give_back()


async def test_ranges_that_cannot_be_had_hold_no_place(alice, record, uncollected):
    asked = [(await alice.get(f"/s/{record.slug}/log/kept.txt?from=x")).status_code for _ in range(6)]
    assert asked == [422] * 6
    assert downloads.places().taken_by(alice.person) == 0
