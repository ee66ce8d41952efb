"""The log of one session, followed: re-read whole, told apart by position, kept in a spool, numbered."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from sessions_app.client import errors
from sessions_app.connections.redaction import Redactor, sealed_text, unsealed_text
from sessions_app.live.bodies import BODY, fitting
from sessions_app.live.comparing import RESTARTED, Comparison, News, Place, Verdict
from sessions_app.live.feeds import Connect, Feed, Source, State, now
from sessions_app.live.lines import Liner
from sessions_app.live.rhythm import BYTES_PER_SECOND
from sessions_app.live.silence import Silence
from sessions_app.live.spool import Cursor, Kept, Spool, kept
from sessions_app.models import Record

# A log is followed this far; what a session writes beyond it in one go is said to be missing.
READ_LIMIT = 256 * 1024 * 1024
# While a long text comes in, its lines are written down and shown this often, in seconds, or after so many
# characters.
PUBLISH_EVERY = 0.1
PUBLISH_SIZE = 1024 * 1024
# A line that is not whole is shown when it has been waiting this long, in seconds.
PROVISIONAL_AFTER = 2.0
# A re-read that ends early is believed the second time: the first may just have been cut off.
SHORT_READS = 2
# Frames' bodies kept for the other viewers at the same place.
MOST_BODIES = 32


class LogFeed(Feed):
    """One log for all its viewers."""

    what = "log"

    def __init__(self, record: Record, connect: Connect) -> None:
        super().__init__(record, connect)
        folder = settings.DATA_DIR / "spool"
        self.spool: Kept
        self._place = Place()
        # What of it was saved last.
        self._progress_kept: dict[str, Any] = {}
        if self.frozen:
            self.spool = kept(folder, record.slug) or Kept(int(time.time()), [])
            self.state = State("ended", self._kept_words())
        else:
            self._open_spool()
        self._silence = Silence(record, self.spool.last_second)
        self._liner: Liner | None = None
        # What was read and is not in the spool yet: shown to nobody, for a killed process forgets it.
        self._fresh: list[str] = []
        self._fresh_size = 0
        self._begun = self._astray = self._insisted = False
        self._due = 0.0
        self._signs: tuple[str, bool] | None = None
        self._size = 0
        self._short = 0
        self._whole = False
        self._partial = ""
        self._pending_since: tuple[Cursor, float] | None = None
        self._published = 0.0
        self._bodies: dict[tuple[Cursor, Cursor, int], tuple[int, str]] = {}

    @property
    def provisional(self) -> str | None:
        """The last line while it is not whole, once it has waited a moment."""
        if self._pending_since is None or not self._partial:
            return None
        return self._partial if now() - self._pending_since[1] >= PROVISIONAL_AFTER else None

    def use(self, redactor: Redactor) -> None:
        """Take ids out of texts with this from now on, also out of those that were kept before."""
        super().use(redactor)
        self.spool.redactor = redactor

    def body_after(self, cursor: Cursor) -> tuple[int, str]:
        """Return how many lines follow the cursor in one frame, and their JSON, for all who are there."""
        key = (cursor, self.spool.last, self.redactor.count)
        if key not in self._bodies:
            while len(self._bodies) >= MOST_BODIES:
                del self._bodies[next(iter(self._bodies))]
            self._bodies[key] = fitting(self.spool.without_ids(self.spool.read_after(cursor, BODY)))
        return self._bodies[key]

    def hurry(self) -> None:
        """Read at the next turn whatever the rhythm says, and let that be now."""
        self._due, self._insisted = 0.0, True
        super().hurry()

    async def poll(self, source: Source) -> float | None:
        """Re-read when it is time or the session changed; say how things stand."""
        if self.frozen:
            return None
        if self._liner is None or self._astray:
            self._go_back_to_what_is_kept()
        if self.session.state == "pending" and not self.spool.holds_text:
            if self._insisted:
                await self._read_early(source)
            if not self.spool.holds_text:
                self.become(State("waiting", "No lines until the session runs."))
            return self.tick
        self._insisted = False
        # Something changed in the session, or the platform began to fail: the next read is not waited for.
        signs = (self.session.state, self.doubtful)
        if signs != self._signs or now() >= self._due:
            await self._read_if_there(source)
            self._signs = signs
            # An answer that ends too early may just have been cut off, also the last one.
            if self.session.over and not 0 < self._short < SHORT_READS:
                await self._end()
                return None
            silent = self._silence.look(self.session.state, self.cores_in_use)
            self.become(State("live", self._remark(), silent))
        return max(0.05, min(self._due - now(), self.tick))

    def in_trouble(self, error: errors.PlatformError) -> None:
        """Say how far the text that stays goes."""
        # What a failed read cost counts as well.
        self._due = now() + self._size / BYTES_PER_SECOND
        kept = f" Showing up to line {self.spool.last.line:,}." if self.spool.holds_text else ""
        self.become(State("trouble", f"{self.told(error)}{kept}"))

    async def _read_early(self, source: Source) -> None:
        """Read what a session may have written already; that it has no log yet is no trouble."""
        self._insisted = False
        with contextlib.suppress(errors.PlatformError):
            await self._read(source)

    async def _read_if_there(self, source: Source) -> None:
        self._whole = False
        try:
            await self._read(source)
        except errors.PlatformError:
            # Of a session that it no longer lists, a platform need not have a log either.
            if self.session.state != "gone":
                raise

    async def _read(self, source: Source) -> None:
        self.polls += 1
        before = self.spool.last
        self._size = 0
        verdict = await self._compare(source, searching=False)
        over = self.session.over
        # A platform that could not read a log hands over an empty one.
        cut = verdict is Verdict.SHORT or (over and not self._size)
        self._short = self._short + 1 if cut else 0
        believed = verdict is Verdict.SHORT and self._short >= SHORT_READS and not over
        if verdict is Verdict.AGAIN or believed:
            verdict = await self._compare(source, searching=True)
            self._short = 0
        self._whole = verdict in {Verdict.SAME, Verdict.NEWS}
        news = verdict is Verdict.NEWS or self.spool.last != before
        self._due = now() + self.rhythm.after_read(news=news or self._short > 0, size=self._size)

    async def _compare(self, source: Source, *, searching: bool) -> Verdict:
        comparison = Comparison(self._place, searching=searching)
        try:
            async with source.stream_log(self.record, max_bytes=READ_LIMIT) as pieces:
                async for chunk in pieces:
                    self._size += len(chunk)
                    self._take(comparison.feed(chunk))
                    self._place = comparison.place
                    self._publish_sometimes()
                    # A long text that is here already must not keep the loop from everybody else.
                    await asyncio.sleep(0)
            self._take(comparison.finish())
            self._place = comparison.place
            return comparison.verdict()
        finally:
            comparison.close()
            self._publish()

    def _take(self, stream: Any) -> None:
        assert self._liner is not None
        news: News
        for news in stream:
            if news is RESTARTED:
                self._append(self._liner.finish())
                self._write_down()
                with self._or_astray():
                    self._own_spool.begin_epoch()
                self._begun = True
            else:
                assert isinstance(news, bytes)
                self._silence.end()
                self._append(self._liner.feed(news))

    def _append(self, lines: list[str]) -> None:
        self._fresh += lines
        self._fresh_size += sum(map(len, lines))

    def _publish_sometimes(self) -> None:
        due = now() - self._published >= PUBLISH_EVERY
        if due or self._begun or self._fresh_size >= PUBLISH_SIZE:
            self._publish()

    def _publish(self, frozen: dict[str, Any] | None = None) -> None:
        """Make what there is last, then let the viewers see it.

        Nobody is shown a line that a killed process would forget: the next one might give its number to
        another.
        """
        if self._astray or self.halted:
            return
        self._published = now()
        self._write_down()
        progress = self._progress()
        if self._begun or frozen is not None or progress != self._progress_kept:
            with self._or_astray():
                self._own_spool.save(self._sealed(progress), frozen)
            self._begun, self._progress_kept = False, progress
        self._watch_partial()
        if self.state.kind == "waiting" and self.spool.holds_text:
            self.become(State("live"))
        elif self.state.silent and not self._silence.told:
            self.become(State("live", self._remark()))
        self.wake_all()

    def _write_down(self) -> None:
        if self._fresh and not self.halted:
            with self._or_astray():
                self._own_spool.append(self._fresh, int(time.time()))
            self._fresh, self._fresh_size = [], 0

    @contextlib.contextmanager
    def _or_astray(self) -> Iterator[None]:
        """Where the disk refuses, what was read since the last save counts as not read."""
        try:
            yield
        except OSError:
            # Nobody may read what was appended and not saved.
            self.spool, self._astray = Kept(self.spool.epoch, []), True
            raise

    def _go_back_to_what_is_kept(self) -> None:
        if self._astray:
            self._open_spool()
            self._fresh, self._fresh_size, self._begun, self._astray = [], 0, False, False
            self._bodies.clear()
        self._liner = Liner(self.redactor, self._progress_kept.get("liner"))

    @property
    def _own_spool(self) -> Spool:
        assert isinstance(self.spool, Spool)
        return self.spool

    def _watch_partial(self) -> None:
        assert self._liner is not None
        self._partial = self._liner.partial
        if not self._partial:
            self._pending_since = None
        elif self._pending_since is None or self._pending_since[0] != self.spool.last:
            self._pending_since = (self.spool.last, now())
            asyncio.get_running_loop().call_later(PROVISIONAL_AFTER + 0.01, self.wake_all)

    def _open_spool(self) -> None:
        self.spool = Spool(settings.DATA_DIR / "spool", self.record.slug)
        self._progress_kept = self._unsealed(self.spool.progress)
        self._place = _place_from(self._progress_kept)
        if not self._progress_kept and self.spool.holds_text:
            # Where the platform's text was left can no longer be known: it is read from its beginning.
            self.spool.begin_epoch()

    def _sealed(self, progress: dict[str, Any]) -> dict[str, Any]:
        """Return the progress for the disk: it repeats the platform's text, ids and all."""
        return {"sealed": sealed_text(self.record.slug, json.dumps(progress))}

    def _unsealed(self, kept: dict[str, Any]) -> dict[str, Any]:
        if "sealed" not in kept:
            return kept
        text = unsealed_text(self.record.slug, kept["sealed"])
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def _progress(self) -> dict[str, Any]:
        assert self._liner is not None
        place = self._place
        return {
            "seen": place.seen,
            "head": base64.b64encode(place.head).decode(),
            "tail": base64.b64encode(place.tail).decode(),
            "liner": self._liner.kept(),
        }

    async def _end(self) -> None:
        """The session is over and its text was read a last time: what is pending is its last line.

        From now on it is frozen: whoever comes later is shown what is kept.
        """
        assert self._liner is not None
        self._append(self._liner.finish())
        self._write_down()
        words = self._last_words()
        # Of a session that it no longer lists, a platform may hand over an empty log.
        answered = self._whole and (self._size > 0 or self.session.state != "gone")
        complete = answered and not self.spool.lost and self._place.seen < READ_LIMIT
        self._publish(frozen={"at": int(time.time()), "words": words, "complete": complete})
        await self.on_frozen(self.record, self.spool)
        self.become(State("ended", words))

    def _kept_words(self) -> str:
        if self.spool.frozen is not None:
            return str(self.spool.frozen["words"])
        return "The session has ended; its log is no longer kept."

    def _last_words(self) -> str:
        if self.session.state == "gone":
            kept = (
                "this is what was kept of its log."
                if self.spool.holds_text
                else "nothing of its log was kept."
            )
            return f"The platform no longer lists this session; {kept}"
        return (
            "The session has ended; this is its whole log."
            if self.spool.holds_text
            else ("The session has ended without writing anything.")
        )

    def _remark(self) -> str:
        if self._place.seen >= READ_LIMIT:
            return f"The log is longer than {READ_LIMIT // 1024**2} MiB; its end cannot be followed."
        return "" if self.spool.holds_text or self.provisional else "Nothing written yet."


def _place_from(progress: dict[str, Any]) -> Place:
    if not progress:
        return Place()
    head, tail = (base64.b64decode(progress[name]) for name in ("head", "tail"))
    return Place(progress["seen"], head, tail)
