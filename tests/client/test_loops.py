"""One session on several event loops: one after the other, as with ``asyncio.run``, and side by side in threads."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sessions_app.client import AsyncPool, AsyncSession, Session, errors

from .conftest import Platform, Reply

ROOT = Path(__file__).parents[2]


@pytest.fixture
def session(platform: Platform) -> Iterator[AsyncSession]:
    yield AsyncSession(url=platform.url, token="canary-token", concurrency=2)
    gc.collect()


def test_a_session_is_used_in_one_run_after_another(session: AsyncSession, platform: Platform) -> None:
    for _ in range(3):
        assert len(asyncio.run(session.fetch())) == 3
    # Each run had connections of its own, and left none behind.
    assert platform.connections == 3
    assert len(session._pool.driver._grounds._made) == 1


def test_a_session_that_was_closed_in_a_run_is_used_in_the_next(session: AsyncSession) -> None:
    async def look() -> int:
        async with session:
            return len(await session.info(["nb000001", "fit00003", "gone0000"]))

    assert [asyncio.run(look()) for _ in range(2)] == [2, 2]


def test_a_session_is_closed_in_a_run_of_its_own_and_more_than_once(session: AsyncSession) -> None:
    assert len(asyncio.run(session.fetch())) == 3
    for _ in range(2):
        asyncio.run(session.aclose())
    assert len(asyncio.run(session.fetch())) == 3


def test_a_session_is_used_by_threads_with_a_loop_each(session: AsyncSession, platform: Platform) -> None:
    together = threading.Barrier(4)

    async def look() -> int:
        together.wait(30)
        ids = ["nb000001", "fit00003"] * 5
        return len((await asyncio.gather(*(session.info(ids) for _ in range(5))))[4])

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: asyncio.run(look()), range(4))) == [10] * 4
    assert platform.most_busy <= 4 * 2


def test_closing_on_one_loop_leaves_the_calls_on_another_alone(
    session: AsyncSession, platform: Platform
) -> None:
    asked = threading.Event()

    def answer(request: Any) -> Reply:
        asked.set()
        return Reply(b"[]", delay=0.3)

    platform.answer = answer

    async def close() -> None:
        await session.aclose()

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(asyncio.run, session.fetch())
        assert asked.wait(30)
        asyncio.run(close())
        assert running.result(30) == []


def test_a_token_is_renewed_on_every_loop(platform: Platform) -> None:
    given: list[str] = []

    async def provide() -> str:
        await asyncio.sleep(0.01)
        given.append(f"token-{len(given)}")
        return given[-1]

    platform.answer = lambda asked: (
        Reply(b"[]") if asked.headers["authorization"][-1] in "13" else Reply(b"Token has expired", 401)
    )
    session = AsyncSession(url=platform.url, token=provide)

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(session.fetch() for _ in range(20)))

    assert asyncio.run(crowd()) == [[]] * 20
    assert asyncio.run(crowd()) == [[]] * 20
    assert given == ["token-0", "token-1"]


def test_a_log_is_streamed_in_one_run_after_another(session: AsyncSession) -> None:
    async def read() -> bytes:
        async with session.stream_logs("nb000001") as chunks:
            return b"".join([chunk async for chunk in chunks])

    assert [asyncio.run(read()) for _ in range(2)] == [b"ready\n"] * 2


def test_a_shared_pool_is_used_in_one_run_after_another(platform: Platform) -> None:
    pool = AsyncPool(url=platform.url)
    people = [AsyncSession(pool=pool, token=name) for name in ("ann", "bob")]
    for person in people:
        assert len(asyncio.run(person.fetch())) == 3


def test_the_blocking_session_may_be_used_inside_a_run_and_after_it(platform: Platform) -> None:
    async def look(session: Session) -> int:
        return len(session.fetch())

    with Session(url=platform.url) as session:
        assert [asyncio.run(look(session)), len(session.fetch()), asyncio.run(look(session))] == [3, 3, 3]


@pytest.mark.parametrize(
    "ending", ["", "loop.run_until_complete(loop.shutdown_asyncgens())"], ids=["bare", "in order"]
)
def test_nothing_is_said_when_a_program_ends_without_closing(platform: Platform, ending: str) -> None:
    program = f"""
        import asyncio, gc
        from sessions_app.client import AsyncSession
        session = AsyncSession(url={platform.url!r}, token="canary")
        print(len(asyncio.run(session.fetch())))
        for _ in range(2):
            loop = asyncio.new_event_loop()
            print(len(loop.run_until_complete(session.fetch())))
            {ending}
            loop.close()
            gc.collect()
        async def forgotten():
            await AsyncSession(url={platform.url!r}).fetch()
            gc.collect()
            await asyncio.sleep(0)
        asyncio.run(forgotten())
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["3", "3", "3"], "")


async def test_a_call_of_a_session_whose_platform_is_away_fails_alike_on_every_loop() -> None:
    session = AsyncSession(url="http://127.0.0.1:9/skaha/v1")

    def run() -> None:
        with contextlib.suppress(errors.PlatformUnreachableError):
            asyncio.run(session.fetch())
            raise AssertionError("nobody listens there")

    for _ in range(2):
        await asyncio.to_thread(run)
