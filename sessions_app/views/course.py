"""How far a session has come on its way to ready, as what was seen of it tells; nothing is made up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.templatetags.static import static

from sessions_app.connections import timeline
from sessions_app.connections.timeline import ToldEvent
from sessions_app.models import Record

# Whoever waits longer than this for the first word of the platform is in its queue.
QUEUED_AFTER = timedelta(seconds=5)

PLACED = {"Scheduled", "QuotaReserved", "Admitted"}
QUEUED = {
    "Waiting",
    "FailedScheduling",
    "Suspended",
    "Pending",
    "Inadmissible",
    "CreatedWorkload",
    "NotTriggerScaleUp",
}
PULLING = {"Pulling", "Progress", "ErrImagePull", "ImagePullBackOff"}
PULLED = {"Pulled", "Created", "SuccessfulAttachVolume"}
STARTED = {"Started"}
READY = {"Ready"}
_INSTALLING = re.compile(r"Install|Compil", re.IGNORECASE)
_OF_A_PULL = re.compile(r"pull", re.IGNORECASE)

TITLES = {
    "accepted": "Accepted",
    "queued": "Queued",
    "pulling": "Pulling",
    "starting": "Starting",
    "answering": "Answering",
    "ready": "Ready",
}
MARKS = {"running": "ready", "failed": "failed", "completed": "ended", "gone": "ended", "ending": "ended"}


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of the way: ``place`` is "done", "now", "failed" or "ahead"; its times are known or None."""

    title: str
    place: str
    began: datetime | None = None
    ended: datetime | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took, once it is over."""
        if self.began is None or self.ended is None:
            return None
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True, slots=True)
class Course:
    """The whole way, in the order of its phases."""

    phases: tuple[Phase, ...]
    began: datetime
    state: str

    @property
    def current(self) -> Phase:
        """The phase it is in, or came to."""
        return next((phase for phase in reversed(self.phases) if phase.place != "ahead"), self.phases[0])

    @property
    def number(self) -> int:
        """Which one that is, from 1."""
        return self.phases.index(self.current) + 1

    @property
    def elapsed(self) -> float:
        """Seconds from the beginning until now, or until the way came to its end."""
        ready = self.phases[-1].began
        return ((ready or datetime.now(UTC)) - self.began).total_seconds()

    def title(self, name: str) -> str:
        """Return what a tab is called while one waits."""
        if self.state == "running":
            return f"Ready · {name}"
        if self.state != "pending":
            return f"{self.state.capitalize()} · {name}"
        return f"({self.number}/{len(self.phases)}) {self.current.title.lower()} · {name}"


def course_of(record: Record, state: str) -> Course:
    """Return how far the record's session has come, being in ``state`` now."""
    began = timeline.began(record)
    events = timeline.told_events(record)
    moments = _moments(record, events, began, state)
    reached = max((place for place, key in enumerate(TITLES) if key in moments), default=0)
    failed = state not in {"pending", "running"}
    phases = []
    for place, key in enumerate(TITLES):
        if key not in moments and (place < reached and key in {"queued", "pulling"}):
            continue  # It did not happen.
        if key == "queued" and key not in moments:
            continue  # Whether there is a queue is known only by waiting in it.
        following = [at for other, at in moments.items() if list(TITLES).index(other) > place]
        where = "done" if place < reached or state == "running" else "ahead"
        if place == reached and state != "running":
            where = "failed" if failed else "now"
        title = "Installing" if key == "pulling" and _installs(events) else TITLES[key]
        ended = timeline.since(record) if where == "failed" else min(following, default=None)
        phases.append(Phase(title, where, moments.get(key), ended))
    return Course(tuple(phases), began, state)


def tab_of(record: Record, state: str) -> dict[str, str]:
    """Return the title and the icon of a tab that shows a session in ``state``."""
    title = course_of(record, state).title(record.name) if state == "pending" else ""
    return {"tab_title": title, "tab_icon": icon_of(record, state)}


def icon_of(record: Record, state: str) -> str:
    """Return the address of the icon whose shape and colour tell the state."""
    mark = MARKS.get(state, "pending")
    if state == "pending" and timeline.explained(record, state).needs_somebody:
        mark = "stuck"
    return static(f"img/tab-{mark}.svg")


def _moments(record: Record, events: list[ToldEvent], began: datetime, state: str) -> dict[str, datetime]:
    """Return when each phase that happened began; the platform tells whole seconds, so none goes back in time."""
    first = {key: _first(events, reasons) for key, reasons in _REASONS.items()}
    if first["pulling"] is None and first["starting"] is None:
        first["pulling"] = min((_when(each) for each in events if _fails_to_pull(each)), default=None)
    if state == "running" and first["ready"] is None:
        first["ready"] = _turned(record, "running") or datetime.now(UTC)
    if state != "running":
        # It answers only when the platform calls it running, too.
        first["ready"] = None
    placed = min((at for at in (_first(events, PLACED), *first.values()) if at is not None), default=None)
    if _first(events, QUEUED) is not None or (placed or _until(record, state)) - began > QUEUED_AFTER:
        first["queued"] = began
    moments, latest = {"accepted": began}, began
    for key in TITLES:
        moment = first.get(key)
        if moment is not None:
            latest = moments[key] = max(moment, latest)
    return moments


_REASONS = {"pulling": PULLING, "starting": PULLED, "answering": STARTED, "ready": READY}


def _first(events: list[ToldEvent], reasons: set[str]) -> datetime | None:
    return min((_when(event) for event in events if event.reason in reasons and event.first), default=None)


def _when(event: ToldEvent) -> datetime:
    return event.first or event.last or datetime.now(UTC)


def _turned(record: Record, state: str) -> datetime | None:
    times = [at for known, at in record.states if known == state]
    return datetime.fromisoformat(times[0]) if times else None


def _until(record: Record, state: str) -> datetime:
    """Return now, or when it ceased to be pending."""
    return datetime.now(UTC) if state == "pending" else timeline.since(record)


def _fails_to_pull(event: ToldEvent) -> bool:
    return event.reason in {"Failed", "BackOff"} and _OF_A_PULL.search(event.message[:200]) is not None


def _installs(events: list[ToldEvent]) -> bool:
    told = [event for event in events if event.reason == "Progress"]
    return bool(told) and _INSTALLING.search(told[-1].message[:100]) is not None
