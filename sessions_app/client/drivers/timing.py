"""Waiting for the platform and blocking meanwhile, within the time that is left; and a clock that ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

import httpx

from ..answers import Body
from ..running import Effort, too_slow
from ..wire import Request
from .troubles import TROUBLE, trouble
from .wiring import kept_headers

# The thread of a clock that nobody uses ends after this, in seconds.
LINGER = 5.0


class Timed:
    """Wait, blocking. What ends the block when the time is over is a socket's own limit, or a ``Clock``."""

    __slots__ = ("_begun", "_effort", "_request")

    def __init__(self, request: Request, effort: Effort) -> None:
        self._request, self._effort = request, effort

    def __enter__(self) -> None:
        """Start the clock."""
        self._begun = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the clock, and raise an error of ours in place of another's."""
        self._effort.left -= time.monotonic() - self._begun
        # A socket that was cut by the clock tells of anything but time.
        if self._effort.left <= 0 and (problem is None or isinstance(problem, TROUBLE)):
            raise too_slow(self._request, self._effort) from None
        if isinstance(problem, TROUBLE):
            raise trouble(problem, self._request, self._effort) from None


class Alarm:
    """What is done at a moment unless it is called off."""

    __slots__ = ("cut", "moment")

    def __init__(self, moment: float, cut: Callable[[], None]) -> None:
        self.moment, self.cut = moment, cut


class Clock:
    """Call back at moments that hardly ever come, with one thread for all that wait, while there are any."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._alarms: set[Alarm] = set()
        self._thread: threading.Thread | None = None
        self._wakes = 0.0
        self._ended = False

    def set(self, seconds: float, cut: Callable[[], None]) -> Alarm:
        """Have ``cut`` called in so many seconds."""
        alarm = Alarm(time.monotonic() + seconds, cut)
        with self._changed:
            self._alarms.add(alarm)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="canfar-clock", daemon=True)
                self._wakes = alarm.moment
                self._thread.start()
            elif alarm.moment < self._wakes:
                self._changed.notify()
        return alarm

    def call_off(self, alarm: Alarm) -> None:
        """Let the moment pass."""
        with self._changed:
            self._alarms.discard(alarm)
            if self._ended:
                self._changed.notify()

    def end(self) -> None:
        """End the thread once nothing waits any more."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _watch(self) -> None:
        while over := self._over():
            for alarm in over:
                alarm.cut()

    def _over(self) -> list[Alarm]:
        """Wait for moments to come and return their alarms; none if nothing has waited for a while."""
        with self._changed:
            while True:
                now = time.monotonic()
                over = [alarm for alarm in self._alarms if alarm.moment <= now]
                if over:
                    self._alarms.difference_update(over)
                    return over
                self._wakes = min((alarm.moment for alarm in self._alarms), default=now + LINGER)
                waiting = bool(self._alarms) or not self._ended
                if not (waiting and self._changed.wait(self._wakes - now)) and not self._alarms:
                    self._thread = None
                    return []


class Chunks:
    """A body as it arrives, inflated. Once it is read, ``truncated`` says whether the cap cut it short."""

    def __init__(self, request: Request, response: httpx.Response, effort: Effort) -> None:
        headers = kept_headers(response)
        self._request, self._effort = request, effort
        self._body = Body(request, response.status_code, headers, request.max_bytes)
        self._raw = iter(stream(response))
        self._pieces = self._read()

    @property
    def truncated(self) -> bool:
        """Whether there was more than the cap lets through."""
        return self._body.truncated

    def __iter__(self) -> Iterator[bytes]:
        """Return itself: a body can be read once."""
        return self

    def __next__(self) -> bytes:
        """Return the next piece."""
        return next(self._pieces)

    def close(self) -> None:
        """Stop reading."""
        for generator in (self._pieces, self._raw):
            getattr(generator, "close", lambda: None)()

    def _read(self) -> Iterator[bytes]:
        while not self._body.truncated:
            with Timed(self._request, self._effort):
                chunk = next(self._raw, None)
            if chunk is None:
                break
            for piece in self._body.feed(chunk):
                self._effort.renew()
                yield piece
        self._body.finish()


def stream(response: httpx.Response) -> httpx.SyncByteStream:
    """Return the body, not inflated."""
    assert isinstance(response.stream, httpx.SyncByteStream)
    return response.stream
