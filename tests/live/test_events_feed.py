"""One feed reads a session's events for all its viewers."""

from __future__ import annotations

from sessions_app.client import errors
from sessions_app.live.events_feed import EventsFeed
from sessions_app.live.feeds import Registry, Session
from tests.live.fakes import SECRET, FakeSource, Looker, event, record, until


def started(registry: Registry) -> tuple[EventsFeed, Looker]:
    """Return the feed of the one record, joined by a viewer."""
    feed = registry.feed(EventsFeed, "events", record())
    assert isinstance(feed, EventsFeed)
    looker = Looker()
    feed.join(looker)
    return feed, looker


async def test_what_the_platform_forgets_is_kept(registry: Registry, source: FakeSource) -> None:
    source.told = [event("Scheduled", "here", minute=1)]
    feed, _ = started(registry)
    await until(lambda: feed.rows)
    source.told = [event("Started", "there", minute=2)]
    await until(lambda: [row["reason"] for row in feed.rows] == ["Scheduled", "Started"])


async def test_an_event_told_twice_is_counted_once(registry: Registry, source: FakeSource) -> None:
    source.told = [event("Pulling", "image")]
    feed, _ = started(registry)
    await until(lambda: source.events_asked > 4)
    assert [row["count"] for row in feed.rows] == [1]


async def test_viewers_are_woken_only_by_changes(registry: Registry, source: FakeSource) -> None:
    source.told = [event("Pulling", "image")]
    feed, looker = started(registry)
    await until(lambda: feed.rows and feed.state.kind == "live")
    woken, asked = looker.woken, source.events_asked
    await until(lambda: source.events_asked > asked + 3)
    assert looker.woken == woken
    source.told.append(event("Pulled", "image", minute=1))
    await until(lambda: looker.woken > woken)


async def test_events_told_earlier_are_shown_though_the_platform_fails(
    registry: Registry, source: FakeSource
) -> None:
    row = {"type": "Normal", "reason": "Started", "message": f"pod-{SECRET}", "first": None, "last": None}
    source.error = errors.PlatformError("The platform does not answer.")
    kept = record()
    kept.events = [row]
    feed = registry.feed(EventsFeed, "events", kept)
    assert isinstance(feed, EventsFeed)
    feed.join(Looker())
    await until(lambda: feed.state.kind == "trouble")
    assert [(each["message"], each["says"]) for each in feed.rows] == [
        ("pod-[session id]", "The program was started.")
    ]


async def test_the_secret_is_not_shown(registry: Registry, source: FakeSource) -> None:
    source.told = [event("Scheduled", f"assigned skaha/notebook-alice-{SECRET}-x7 to node1")]
    feed, _ = started(registry)
    await until(lambda: feed.rows)
    assert feed.rows[0]["message"] == "assigned skaha/notebook-alice-[session id]-x7 to node1"


async def test_the_sessions_state_is_followed_to_its_end(registry: Registry, source: FakeSource) -> None:
    source.state, source.reason = "pending", "Waiting for free cores."
    feed, _ = started(registry)
    await until(lambda: feed.session == Session("pending", "Waiting for free cores."))
    source.state, source.reason = "failed", "Ended with exit code 3."
    await until(lambda: feed.state.kind == "ended")
    assert feed.session == Session("failed", "Ended with exit code 3.")


async def test_a_session_is_gone_only_when_two_lists_miss_it(registry: Registry, source: FakeSource) -> None:
    feed, _ = started(registry)
    await until(lambda: feed.state.kind == "live")
    source.state = "gone"
    await until(lambda: feed.session.state == "gone")
    await until(lambda: feed.state.kind == "ended")


async def test_what_people_did_stands_between_the_platforms_events(
    registry: Registry, source: FakeSource
) -> None:
    at = "2026-01-05T10:01:30+00:00"
    source.told = [event("Scheduled", "here", minute=1), event("Started", "there", minute=2)]
    source.done = [
        {
            "id": "a",
            "source": "person",
            "type": "Normal",
            "reason": "Renew",
            "message": "",
            "first": at,
            "last": at,
        }
    ]
    feed, _ = started(registry)
    await until(lambda: [row["reason"] for row in feed.rows] == ["Scheduled", "Renew", "Started"])


async def test_a_queued_session_has_no_events_and_that_is_no_trouble(
    registry: Registry, source: FakeSource
) -> None:
    source.state = "pending"
    source.events_error = errors.NotFoundError("session not found.")
    feed, _ = started(registry)
    await until(lambda: feed.state.kind == "waiting" and feed.session.state == "pending")
    source.events_error = None
    source.told = [event("Scheduled", "here")]
    await until(lambda: feed.state.kind == "live" and feed.rows)
