"""One feed reads a log for all its viewers."""

from __future__ import annotations

import asyncio
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.client import errors
from sessions_app.live import spool as spools
from sessions_app.live.feeds import Registry, Session
from sessions_app.live.log_feed import LogFeed
from sessions_app.live.segments import Segment
from sessions_app.live.spool import Cursor, Kept, Spool
from sessions_app.models import Person, Record
from tests.live.fakes import SECRET, FakeSource, Looker, record, until
from tests.live.test_lines import lines_of

PARTS = st.sampled_from(
    [b"same\n", b"ha", b"10%\r99%\r", b"\xff\xe2\x82", b"\r\n", SECRET.encode(), SECRET[:4].encode(), b"\n"]
)


def started(registry: Registry, viewers: int = 1) -> tuple[LogFeed, list[Looker]]:
    """Return the feed of the one record, joined by viewers."""
    feed = registry.feed(LogFeed, "log", record())
    assert isinstance(feed, LogFeed)
    lookers = [Looker() for _ in range(viewers)]
    for looker in lookers:
        feed.join(looker)
    return feed, lookers


def text_of(feed: LogFeed, epoch: int | None = None) -> list[str]:
    """Return the lines of an epoch, the present one if none is named."""
    epoch = epoch or feed.spool.epoch
    lines: list[str] = []
    while part := feed.spool.read_after(Cursor(epoch, len(lines))):
        lines += part.lines
    return lines


async def test_many_viewers_cost_one_poll(registry: Registry, source: FakeSource) -> None:
    source.text = b"one\n"
    feed, lookers = started(registry, viewers=50)
    assert registry.feed(LogFeed, "log", record()) is feed
    await until(lambda: feed.spool.last.line == 1)
    assert source.logs == feed.polls < 10
    assert all(looker.woken for looker in lookers)


async def test_what_is_appended_is_read_once(registry: Registry, source: FakeSource) -> None:
    source.text = b"same\n" * 5
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 5)
    source.text += b"same\n" * 3 + b"ha"
    await until(lambda: feed.spool.last.line == 8)
    source.text += b"lf\n"
    await until(lambda: feed.spool.last.line == 9)
    assert text_of(feed) == ["same"] * 8 + ["half"]


async def test_the_last_viewer_out_stops_the_poll(registry: Registry, source: FakeSource) -> None:
    feed, [first, second] = started(registry, viewers=2)
    await until(lambda: source.logs)
    feed.leave(first)
    await asyncio.sleep(0.1)
    assert registry.feeds
    feed.leave(second)
    await until(lambda: not registry.feeds)
    await feed.stopped()
    asked = source.logs
    await asyncio.sleep(0.05)
    assert source.logs == asked


async def test_a_viewer_that_comes_back_soon_finds_the_feed_running(
    registry: Registry, source: FakeSource
) -> None:
    feed, [viewer] = started(registry)
    feed.leave(viewer)
    feed.join(viewer)
    await asyncio.sleep(0.1)
    assert registry.feed(LogFeed, "log", record()) is feed


async def test_trouble_keeps_the_text_and_says_how_far_it_goes(
    registry: Registry, source: FakeSource
) -> None:
    source.text = b"one\ntwo\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 2)
    source.error = errors.PlatformError(f"The platform does not answer for {SECRET}.")
    await until(lambda: feed.state.kind == "trouble")
    assert feed.state.text == "The platform does not answer for [session id]. Showing up to line 2."
    source.error = errors.PlatformFailedError(detail=f"java.io.IOException: PosixPrincipal, {SECRET}")
    await until(lambda: feed.state.text == "The platform failed at this. Showing up to line 2.")
    source.error, source.text = None, source.text + b"three\n"
    await until(lambda: feed.state.kind == "live" and feed.spool.last.line == 3)
    assert text_of(feed) == ["one", "two", "three"]


async def test_a_read_that_breaks_off_loses_and_doubles_nothing(
    registry: Registry, source: FakeSource
) -> None:
    source.piece, source.break_after = 10, 250
    source.text = b"".join(b"line %d\n" % n for n in range(100))
    feed, _ = started(registry)
    await until(lambda: feed.state.kind == "trouble")
    assert feed.spool.last.line > 10
    source.break_after = None
    await until(lambda: feed.spool.last.line == 100)
    assert text_of(feed) == [f"line {n}" for n in range(100)]


async def test_an_empty_log_after_text_was_there_changes_nothing(
    registry: Registry, source: FakeSource
) -> None:
    source.text = b"one\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 1)
    epoch, asked, source.text = feed.spool.epoch, source.logs, b""
    await until(lambda: source.logs > asked + 3)
    assert (feed.spool.epoch, text_of(feed)) == (epoch, ["one"])


async def test_a_log_that_begins_anew_is_another_epoch_and_the_old_one_is_kept(
    registry: Registry, source: FakeSource
) -> None:
    source.text = b"first run\nunfinished"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 1)
    epoch, source.text = feed.spool.epoch, b"second run\n"
    await until(lambda: feed.spool.epoch == epoch + 1 and feed.spool.last.line == 1)
    assert text_of(feed, epoch) == ["first run", "unfinished"]
    assert text_of(feed) == ["second run"]


async def test_an_answer_cut_short_once_is_not_a_restart(registry: Registry, source: FakeSource) -> None:
    source.text = whole = b"one\ntwo\nthree\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 3)
    epoch, asked, source.text = feed.spool.epoch, source.logs, whole[:5]
    await until(lambda: source.logs > asked)
    source.text = whole + b"four\n"
    await until(lambda: feed.spool.last.line == 4)
    assert (feed.spool.epoch, text_of(feed)) == (epoch, ["one", "two", "three", "four"])


async def test_an_answer_that_stays_short_is_a_restart(registry: Registry, source: FakeSource) -> None:
    source.text = b"one\ntwo\nthree\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 3)
    epoch, source.text = feed.spool.epoch, b"one\n"
    await until(lambda: feed.spool.epoch > epoch)
    await until(lambda: text_of(feed) == ["one"])


async def test_a_line_that_is_not_whole_is_shown_after_a_while(
    registry: Registry, source: FakeSource
) -> None:
    source.text = b"one\nPassword: "
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 1)
    assert feed.provisional is None
    await until(lambda: feed.provisional == "Password: ")
    source.text += b"***\n"
    await until(lambda: feed.spool.last.line == 2)
    assert feed.provisional is None


async def test_the_end_brings_one_last_read_and_stops(registry: Registry, source: FakeSource) -> None:
    source.text = b"one\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 1)
    source.text, source.state = b"one\nlast words", "completed"
    await until(lambda: feed.state.kind == "ended")
    assert text_of(feed) == ["one", "last words"]
    asked = source.logs
    await asyncio.sleep(0.05)
    assert source.logs == asked


async def test_a_session_that_is_gone_keeps_its_text(registry: Registry, source: FakeSource) -> None:
    source.text = b"one\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 1)
    source.state, source.text = "gone", b""
    await until(lambda: feed.state.kind == "ended")
    assert feed.state.text.startswith("The platform no longer lists this session; this is what was kept")
    assert text_of(feed) == ["one"]


async def test_a_session_that_did_not_start_has_no_log_to_ask_for(
    registry: Registry, source: FakeSource
) -> None:
    source.state = "pending"
    feed, _ = started(registry)
    await until(lambda: feed.state.text == "No lines until the session runs.")
    assert source.logs == 0
    source.state, source.text = "running", b"hello\n"
    await until(lambda: feed.spool.last.line == 1)


async def test_the_secret_is_not_shown_nor_kept_wherever_a_read_ends(
    registry: Registry, source: FakeSource, data_folder: Path
) -> None:
    whole = f"http://localhost/lab?token={SECRET} open\n".encode()
    feed, _ = started(registry)
    for end in range(24, 42, 3):
        source.text, asked = whole[:end], source.logs
        await until(lambda asked=asked: source.logs > asked + 1)
        assert SECRET[:3] not in (feed.provisional or "")
    source.text = whole
    await until(lambda: feed.spool.last.line == 1)
    assert text_of(feed) == ["http://localhost/lab?token=[session id] open"]
    assert not any(SECRET.encode() in path.read_bytes() for path in (data_folder / "spool").glob("*.log"))


async def test_a_new_process_goes_on_with_the_same_numbers(registry: Registry, source: FakeSource) -> None:
    source.text = b"one\ntwo\nha"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 2)
    feed.stop()
    await feed.stopped()
    source.text += b"lf\nfour\n"
    again, _ = started(Registry(source.connect))
    await until(lambda: again.spool.last.line == 4)
    again.stop()
    assert again.spool.epoch == feed.spool.epoch
    assert text_of(again) == ["one", "two", "half", "four"]


async def test_nobody_is_shown_a_line_that_a_killed_process_would_forget(
    registry: Registry, source: FakeSource, data_folder: Path
) -> None:
    """Whoever takes over may find another text: a number that was seen must not be given twice."""
    source.piece, source.text = 1000, b"".join(b"line %d\n" % n for n in range(20_000))
    feed, _ = started(registry)
    compared = 0
    while feed.spool.last.line < 20_000 or not compared:
        await asyncio.sleep(0)
        seen = feed.spool.last
        left = spools.kept(data_folder / "spool", "slug1")
        if seen.line:
            assert left is not None
            assert left.last == seen
            compared += 1


async def test_a_process_killed_before_it_saved_gives_the_same_numbers_again(
    registry: Registry, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.text = b"one\ntwo\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 2)
    monkeypatch.setattr(Spool, "save", lambda *_: None)
    source.text += b"three\nfo"
    await until(lambda: feed.spool.last.line == 3)
    monkeypatch.undo()
    feed._task.cancel()  # type: ignore[union-attr]
    monkeypatch.setattr(feed, "_publish", lambda: None)
    await feed.stopped()
    again = LogFeed(record(), source.connect)
    assert again.spool.last.line == 2
    source.text += b"ur\n"
    await read_now(again, source)
    assert text_of(again) == ["one", "two", "three", "four"]


async def test_a_feed_that_was_stopped_writes_nothing_more(
    registry: Registry, source: FakeSource, data_folder: Path
) -> None:
    """Its successor may have opened the spool already, and a spool has one writer."""
    source.piece, source.text = 1000, b"".join(b"line %d\n" % n for n in range(200_000))
    feed, _ = started(registry)
    await until(lambda: feed._fresh)
    feed.stop()
    left = {path.name: path.read_bytes() for path in (data_folder / "spool").iterdir()}
    await feed.stopped()
    assert {path.name: path.read_bytes() for path in (data_folder / "spool").iterdir()} == left
    again, _ = started(registry)
    await until(lambda: again.spool.last.line == 200_000)
    assert text_of(again)[-1] == "line 199999"


async def test_a_disk_that_refuses_once_costs_no_line(
    registry: Registry, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.live.feeds.OWN_ERROR_PAUSE", 0.01)
    whole = Segment.append
    refusals: list[int] = []

    def refusing(segment: Segment, data: bytes, count: int) -> None:
        if count > 1 and len(refusals) < 3:
            refusals.append(count)
            whole(segment, data[:10], 0)
            raise OSError(28, "No space left on device")
        whole(segment, data, count)

    source.text = b"one\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 1)
    monkeypatch.setattr(Segment, "append", refusing)
    source.text += b"two\nthree\nfour"
    await until(lambda: feed.state.kind == "trouble")
    await until(lambda: feed.spool.last.line == 3)
    source.text += b"\n"
    await until(lambda: feed.spool.last.line == 4)
    assert text_of(feed) == ["one", "two", "three", "four"]
    assert len(refusals) == 3


async def test_a_frame_holds_no_more_than_its_budget_whatever_the_lines_are(
    registry: Registry, source: FakeSource
) -> None:
    source.text = b"\n" * 30_000 + b"\x01\x02\n" * 30_000 + "é\n".encode() * 30_000
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 90_000)
    cursor, lines = Cursor(feed.spool.epoch, 0), []
    while cursor.line < 90_000:
        count, body = feed.body_after(cursor)
        assert 0 < len(body.encode()) <= 64 * 1024
        said = json.loads(f"{{{body}}}")
        assert len(said["lines"]) == count
        assert said["at"][0][0] == 0
        lines += said["lines"]
        cursor = Cursor(cursor.epoch, cursor.line + count)
    assert lines == source.text.decode().split("\n")[:-1]


async def test_a_turn_can_be_asked_for_and_waited_for(
    registry: Registry, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.live.rhythm.QUIET", 60.0)
    monkeypatch.setattr("sessions_app.live.rhythm.NEWS", 60.0)
    source.text = b"one\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 1)
    source.text += b"two\n"
    await feed.next_turn()
    assert feed.spool.last.line == 2


@pytest.mark.parametrize("state", ["completed", "failed", "gone"])
async def test_what_ended_is_frozen_and_never_asked_for_again(
    registry: Registry, source: FakeSource, state: str
) -> None:
    noted: list[tuple[Record, Kept]] = []

    async def note(of: Record, kept: Kept) -> None:
        noted.append((of, kept))

    registry._note = note
    source.text = b"one\nlast words"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 1)
    source.state = state
    await until(lambda: feed.state.kind == "ended")
    [(of, kept)] = noted
    assert (of.slug, kept.frozen and kept.frozen["complete"]) == ("slug1", True)
    asked, source.error = source.logs, errors.PlatformError("The platform is away.")
    later = record(state="completed")
    later.log_kept_at = datetime.now(UTC)

    async def not_asked(person: Person) -> FakeSource:
        raise AssertionError("A frozen log needs no platform.")

    again = Registry(not_asked).feed(LogFeed, "log", later)
    assert isinstance(again, LogFeed)
    again.join(Looker())
    await until(lambda: again.state.kind == "ended")
    await again.stopped()
    assert again.state.text == feed.state.text
    assert text_of(again) == ["one", "last words"]
    assert source.logs == asked


async def test_a_frozen_log_whose_files_are_gone_says_so_and_makes_none(
    registry: Registry, source: FakeSource, data_folder: Path
) -> None:
    kept = record(state="completed")
    kept.log_kept_at = datetime.now(UTC)
    feed = registry.feed(LogFeed, "log", kept)
    feed.join(Looker())
    await until(lambda: feed.state.kind == "ended")
    assert feed.state.text == "The session has ended; its log is no longer kept."
    assert not (data_folder / "spool").exists()


async def test_a_session_that_was_taken_for_gone_is_followed_again(
    registry: Registry, source: FakeSource
) -> None:
    source.text = b"one\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 1)
    source.state = "gone"
    await until(lambda: feed.state.kind == "ended")
    source.state, source.text = "running", source.text + b"two\n"
    again, _ = started(registry)
    assert again is not feed
    await until(lambda: again.spool.last.line == 2)
    assert text_of(again) == ["one", "two"]
    assert again.spool.frozen is None


async def test_a_last_answer_that_was_cut_short_is_asked_for_again(
    registry: Registry, source: FakeSource
) -> None:
    source.text = b"one\ntwo\n"
    feed, _ = started(registry)
    await until(lambda: feed.spool.last.line == 2)
    whole, source.state = b"one\ntwo\nthree\n", "completed"
    source.text = b"one\n"
    await until(lambda: feed._short == 1)
    source.text = whole
    await until(lambda: feed.state.kind == "ended")
    assert text_of(feed) == ["one", "two", "three"]
    assert feed.spool.frozen is not None
    assert feed.spool.frozen["complete"]


async def test_an_error_of_our_own_does_not_end_the_feed(
    registry: Registry, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.live.feeds.OWN_ERROR_PAUSE", 0.01)
    rows, source.rows = source.rows, None  # type: ignore[assignment, method-assign]
    feed, _ = started(registry)
    await until(lambda: feed.state.kind == "trouble")
    source.rows, source.text = rows, b"one\n"  # type: ignore[method-assign]
    await until(lambda: feed.spool.last.line == 1)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_each_epoch_holds_exactly_the_lines_that_were_written(data: st.DataObject) -> None:
    """The oracle at small scale: bursts, half lines, bars, bad bytes, cut reads, restarts, new processes."""
    with tempfile.TemporaryDirectory() as folder, override_settings(DATA_DIR=Path(folder)):
        asyncio.run(live_through(data))


async def live_through(data: st.DataObject) -> None:
    """Write a log by chance, follow it, and compare each epoch with what was written."""
    source = FakeSource()
    source.piece = data.draw(st.integers(1, 50))
    feed = LogFeed(record(), source.connect)
    written = [b""]
    for turn in range(data.draw(st.integers(1, 10))):
        if written[-1] and data.draw(st.integers(0, 6)) == 0:
            source.text = b"run %d\n" % turn
            written.append(source.text)
        fresh = b"%d " % turn + b"".join(data.draw(st.lists(PARTS, max_size=5)))
        source.text, written[-1] = source.text + fresh, written[-1] + fresh
        source.break_after = data.draw(st.sampled_from([None, 10]))
        killed = data.draw(st.booleans())
        for _ in range(3):
            await read_now(feed, source)
        if killed:
            # What was written since the last save is forgotten.
            feed.spool.save = lambda *_: None  # type: ignore[attr-defined]
            source.text, written[-1] = source.text + b"unsaved\nha", written[-1] + b"unsaved\nha"
            await read_now(feed, source)
        if killed or data.draw(st.booleans()):
            feed = LogFeed(record(), source.connect)
        # Should the log begin anew before this, what nobody read would be lost.
        for _ in range(2 if killed else 0):
            await read_now(feed, source)
    feed.session = Session("completed")
    await read_now(feed, source)
    epochs = [feed.spool.epoch - back for back in range(len(written) - 1, -1, -1)]
    assert [text_of(feed, epoch) for epoch in epochs] == [lines_of(text) for text in written]


async def read_now(feed: LogFeed, source: FakeSource) -> None:
    """Re-read whatever the rhythm says; a platform that broke off is whole the next time."""
    feed._due = 0
    try:
        feed.use(source.redactor)
        await feed.poll(source)
    except errors.PlatformError:
        source.break_after = None
