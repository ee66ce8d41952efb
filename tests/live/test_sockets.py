"""How many sockets a person may have, and when memory is given back."""

import asyncio

import pytest

from sessions_app.live import sockets as module
from sessions_app.live.sockets import Sockets


async def test_each_socket_is_counted_once_and_only_up_to_the_limit() -> None:
    sockets = Sockets()
    assert sockets.enter(1, "a", 2)
    assert sockets.enter(1, "a", 2)
    assert sockets.enter(1, "b", 2)
    assert not sockets.enter(1, "c", 2)
    assert sockets.enter(2, "c", 2)
    assert (len(sockets), sockets.of(1)) == (3, {"a", "b"})
    sockets.leave(1, "c")
    sockets.leave(1, "a")
    sockets.leave(1, "a")
    assert len(sockets) == 2
    assert sockets.enter(1, "c", 2)


async def test_memory_is_given_back_once_when_most_of_a_crowd_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[int] = []
    monkeypatch.setattr(module, "give_back", lambda: given.append(1))
    monkeypatch.setattr(module, "SETTLING", 0.01)
    sockets = Sockets()
    for count in (module.CROWD - 1, module.CROWD):
        for number in range(count):
            sockets.enter(number, "tab", 1)
        for number in range(count):
            sockets.leave(number, "tab")
        await asyncio.sleep(0.1)
        assert len(sockets) == 0
        assert len(given) == (count == module.CROWD)
