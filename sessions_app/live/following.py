"""From a record to what is followed of it: the one place where a viewer's topic meets its feed."""

from __future__ import annotations

from sessions_app.live.events_feed import EventsFeed
from sessions_app.live.feeds import Feed, registry
from sessions_app.live.log_feed import LogFeed
from sessions_app.live.messages import Follow, frame
from sessions_app.live.topics import EventsTopic, FollowedTopic, LogTopic
from sessions_app.models import Record

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
