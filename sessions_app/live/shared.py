"""Work that is done once for any number of viewers: begun by the first, stopped some seconds after the last."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Protocol

from sessions_app.models import Person

# How long it goes on without viewers, in seconds: a reload must not cost a new start.
LINGER = 15.0


class Viewer(Protocol):
    """Whoever follows."""

    @property
    def person(self) -> Person: ...
    def wake(self) -> None:
        """Learn that there is something new to read."""


class Shared:
    """A task and its viewers. They are not handed anything but woken, and read on from where they are."""

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self.on_stopped: Callable[[], None] = lambda: None
        self._task: asyncio.Task[None] | None = None
        self._stopping: asyncio.TimerHandle | None = None
        # Another may begin in its place before its task has ended, so it is to do nothing that lasts any more.
        self.halted = False

    def join(self, viewer: Viewer) -> None:
        """Wake this viewer from now on; the first one starts the work."""
        self.viewers.add(viewer)
        if self._stopping is not None:
            self._stopping.cancel()
            self._stopping = None
        if self._task is None:
            # In a context of its own: the first viewer's (its database thread) ends with that viewer.
            self._task = contextvars.Context().run(asyncio.get_running_loop().create_task, self._run())

    def leave(self, viewer: Viewer) -> None:
        """Wake this viewer no more; some seconds after the last one the work stops."""
        self.viewers.discard(viewer)
        if not self.viewers and self._stopping is None:
            self._stopping = asyncio.get_running_loop().call_later(LINGER, self.stop)

    def stop(self) -> None:
        """End the work now."""
        if self._stopping is not None:
            self._stopping.cancel()
        self.halted = True
        if self._task is not None:
            self._task.cancel()
        self.on_stopped()

    async def stopped(self) -> None:
        """Wait until its task is gone."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def wake_all(self) -> None:
        """Tell every viewer that there is something new."""
        for viewer in tuple(self.viewers):
            viewer.wake()

    async def _run(self) -> None:
        raise NotImplementedError
