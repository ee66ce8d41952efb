"""What there is once for each event loop: a session may be used on several, one after the other or in threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Things that belong to an event loop, each made when it is first asked for there."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}

    def here(self) -> T:
        """Return the running loop's."""
        # A third of the package's import time, of which the blocking session has no use.
        import asyncio

        loop = asyncio.get_running_loop()
        if loop not in self._made:
            self._forget_closed()
            self._made[loop] = self._make()
        return self._made[loop]

    def _forget_closed(self) -> None:
        # They hold on to their loop, so that weak references would let nothing go.
        for loop in [loop for loop in list(self._made) if loop.is_closed()]:
            self._made.pop(loop, None)
