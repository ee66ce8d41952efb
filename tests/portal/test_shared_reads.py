"""One question in flight for everybody, and a last good answer that no failure takes away."""

import asyncio
import time

import pytest

from sessions_app.client import errors
from sessions_app.connections import reading
from sessions_app.connections.connection import FIRST_LOOK
from sessions_app.connections.reading import SharedRead


class Platform:
    """Answers with a growing number, or fails, or takes its time."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: errors.PlatformError | None = None
        self.answering = asyncio.Event()
        self.answering.set()

    async def answer(self) -> int:
        self.asked += 1
        await self.answering.wait()
        if self.error:
            raise self.error
        return self.asked


@pytest.fixture
def platform():
    return Platform()


def shared(platform: Platform, freshness: float = 60.0) -> SharedRead[int]:
    return SharedRead(platform.answer, freshness=lambda: freshness)


async def test_two_hundred_askers_at_once_ask_the_platform_once(platform):
    read = shared(platform)
    answers = await asyncio.gather(*(read.get() for _ in range(200)))
    assert {answer.value for answer in answers} == {1}
    assert platform.asked == 1


async def test_an_answer_is_reused_while_it_is_fresh(platform):
    read = shared(platform)
    await read.get()
    await read.get()
    assert platform.asked == 1


async def test_an_old_answer_is_asked_for_anew(platform):
    read = shared(platform, freshness=0)
    await read.get()
    assert (await read.get()).value == 2


async def test_a_change_makes_the_next_asker_ask(platform):
    read = shared(platform)
    await read.get()
    read.expire()
    assert (await read.get()).value == 2


async def test_a_failure_keeps_the_last_answer_with_its_reason(platform):
    read = shared(platform, freshness=0)
    await read.get()
    platform.error = errors.PlatformUnreachableError("No answer.")
    later = await read.get()
    assert later.value == 1
    assert later.error is platform.error
    assert not later.current


async def test_after_a_failure_the_platform_is_left_alone_for_a_moment(platform, monkeypatch):
    read = shared(platform, freshness=0)
    platform.error = errors.PlatformUnreachableError("No answer.")
    for _ in range(50):
        await read.get()
    assert platform.asked == 1
    monkeypatch.setattr(reading, "RETRY_INTERVAL", 0)
    platform.error = None
    assert (await read.get()).current


async def test_an_asker_who_leaves_takes_nothing_from_the_others(platform):
    read = shared(platform)
    platform.answering.clear()
    leaver = asyncio.create_task(read.get())
    stayer = asyncio.create_task(read.get())
    await asyncio.sleep(0)
    leaver.cancel()
    platform.answering.set()
    assert (await stayer).value == 1
    assert platform.asked == 1


async def test_a_slow_platform_shows_the_last_answer_and_is_called_slow_only_after_a_while(
    platform, monkeypatch
):
    read = shared(platform, freshness=0)
    await read.get()
    platform.answering.clear()
    soon = await read.get(patience=0.01)
    assert (soon.value, soon.slow) == (1, False)
    monkeypatch.setattr(reading, "SLOW_AFTER", 0)
    later = await read.get(patience=0.01)
    assert (later.value, later.slow) == (1, True)
    platform.answering.set()
    assert (await read.get(patience=5)).value == 2


@pytest.mark.django_db(transaction=True)
async def test_the_first_list_of_a_cold_start_is_a_page_within_a_second_that_says_that_it_asks(
    enter, settings
):
    async def hang(reader, writer):
        await reader.read()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    settings.PLATFORM_URL = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/skaha/v1"
    client = await enter("alice", "token")
    # Templates are read by the first page of a process, whosever it is.
    await client.get("/signin")
    assert FIRST_LOOK < 1
    for headers in ({}, {"HX-Request": "true"}):
        began = time.monotonic()
        answer = await client.get("/", headers=headers)
        # The platform never answers, and the client would wait for 30 s.
        assert time.monotonic() - began < 15
        assert answer.status_code == 200
        assert "Asking the platform for your sessions…" in answer.text
    server.close()
