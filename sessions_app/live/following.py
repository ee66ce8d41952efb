"""From a record to what is followed of it: the one place where a viewer's topic meets its feed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sessions_app.live.events_feed import EventsFeed
from sessions_app.live.feeds import Feed, FeedBrokenError, FeedsFullError, registry
from sessions_app.live.log_feed import LogFeed
from sessions_app.live.messages import Follow, frame
from sessions_app.live.silence import may_be_told
from sessions_app.live.topics import EventsTopic, FollowedTopic, LogTopic
from sessions_app.live.waiting import Waiter
from sessions_app.models import Person, Record

# How long a page waits for a log that nobody follows yet, in seconds.
LOOK = 0.3

BROKEN = (
    "The portal cannot open what it kept of this. The session goes on; load the page again in a moment,"
    " and tell whoever runs the portal if it stays so."
)


def begin(record: Record, follow: Follow) -> FollowedTopic:
    """Return the topic with its feed, not joined yet; raises ``FeedsFullError``."""
    feed = feed_of(record, follow.topic.what)
    if isinstance(feed, LogFeed):
        return LogTopic(feed, follow)
    assert isinstance(feed, EventsFeed)
    return EventsTopic(feed, follow)


def broken(follow: Follow) -> str:
    """Return what is said of a topic whose feed cannot go on; the rest of the page does."""
    return frame("state", s=follow.topic.slug, w=follow.topic.what, state="trouble", text=BROKEN, line=0)


def feed_of(record: Record, what: str) -> Feed:
    """Return the record's feed of its log or its events, made when there is none; raises ``FeedsFullError``."""
    return registry().feed(LogFeed if what == "log" else EventsFeed, what, record)


async def is_silent(person: Person, record: Record, state: str, cores: float | None) -> bool:
    """Say whether the session computes and has written nothing for long, for a page that follows nothing by itself.

    Where nobody follows its log, that begins: the page is about to, or without scripts is loaded again.
    """
    if not may_be_told(record, state, cores):
        return False
    try:
        feed = feed_of(record, "log")
    except (FeedsFullError, FeedBrokenError):
        return False
    waiter = Waiter(person)
    feed.join(waiter)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                if not feed.polls:
                    await feed.next_turn()
    finally:
        feed.leave(waiter)
    return feed.state.silent
