"""Memory goes back to the system when what took it is over."""

from __future__ import annotations

import pytest

from sessions_app.live import memory as module
from sessions_app.live.memory import WORTH_IT, Memory, give_back, resident


def test_memory_can_be_given_back_on_any_system(monkeypatch: pytest.MonkeyPatch) -> None:
    give_back()
    monkeypatch.setattr(module.ctypes, "CDLL", lambda name: object())
    give_back()


def test_what_a_process_holds_is_known_where_the_system_says_so() -> None:
    before = resident()
    held = bytearray(b"x") * (64 * 1024 * 1024)
    assert resident() - before > len(held) / 2


async def test_it_is_given_back_when_it_has_grown_by_much_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, given = [100 * WORTH_IT], []
    monkeypatch.setattr(module, "resident", lambda: held[0])

    def trim() -> None:
        given.append(held[0])
        held[0] -= WORTH_IT // 2

    monkeypatch.setattr(module, "trim", trim)
    memory = Memory()
    held[0] += WORTH_IT
    await memory.look()
    assert given == []
    held[0] += 1
    await memory.look()
    assert len(given) == 1
    # What could not be given back is not tried again and again.
    await memory.look()
    assert len(given) == 1
    held[0] += 2 * WORTH_IT
    await memory.look()
    assert len(given) == 2


async def test_it_begins_once_and_ends() -> None:
    memory = Memory()
    memory.start()
    first = memory._task
    memory.start()
    assert memory._task is first
    await memory.stop()
    assert first is not None
    assert first.done()
