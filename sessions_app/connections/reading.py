"""Reads that are shared: one in flight for any number of askers, its answer reused while it is fresh.

A failure never replaces an answer. The last good one is kept with its age, beside the reason why there is no newer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from sessions_app.client import errors
from sessions_app.connections import supervised, tasks

T = TypeVar("T")
logger = logging.getLogger(__name__)

# After a failure the platform is asked again at this rhythm, however many pages are open, in seconds.
RETRY_INTERVAL = 3.0
# How long a page waits for an answer: shorter when there is an earlier one to show.
PATIENCE_WITH_NEWS = 0.8
PATIENCE_WITHOUT = 2.0
# A platform that has been asked for longer than this is called slow, in seconds.
SLOW_AFTER = 3.0


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What is known now: the last good value and when it was read, and why there is no newer one."""

    value: T | None
    taken: datetime | None
    error: errors.PlatformError | None = None
    slow: bool = False
    # Something was changed since the value was read.
    outdated: bool = False

    @property
    def current(self) -> bool:
        """Whether the value is as new as was asked for."""
        return self.value is not None and self.error is None and not self.slow and not self.outdated

    @property
    def age(self) -> float | None:
        """How old the value is, in seconds."""
        if self.taken is None:
            return None
        return max(0.0, (datetime.now(UTC) - self.taken).total_seconds())


class SharedRead(Generic[T]):
    """One question to the platform, asked once for everybody who wants the answer."""

    def __init__(
        self, read: Callable[[], Awaitable[T]], *, freshness: Callable[[], float], label: str = "read"
    ) -> None:
        self._read = read
        self._freshness = freshness
        self._label = label
        self._value: T | None = None
        self._taken: datetime | None = None
        self._taken_at = float("-inf")
        self._asked_at = float("-inf")
        self._error: errors.PlatformError | None = None
        self._task: asyncio.Task[None] | None = None
        # Counts the changes; an answer counts for the changes that came before its question.
        self._generation = 0
        self._running_for = 0
        self._taken_for = 0

    async def get(self, *, patience: float | None = None) -> Reading[T]:
        """Return a fresh answer, or after ``patience`` seconds the last good one."""
        end = time.monotonic() + self._patience(patience)
        while True:
            if self._task is None and self._wants_asking():
                self._running_for = self._generation
                self._task = tasks.start(self._run(), name=self._label)
            task, outdated = self._task, self._running_for != self._generation
            if task is None:
                break
            await asyncio.wait({task}, timeout=max(0.0, end - time.monotonic()))
            # A read that began before the last change does not count as an answer.
            if not outdated or not task.done():
                break
        return self._reading()

    def expire(self) -> None:
        """Make the next asker ask the platform: something was changed. A read under way is too old by now."""
        self._generation += 1
        self._error = None

    def _wants_asking(self) -> bool:
        now = time.monotonic()
        if self._error is not None:
            return now - self._asked_at >= self._pause()
        return self._outdated or now - self._taken_at >= self._freshness()

    @property
    def _outdated(self) -> bool:
        return self._taken_for != self._generation

    def _pause(self) -> float:
        wished = getattr(self._error, "retry_after", None) or 0.0
        return max(RETRY_INTERVAL, min(float(wished), 60.0))

    def _patience(self, asked: float | None) -> float:
        if asked is not None:
            return asked
        return PATIENCE_WITHOUT if self._value is None else PATIENCE_WITH_NEWS

    def _reading(self) -> Reading[T]:
        asking = self._task is not None
        slow = asking and time.monotonic() - self._asked_at > SLOW_AFTER
        return Reading(self._value, self._taken, supervised.explained(self._error), slow, self._outdated)

    async def _run(self) -> None:
        self._asked_at, asked_for = time.monotonic(), self._running_for
        try:
            value = await self._read()
        except errors.PlatformError as error:
            self._error = error
        except Exception:
            logger.exception("The answer to %s could not be taken in.", self._label)
            self._error = errors.PlatformError("The portal could not take in the platform's answer.")
        else:
            self._taken_for = asked_for
            self._value, self._error = value, None
            self._taken, self._taken_at = datetime.now(UTC), time.monotonic()
        finally:
            self._task = None
