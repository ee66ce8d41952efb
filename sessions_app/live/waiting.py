"""Frames for a page that has no socket: those that a socket at its place would get, or a wait for one.

Between two requests nothing of the page is kept here. Its place in a log is its cursor; of what has no cursor,
the page says by an opaque token what it was told last.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sessions_app.live.holding import holding
from sessions_app.live.staying import staying
from sessions_app.live.topics import FollowedTopic, LogTopic
from sessions_app.models import Person

# How long a request waits for news, in seconds, and how much an answer holds, in bytes.
PATIENCE = 10.0
ANSWER = 256 * 1024
# A socket is one for all of a tab; a page without takes a request for each thing it follows.
MOST_PER_PERSON = 20

_PARTS = ("state", "session", "events", "partial")
_NOTHING = "-"
_TOKEN = re.compile(r"(?:-|[0-9a-f]{12})(?:\.(?:-|[0-9a-f]{12})){3}", re.ASCII)
_waiting: Counter[int] = Counter()


class TooManyError(Exception):
    """This person waits in too many requests already."""


class Seen:
    """What a page was told last of everything that has no cursor: a digest of each."""

    def __init__(self, token: str = "") -> None:
        # What is not a token of ours says nothing.
        known = token.split(".") if _TOKEN.fullmatch(token) else [_NOTHING] * len(_PARTS)
        self._digests = dict(zip(_PARTS, known, strict=True))

    @property
    def token(self) -> str:
        """What the page is to hand back."""
        return ".".join(self._digests.values())

    @property
    def partial(self) -> bool:
        """Whether the page shows a line that is not whole."""
        return self._digests["partial"] != _NOTHING

    def tells_news(self, frame: dict[str, Any]) -> bool:
        """Take in a frame; say whether the page does not have it yet."""
        kind = frame["t"]
        if kind == "epoch":
            self._digests["partial"] = _NOTHING
        if kind == "log":
            behind = frame["from"] + len(frame["lines"])
            shown = (frame["e"], behind, frame["partial"]) if frame["partial"] is not None else None
            return self._takes("partial", shown) or bool(frame["lines"])
        if kind not in self._digests:
            return True
        # While lines come the number of the last one changes all the time, and says nothing.
        unsaid = {"n", "line"} if frame.get("state") == "live" else {"n"}
        return self._takes(kind, {name: value for name, value in frame.items() if name not in unsaid})

    def _takes(self, part: str, shown: Any) -> bool:
        digest = _NOTHING
        if shown is not None:
            digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:12]
        news, self._digests[part] = self._digests[part] != digest, digest
        return news


class Waiter:
    """A viewer for as long as one request lasts."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look again."""
        self._woken.set()

    async def woken(self) -> None:
        """Wait until there may be something new."""
        await self._woken.wait()
        self._woken.clear()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page gets, and how many seconds it is to wait before it asks again."""

    frames: list[str]
    again: float = 0.0


async def frames_for(person: Person, browser: str, begin: Callable[[], FollowedTopic], seen: Seen) -> Answer:
    """Return what a socket at this place would get now, else what comes first, else nothing.

    ``browser`` is what all requests of one browser have in common. Where enough of them wait already this one does not.
    Raises ``TooManyError`` when this person waits in too many requests; nothing was begun then that stays behind.
    """
    waiter = Waiter(person)
    with _place_of(person), staying(person, waiter.wake) as stay:
        topic = begin()
        if seen.partial and isinstance(topic, LogTopic):
            topic.shows_some_partial()
        topic.feed.join(waiter)
        try:
            if not stay.over and (frames := _frames_now(topic, seen)):
                return Answer(frames)
            with holding.place(browser) as is_held:
                if not is_held:
                    return Answer([], holding.turn(browser))
                async with asyncio.timeout(PATIENCE):
                    while not stay.over:
                        if frames := _frames_now(topic, seen):
                            return Answer(frames)
                        await waiter.woken()
                    return Answer([])
        except TimeoutError:
            return Answer([])
        finally:
            topic.feed.leave(waiter)


def _frames_now(topic: FollowedTopic, seen: Seen) -> list[str]:
    frames, size = [], 0
    # A single frame always has room.
    while text := topic.next(ANSWER - size if size else 2 * ANSWER):
        if seen.tells_news(json.loads(text)):
            frames.append(text)
            size += len(text.encode())
    return frames


@contextmanager
def _place_of(person: Person) -> Iterator[None]:
    if _waiting[person.pk] >= MOST_PER_PERSON:
        raise TooManyError
    _waiting[person.pk] += 1
    try:
        yield
    finally:
        _waiting[person.pk] -= 1
        if not _waiting[person.pk]:
            del _waiting[person.pk]
