"""Requests are worked on in turn: who sends many waits for their own, and holds nobody else up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from sessions_app.live import lanes as module
from sessions_app.live.lanes import Lanes, NoTurnError, Turn

# Turns are ended by the tests; none is over by itself meanwhile.
pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 600.0)


async def gone_on() -> None:
    """Let everybody who can go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def started(lanes: Lanes, lane: str, count: int) -> list[asyncio.Task[Turn]]:
    tasks = [asyncio.create_task(lanes.turn(lane)) for _ in range(count)]
    await gone_on()
    return tasks


def at_work(tasks: list[asyncio.Task[Turn]]) -> int:
    return sum(task.done() for task in tasks)


async def ends(waiting: Awaitable[object]) -> None:
    """Wait for something that is to end without a turn."""
    with pytest.raises(NoTurnError):
        await waiting


async def test_one_who_sends_many_has_a_few_at_work_and_another_is_served_at_once() -> None:
    lanes = Lanes(each=2, in_all=4)
    many = await started(lanes, "mallory", 50)
    other = await started(lanes, "ann", 1)
    assert (at_work(many), at_work(other)) == (2, 1)


async def test_where_all_turns_are_taken_each_lane_has_the_next_in_its_turn() -> None:
    lanes = Lanes(each=2, in_all=2)
    many = await started(lanes, "mallory", 50)
    ann, ben = await started(lanes, "ann", 2), await started(lanes, "ben", 1)
    first, second = await many[0], await many[1]
    first.end()
    await gone_on()
    # It was mallory's turn in the line; then that of those who came later, before the others of mallory.
    assert (at_work(many), at_work(ann), at_work(ben)) == (3, 0, 0)
    second.end()
    await gone_on()
    (await many[2]).end()
    await gone_on()
    assert (at_work(many), at_work(ann), at_work(ben)) == (3, 1, 1)


async def test_who_works_for_long_waits_for_something_else_and_lets_others_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.01)
    lanes = Lanes(each=1, in_all=1)
    hanging = await lanes.turn("ann")
    async with asyncio.timeout(30):
        following = await lanes.turn("ann")
    # Its end is counted once.
    hanging.end()
    following.end()
    following.end()
    again = await started(lanes, "ann", 1)
    assert at_work(again) == 1


async def test_who_leaves_while_waiting_leaves_nothing_behind() -> None:
    lanes = Lanes(each=1, in_all=1)
    first = await lanes.turn("ann")
    waiting = await started(lanes, "ann", 3)
    waiting[0].cancel()
    # One goes in the very moment in which its turn comes.
    first.end()
    waiting[1].cancel()
    await gone_on()
    assert (await waiting[2]) is not None
    (await waiting[2]).end()
    assert at_work(await started(lanes, "ben", 1)) == 1


async def test_who_waits_too_long_or_with_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    lanes = Lanes(each=1, in_all=2)
    first = await lanes.turn("mallory")
    waiting = [asyncio.create_task(lanes.turn("mallory")) for _ in range(2)]
    await asyncio.sleep(0)
    await ends(lanes.turn("mallory"))
    for task in waiting:
        await ends(task)
    first.end()
    assert at_work(await started(lanes, "mallory", 1)) == 1
