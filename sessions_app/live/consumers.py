"""The socket of one tab: everything live on its pages comes through here."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import logging
import random
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.sessions.models import Session as BrowserSession
from django.db.models.signals import post_delete
from django.dispatch import receiver

from sessions_app import access
from sessions_app.live import messages
from sessions_app.live.feeds import FeedBrokenError, FeedsFullError, registry
from sessions_app.live.following import begin, broken
from sessions_app.live.handshake import Receive, Scope, Send
from sessions_app.live.judging import judge
from sessions_app.live.messages import Ack, BadMessageError, Follow, Leave, Message, Ping, Topic
from sessions_app.live.sockets import sockets
from sessions_app.live.topics import FollowedTopic, ListTopic
from sessions_app.models import Person

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one socket may cost; times in seconds."""

    # Sent beyond what the browser acknowledged, in bytes: a server buffers without bound for who stops
    # reading.
    window: int = 256 * 1024
    heartbeat: float = 15.0
    # Two heartbeats and a moment; looked at with each, so that nobody is missed for longer than 50 s.
    silence: float = 35.0
    stuck: float = 90.0
    recheck: float = 60.0
    age: float = 12 * 3600.0
    topics: int = 32
    # Messages from the browser: so many at once, and so many a second for long.
    burst: int = 120
    rate: float = 30.0


class _Ended(Exception):  # noqa: N818 - not an error: how a socket's work ends from within
    """The socket is to be closed with ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Gone(Exception):  # noqa: N818
    """The browser left, and the server noticed when something was sent."""


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Follows logs and events for one tab."""

    limits = Limits()

    def __init__(self) -> None:
        super().__init__()
        self.topics: dict[Topic, FollowedTopic] = {}
        self._due = asyncio.Event()
        self._accepted = False
        self._opened = self._heard = self._moved = time.monotonic()
        self._credit, self._credited = float(self.limits.burst), self._opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the socket; whatever ends it, nothing of it stays behind.

        Channels skips ``disconnect`` after an error, so cleaning up has its place here.
        """
        self.person: Person = scope["person"]
        work = [self._talk(super().__call__(scope, receive, _noticing(send)))]
        if scope["person"] is not None:
            work += [self._pump(), self._watch()]
        try:
            await self._until_first_ends(work)
        except _Ended as ended:
            await self._close(ended.code)
        except _Gone:
            logger.debug("A browser left in the middle of a message.")
        except Exception:
            logger.exception("A socket failed.")
            await self._close(messages.OUR_ERROR)
        finally:
            await self._clean_up()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle a message of the server or of the channel layer.

        Channels' own hops to a thread for every message, the same one for all sockets of a process; nothing
        here needs it.
        """
        match message["type"]:
            case "websocket.connect":
                await self.connect()
            case "websocket.receive":
                await self._receive(message)
            case "websocket.disconnect":
                raise StopConsumer
            case "signed.out":
                raise _Ended(messages.NOT_SIGNED_IN)
            case "rights.changed":
                judge().forget(message["change"])
                await self._check_rights()

    async def connect(self) -> None:
        """Accept first in any case: a refused handshake cannot say why."""
        await self.accept()
        self._accepted = True
        if self.person is None:
            raise _Ended(messages.NOT_SIGNED_IN)
        if not sockets().enter(self.person.pk, self, settings.SOCKETS_PER_PERSON):
            raise _Ended(messages.TOO_MANY)
        if self.channel_layer is not None:
            for group in self._groups():
                await self.channel_layer.group_add(group, self.channel_name)

    def wake(self) -> None:
        """Look for something to send."""
        self._due.set()

    async def _talk(self, channels: Coroutine[Any, Any, None]) -> None:
        await channels

    async def _until_first_ends(self, work: list[Coroutine[Any, Any, None]]) -> None:
        tasks = [asyncio.ensure_future(each) for each in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, message: dict[str, Any]) -> None:
        self._heard = time.monotonic()
        self._pay()
        try:
            said = messages.parse(message.get("text"))
        except BadMessageError as error:
            raise _Ended(error.code) from None
        await self._answer(said)

    def _pay(self) -> None:
        """Take one message off the browser's allowance."""
        now = time.monotonic()
        self._credit = min(self.limits.burst, self._credit + (now - self._credited) * self.limits.rate) - 1
        self._credited = now
        if self._credit < 0:
            raise _Ended(messages.NOT_A_MESSAGE)

    async def _answer(self, said: Message) -> None:
        match said:
            case Follow():
                await self._follow(said)
            case Leave(topic):
                self._leave(topic)
            case Ack(topic, upto) if topic in self.topics:
                self._moved = time.monotonic()
                self.topics[topic].acknowledge(upto)
                self.wake()
            case Ping():
                await self.send(messages.frame("pong"))

    async def _follow(self, follow: Follow) -> None:
        topic = follow.topic
        self._leave(topic)
        try:
            if len(self.topics) >= self.limits.topics:
                raise FeedsFullError
            followed = await self._topic(follow)
        except access.NotThereError:
            await self._deny(topic, "absent")
        except FeedsFullError:
            await self._deny(topic, "busy")
        except FeedBrokenError:
            await self.send(broken(follow))
        else:
            self.topics[topic] = followed
            followed.feed.join(self)
            self.wake()

    async def _topic(self, follow: Follow) -> FollowedTopic:
        if follow.topic.what == "list":
            return ListTopic(registry().list_feed(self.person))
        record = await judge().record(self.person, follow.topic.slug)
        return begin(record, follow)

    def _leave(self, topic: Topic) -> None:
        followed = self.topics.pop(topic, None)
        if followed is not None and not any(other.feed is followed.feed for other in self.topics.values()):
            followed.feed.leave(self)

    async def _deny(self, topic: Topic, why: str) -> None:
        await self.send(messages.frame("denied", s=topic.slug, w=topic.what, why=why))

    async def _pump(self) -> None:
        """Send what is new, in turn for each topic, as far as the browser keeps up."""
        while True:
            await self._due.wait()
            self._due.clear()
            while await self._send_round():  # noqa: ASYNC110 - gives way, waits for nothing
                # The server takes everything at once; others are to have their turn.
                await asyncio.sleep(0)

    async def _send_round(self) -> bool:
        sent = False
        for topic, followed in tuple(self.topics.items()):
            text = await self._next_of(topic, followed)
            if text is not None:
                if not self._underway():
                    self._moved = time.monotonic()
                await self.send(text)
                sent = True
        return sent

    async def _next_of(self, topic: Topic, followed: FollowedTopic) -> str | None:
        """Return the topic's next frame; one that cannot be read is left, the others of the tab go on."""
        try:
            return followed.next(self._room())
        except OSError as error:
            logger.error("The %s of %s cannot be read: %s", topic.what, topic.slug, error.strerror)
            self._leave(topic)
            return broken(Follow(topic))

    def _underway(self) -> int:
        return sum(followed.underway for followed in self.topics.values())

    def _room(self) -> int:
        """Return how much may be sent now; a single frame always may."""
        underway = self._underway()
        return self.limits.window - underway if underway else 2 * self.limits.window

    async def _watch(self) -> None:
        """Keep the socket alive while its page is there and its person signed in; end it otherwise."""
        limits = self.limits
        age = limits.age * random.uniform(0.9, 1)  # noqa: S311 - spreads reconnections
        step = min(limits.heartbeat, limits.recheck, limits.silence, limits.stuck)
        beats, checks = int(limits.heartbeat // step) or 1, int(limits.recheck // step) or 1
        for count in itertools.count(1):
            await asyncio.sleep(step)
            self._check_times(age)
            if count % beats == 0 and self._accepted:
                await self.send(messages.frame("ping"))
            if count % checks == 0:
                await self._check_rights()

    def _check_times(self, age: float) -> None:
        now = time.monotonic()
        if now - self._heard > self.limits.silence:
            raise _Ended(messages.TOO_SLOW)
        if self._underway() and now - self._moved > self.limits.stuck:
            raise _Ended(messages.TOO_SLOW)
        if now - self._opened > age:
            raise _Ended(messages.TOO_OLD)

    async def _check_rights(self) -> None:
        person = await judge().person(self.scope["session_key"])
        if person is None or person.pk != self.person.pk:
            raise _Ended(messages.NOT_SIGNED_IN)
        for topic in [topic for topic in self.topics if topic.slug]:
            try:
                await judge().record(self.person, topic.slug)
            except access.NotThereError:
                self._leave(topic)
                await self._deny(topic, "absent")

    async def _close(self, code: int) -> None:
        with contextlib.suppress(_Gone):
            await self.close(code)

    async def _clean_up(self) -> None:
        for topic in tuple(self.topics):
            self._leave(topic)
        self._count_no_more()
        if self._accepted and self.channel_layer is not None:
            for group in self._groups():
                await self.channel_layer.group_discard(group, self.channel_name)

    def _count_no_more(self) -> None:
        """Leave the count once the connection is really gone, where the server says when that is."""
        if self.person is None:
            return
        counted, pk = sockets(), self.person.pk
        gone: asyncio.Future[None] | None = self.scope.get("extensions", {}).get("canfarweb.gone")
        if gone is None:
            counted.leave(pk, self)
        else:
            gone.add_done_callback(lambda _: counted.leave(pk, self))

    def _groups(self) -> list[str]:
        """Return the groups through which small signals reach this socket."""
        groups = [_group_of(self.scope["session_key"])]
        return groups if self.person is None else [*groups, _group_of_person(self.person.pk)]


def _noticing(send: Send) -> Send:
    """Return ``send`` with one error for a browser that left: each server has its own."""

    async def noticing(message: dict[str, Any]) -> None:
        try:
            await send(message)
        except Exception as error:
            raise _Gone from error

    return noticing


def _group_of(session_key: str) -> str:
    """Return the group of one browser's sockets; the key itself is a secret."""
    return f"browser.{hashlib.sha256(session_key.encode()).hexdigest()[:40]}"


def _group_of_person(pk: int) -> str:
    return f"mine.{pk}"


@receiver(access.rights_changed, dispatch_uid="live.rights_changed")
def _rights_changed(person_pk: int, **_: Any) -> None:
    """Judge again what this person's sockets follow; the check every minute finds what is missed here."""
    _signal(_group_of_person(person_pk), "rights.changed", change=secrets.token_hex(8))


@receiver(post_delete, sender=BrowserSession, dispatch_uid="live.signed_out")
def _signed_out(instance: BrowserSession, **_: Any) -> None:
    """Close a browser's sockets when its session is deleted; the check every minute finds the rest."""
    _signal(_group_of(instance.session_key), "signed.out")


@receiver(access.signed_out, dispatch_uid="live.person_signed_out")
async def _person_signed_out(person_pk: int, **_: Any) -> None:
    """Close all sockets of a person who signed out, or whose credential is not accepted any more."""
    layer = get_channel_layer()
    if layer is not None:
        await layer.group_send(_group_of_person(person_pk), {"type": "signed.out"})


def _signal(group: str, kind: str, **more: str) -> None:
    layer = get_channel_layer()
    if layer is not None:
        async_to_sync(layer.group_send)(group, {"type": kind, **more})
