"""Work that outlives the request that started it, owned here so that nothing is lost or left behind.

A browser that goes away cancels its view. What the view began upstream must go on: a task started here is
referenced until it ends, is never cancelled by its starter, and an error in it is logged once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)
_running: set[asyncio.Task[Any]] = set()


def start(work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
    """Run ``work`` on its own and keep it alive until it ends."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_finished)
    return task


async def stop_all(grace: float = 5.0) -> None:
    """Wait for this loop's tasks, at most ``grace`` seconds, then cancel what is left."""
    loop = asyncio.get_running_loop()
    mine = {task for task in _running if task.get_loop() is loop}
    if not mine:
        return
    _, late = await asyncio.wait(mine, timeout=grace)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


def _finished(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and task.exception() is not None:
        logger.error("Background work %s failed.", task.get_name(), exc_info=task.exception())
