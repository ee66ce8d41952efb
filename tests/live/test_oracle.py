"""The oracle: whatever happens on the way, each viewer's text is the one that was written.

``ORACLE_EXAMPLES`` asks for more examples than the usual ones.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessions_app.client import errors
from sessions_app.live import log_feed
from sessions_app.live.feeds import Session
from sessions_app.live.log_feed import LogFeed
from sessions_app.live.messages import Follow, Topic
from sessions_app.live.topics import LEAST_ROOM, LogTopic
from tests.live.fakes import FakeSource, record
from tests.load.truth import Transcript, lines_of

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "100"))
WINDOW = 256 * 1024
# What remains of a text that was rotated must be enough to know it again.
LEAST_REST = 300
# A number stands for so many rows.
PIECES = st.sampled_from(
    [
        b"same\n",
        b"same\n" * 60,
        b"ha",
        b"lf\n",
        b"10%\r55%\r",
        b"100%\r\n",
        b"\r",
        b"\xff\xe2\x82",
        b"\xac\n",
        "é\u2028\x85".encode(),
        b"\n",
        b"x" * 17_000,
        800,
        # More than the window by which a place is known again.
        4_000,
    ]
)


@pytest.fixture(autouse=True)
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let viewers read in the middle of a re-read, before what they read is saved."""
    monkeypatch.setattr(log_feed, "PUBLISH_EVERY", 0.0)
    monkeypatch.setattr(log_feed, "PROVISIONAL_AFTER", 0.0)


class InterruptedSource(FakeSource):
    """A session's log whose answers can be looked at half-way, cut short without a word, or end with the reader."""

    def __init__(self) -> None:
        super().__init__()
        self.half_way: int | None = None
        self.said_half = asyncio.Event()
        self.short: int | None = None
        self.least_piece = 1

    async def _pieces(self, text: bytes) -> AsyncIterator[bytes]:
        sent = 0
        # A long text in crumbs would take all the time there is.
        self.piece = max(self.least_piece, len(text) // 40)
        async for piece in super()._pieces(text if self.short is None else text[: self.short]):
            if self.half_way is not None and sent >= self.half_way:
                self.said_half.set()
                await asyncio.Event().wait()
            yield piece
            sent += len(piece)


class Reader:
    """A viewer: frames are on their way to it, credit comes back, and its socket is cut."""

    def __init__(self, feed: LogFeed, tail: int) -> None:
        self.told, self.tail = Transcript(), tail
        self.join(feed)

    def join(self, feed: LogFeed) -> None:
        """Open another socket; what was on its way on the old one is lost."""
        self.under_way: list[str] = []
        place = self.told.place
        topic = Topic(feed.record.slug, "log")
        self.topic = LogTopic(feed, Follow(topic, place["epoch"], place["after"], self.tail))

    def pull(self, room: int, frames: int) -> None:
        """Let so many frames be sent, each with so much room at most."""
        for _ in range(frames):
            own = WINDOW - self.topic.underway if self.topic.underway else 2 * WINDOW
            text = self.topic.next(min(room, own))
            if text is None:
                return
            self.under_way.append(text)

    def hear(self, frames: int) -> None:
        """Take in so many frames of those under way, and say so."""
        heard, self.under_way = self.under_way[:frames], self.under_way[frames:]
        for text in heard:
            message = json.loads(text)
            self.told.take(message)
            if "n" in message:
                self.topic.acknowledge(message["n"])

    def catch_up(self) -> None:
        """Read everything there is."""
        self.hear(len(self.under_way))
        while True:
            self.pull(2 * WINDOW, 100)
            if not self.under_way:
                return
            self.hear(len(self.under_way))


class World:
    """A log that grows by chance, the feed that follows it, and who reads that."""

    def __init__(self, data: st.DataObject, folder: Path) -> None:
        self.data, self.folder = data, folder
        self.source = InterruptedSource()
        self.source.least_piece = data.draw(st.sampled_from([7, 100, 5_000, 65_536]))
        self.feed = LogFeed(record(), self.source.connect)
        self.readers = [Reader(self.feed, tail) for tail in (20_000, 20_000, 5)]
        self.runs = [b""]
        # Which run is which epoch, as of the last time that everything had been read.
        self.run_of: dict[int, int] = {}
        self.count = self.rereads = 0

    async def live(self) -> None:
        """Go through chance steps, then to the session's end."""
        steps = {
            "grow": self.grow,
            "read": self.read,
            "watch": self.watch,
            "rotate": self.rotate,
            "restart": self.restart,
            "fail": self.fail,
            "cut short": self.cut_short,
            "die": self.die,
            "leave": self.leave,
        }
        names = ["grow", "grow", "read", "watch", *steps]
        for name in self.data.draw(st.lists(st.sampled_from(names), min_size=8, max_size=40)):
            await steps[name]()
        await self.end()

    async def grow(self) -> None:
        """Write pieces, each of them behind a number: repeated lines tell nothing of where they stand."""
        self.count += 1
        pieces = self.data.draw(st.lists(PIECES, max_size=4))
        fresh = [rows(self.count, piece) if isinstance(piece, int) else piece for piece in pieces]
        self.write(b"%d " % self.count + b"".join(fresh))

    def write(self, fresh: bytes) -> None:
        """Append to the text, and to what is known to have been written."""
        self.source.text += fresh
        self.runs[-1] += fresh

    async def read(self) -> None:
        """Re-read once; what the platform fails to say is said the next time."""
        await read_now(self.feed, self.source)

    async def read_all(self) -> None:
        """Re-read until nothing that was written is unread."""
        for _ in range(3):
            await self.read()
        if self.runs[-1]:
            self.run_of[self.feed.spool.epoch] = len(self.runs) - 1

    async def watch(self) -> None:
        """Let some readers read, with more or less credit."""
        for reader in self.readers:
            room = self.data.draw(st.sampled_from([0, LEAST_ROOM, WINDOW]))
            reader.pull(room, self.data.draw(st.integers(0, 4)))
            reader.hear(self.data.draw(st.integers(0, 4)))

    async def leave(self) -> None:
        """Cut a reader's socket; it comes back with its place, or for the first time."""
        reader = self.data.draw(st.sampled_from(self.readers))
        if self.data.draw(st.integers(0, 5)) == 0:
            reader.told = Transcript()
        reader.join(self.feed)

    async def rotate(self) -> None:
        """Let the beginning of the text go, as a platform does; the rest goes on."""
        await self.read_all()
        most = len(self.source.text) - LEAST_REST
        if most > 0:
            self.source.text = self.source.text[self.data.draw(st.integers(1, most)) :]
            self.count += 1
            self.write(b"\n%d turned\n" % self.count)

    async def restart(self) -> None:
        """Begin another text; or the same words again, which is only told apart while it is shorter."""
        await self.read_all()
        old = self.runs[-1]
        if not old:
            return
        self.count += 1
        # With less than its first line a text would not differ from the one that follows it.
        same = old[: max(len(old) // 2, old.find(b"\n") + 1)]
        again = self.source.text == old and b"\n" in same and same != old and self.data.draw(st.booleans())
        begin = same if again else b"run %d\n" % self.count
        self.source.text = begin
        self.runs.append(begin)
        if again:
            await self.read_all()

    async def fail(self) -> None:
        """Re-read while the platform fails, at once or half-way."""
        size = len(self.source.text)
        if self.data.draw(st.booleans()):
            self.source.error = errors.PlatformError("The platform does not answer.")
        else:
            self.source.break_after = self.data.draw(st.integers(0, size))
        await self.read()
        self.source.error = self.source.break_after = None

    async def cut_short(self) -> None:
        """Re-read an answer that ends early as if it were whole, once; it may also be empty."""
        await self.read_all()
        self.source.short = self.data.draw(st.integers(0, len(self.source.text)))
        await self.read()
        self.source.short = None
        await self.read()

    async def die(self) -> None:
        """Kill the portal in the middle of a re-read: what was not saved is gone, whoever has read it."""
        saved = self.folder / "spool"
        half_way = self.data.draw(st.integers(0, len(self.source.text)))
        await killed_half_way(self.feed, self.source, half_way, self.folder, self.watch)
        # Only who lost everything may show the text anew.
        self.rereads += not list(saved.glob("*.json"))
        self.feed = LogFeed(record(), self.source.connect)
        for reader in self.readers:
            reader.join(self.feed)

    async def end(self) -> None:
        """End the session, let everybody read to the end, and compare."""
        await self.read_all()
        self.feed.session = Session("completed")
        await self.read()
        if self.feed.state.kind != "ended":
            # A last answer that is short or empty is asked for once more.
            await self.read()
        assert self.feed.state.kind == "ended"
        for reader in self.readers:
            reader.catch_up()
            self.compare(reader.told)

    def compare(self, told: Transcript) -> None:
        """Hold what a reader was told against what was written."""
        assert told.state["state"] == "ended"
        assert told.rereads <= self.rereads
        parts = [part for part in told.parts if part.lines or part.epoch in self.run_of]
        runs = [self.run_of[part.epoch] for part in parts]
        written = [run for run, text in enumerate(self.runs) if text]
        assert runs == written[len(written) - len(runs) :], (
            f"epochs {self.run_of}, told {[(part.epoch, part.why, part.lines[:2]) for part in parts]}, "
            f"written {[text[:40] for text in self.runs]}"
        )
        for part, run in zip(parts, runs, strict=True):
            assert part.differs_from(lines_of(self.runs[run])) == ""


async def read_now(feed: LogFeed, source: FakeSource) -> None:
    """Re-read whatever the rhythm says."""
    feed._due = 0
    with suppress(errors.PlatformError):
        await feed.poll(source)


async def killed_half_way(
    feed: LogFeed,
    source: InterruptedSource,
    half_way: int,
    folder: Path,
    meanwhile: Callable[[], Awaitable[None]],
) -> None:
    """End a feed's process in the middle of a re-read: the spool stays as it was on the disk at that moment."""
    source.half_way = half_way
    source.said_half.clear()
    reading = asyncio.create_task(read_now(feed, source))
    said = asyncio.create_task(source.said_half.wait())
    await asyncio.wait({reading, said}, return_when=asyncio.FIRST_COMPLETED)
    await meanwhile()
    spool, saved = folder / "spool", folder / "saved"
    shutil.copytree(spool, saved)
    for task in (reading, said):
        task.cancel()
    await asyncio.gather(reading, said, return_exceptions=True)
    shutil.rmtree(spool)
    saved.rename(spool)
    source.half_way = None


def rows(batch: int, count: int) -> bytes:
    """Return many lines that are found in no other place: a long stretch seen again is taken for a rotated text."""
    return b"".join(b"row %d of batch %d\n" % (number, batch) for number in range(count))


@hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_every_viewer_reads_exactly_what_was_written(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, override_settings(DATA_DIR=Path(folder)):
        asyncio.run(live_through(data, Path(folder)))


async def live_through(data: st.DataObject, folder: Path) -> None:
    """Make a world inside the loop that it lives in."""
    await World(data, folder).live()


async def test_a_text_that_was_shown_but_not_saved_does_not_go_on_as_another_one(data_folder: Path) -> None:
    source = InterruptedSource()
    source.text, feed = b"first\n", LogFeed(record(), source.connect)
    reader = Reader(feed, 20_000)
    await read_now(feed, source)
    reader.catch_up()
    source.text = rows(2, 100)

    async def watch() -> None:
        reader.catch_up()

    await killed_half_way(feed, source, len(source.text) // 2, data_folder, watch)
    assert len(reader.told.parts) == 2
    assert reader.told.parts[1].lines
    source.text = rows(3, 200)
    feed = LogFeed(record(), source.connect)
    reader.join(feed)
    for _ in range(2):
        await read_now(feed, source)
    reader.catch_up()
    for part in reader.told.parts:
        # The last line that was read of a text may have been cut short.
        *whole, last = [(line or "").partition("batch")[2] for line in part.lines]
        assert len({*whole}) <= 1
        assert all(text.startswith(last) for text in whole)
