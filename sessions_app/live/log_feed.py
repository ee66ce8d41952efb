"""The log of one session, followed: re-read whole, told apart by position, kept in a spool, numbered."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from django.conf import settings

from sessions_app.client import errors
from sessions_app.live.comparing import RESTARTED, Comparison, News, Place, Verdict
from sessions_app.live.feeds import Connect, Feed, Source, State, now
from sessions_app.live.lines import Liner
from sessions_app.live.rhythm import BYTES_PER_SECOND
from sessions_app.live.spool import Cursor, Spool
from sessions_app.models import Record

# A log is followed this far; what a session writes beyond it in one go is said to be missing.
READ_LIMIT = 256 * 1024 * 1024
# Viewers are woken at most this often while a long text comes in, and the spool's state is saved after so
# many bytes.
PUBLISH_EVERY = 0.1
SAVE_EVERY = 4 * 1024 * 1024
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
        self.spool = Spool(settings.DATA_DIR / "spool", record.slug)
        self._place = _place_from(self.spool.progress)
        self._liner: Liner | None = None
        self._due = 0.0
        self._signs: tuple[str, bool] | None = None
        self._size = 0
        self._short = 0
        self._pending_since: tuple[Cursor, float] | None = None
        self._published = self._saved_at = 0.0
        self._bodies: dict[tuple[Cursor, Cursor], tuple[int, str]] = {}

    @property
    def provisional(self) -> str | None:
        """The last line while it is not whole, once it has waited a moment."""
        if self._liner is None or self._pending_since is None or not self._liner.partial:
            return None
        return self._liner.partial if now() - self._pending_since[1] >= PROVISIONAL_AFTER else None

    def body_after(self, cursor: Cursor) -> tuple[int, str]:
        """Return how many lines follow the cursor in one frame, and their JSON, for all who are there."""
        key = (cursor, self.spool.last)
        if key not in self._bodies:
            while len(self._bodies) >= MOST_BODIES:
                del self._bodies[next(iter(self._bodies))]
            lines = self.spool.read_after(cursor)
            self._bodies[key] = (len(lines), json.dumps(lines, ensure_ascii=False, separators=(",", ":")))
        return self._bodies[key]

    async def poll(self, source: Source) -> float | None:
        """Re-read when it is time or the session changed; say how things stand."""
        if self._liner is None:
            self._liner = Liner(source.id_of(self.record), self.spool.progress.get("liner"))
        if self.session.state == "pending" and not self.spool.holds_text:
            self.become(State("waiting", "The session has not started yet."))
            return self.tick
        # Something changed in the session, or the platform began to fail: the next read is not waited for.
        signs = (self.session.state, self.doubtful)
        if signs != self._signs or now() >= self._due:
            await self._read_if_there(source)
            self._signs = signs
            if self.session.over:
                self._end()
                return None
            self.become(State("live", self._remark()))
        return max(0.05, min(self._due - now(), self.tick))

    def in_trouble(self, error: errors.PlatformError) -> None:
        """Say how far the text that stays goes."""
        # What a failed read cost counts as well.
        self._due = now() + self._size / BYTES_PER_SECOND
        kept = f" Showing up to line {self.spool.last.line:,}." if self.spool.holds_text else ""
        self.become(State("trouble", f"{self.told(error)}{kept}"))

    async def _read_if_there(self, source: Source) -> None:
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
        if verdict is Verdict.AGAIN or (verdict is Verdict.SHORT and self._believes_short()):
            verdict = await self._compare(source, searching=True)
        if verdict is not Verdict.SHORT:
            self._short = 0
        news = verdict is Verdict.NEWS or self.spool.last != before
        self._due = now() + self.rhythm.after_read(news=news or verdict is Verdict.SHORT, size=self._size)

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
                self.spool.begin_epoch()
            else:
                assert isinstance(news, bytes)
                self._append(self._liner.feed(news))

    def _append(self, lines: list[str]) -> None:
        if lines:
            self.spool.append(lines)

    def _believes_short(self) -> bool:
        if self.session.over:
            return False
        self._short += 1
        return self._short >= SHORT_READS

    def _publish_sometimes(self) -> None:
        if now() - self._published >= PUBLISH_EVERY:
            self._publish(saving=self._place.seen - self._saved_at >= SAVE_EVERY)

    def _publish(self, *, saving: bool = True) -> None:
        """Let the viewers see what there is, and make it last."""
        self._published = now()
        self._watch_partial()
        progress = self._progress()
        if saving and progress != self.spool.progress:
            self.spool.save(progress)
            self._saved_at = self._place.seen
        if self.state.kind == "waiting" and self.spool.holds_text:
            self.become(State("live"))
        self.wake_all()

    def _watch_partial(self) -> None:
        assert self._liner is not None
        if not self._liner.partial:
            self._pending_since = None
        elif self._pending_since is None or self._pending_since[0] != self.spool.last:
            self._pending_since = (self.spool.last, now())
            asyncio.get_running_loop().call_later(PROVISIONAL_AFTER + 0.01, self.wake_all)

    def _progress(self) -> dict[str, Any]:
        assert self._liner is not None
        place = self._place
        return {
            "seen": place.seen,
            "head": base64.b64encode(place.head).decode(),
            "tail": base64.b64encode(place.tail).decode(),
            "liner": self._liner.kept(),
        }

    def _end(self) -> None:
        """The session is over and its text was read a last time: what is pending is its last line."""
        assert self._liner is not None
        self._append(self._liner.finish())
        self._publish()
        self.become(State("ended", self._last_words()))

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
