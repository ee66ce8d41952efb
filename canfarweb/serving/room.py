"""Backpressure: what is sent waits until the client has read enough of what was sent before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from canfarweb.serving import limits


class Room:
    """Whether a connection takes more; its transport says so."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

    def end(self) -> None:
        """There is no room any more."""
        self._free.clear()

    def begin(self) -> None:
        """There is room again, or nobody to wait for."""
        self._free.set()

    async def wait(self, give_up: Callable[[], Any]) -> None:
        """Wait for room; whoever does not read for too long is given up."""
        if self._free.is_set():
            return
        try:
            async with asyncio.timeout(limits.STALLED):
                await self._free.wait()
        except TimeoutError:
            give_up()


def let_replies_wait(server: Any) -> None:
    """Make each reply of this server of daphne wait for room, which it never does by itself."""
    hand_over = server.handle_reply

    async def handle_reply(protocol: Any, message: dict[str, Any]) -> None:
        await hand_over(protocol, message)
        await protocol.wait_for_room()

    server.handle_reply = handle_reply
