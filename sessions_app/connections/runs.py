"""When a session's program ran, for how long and how it ended, by the platform's own times where it told them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from sessions_app import reasons
from sessions_app.connections import timeline
from sessions_app.connections.ends import ended
from sessions_app.connections.timeline import ToldEvent
from sessions_app.models import Record

# The states of a session that has not ended, as far as anybody knows.
UNENDED = frozenset({"pending", "running", "ending", "unknown"})
_CODE = re.compile(r"(?i)\bexit(?:ed)?(?: with)?(?: exit)?(?: code| status)?:? (\d{1,3})\b")
_SIGNAL = re.compile(r"(?i)\bsignal (\d{1,2}(?: \(SIG[A-Z0-9]{1,9}\))?|SIG[A-Z0-9]{1,9})")
# Helpers of the platform end with codes, too: these say nothing of the program.
_OF_OTHERS = re.compile(r"Failed.+|.*(?:Mount|Volume|Pull|Probe).*|Unhealthy")


@dataclass(frozen=True, slots=True)
class Run:
    """From when to when a program ran, and its last word; what nobody told is None, or an empty text."""

    began: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    signal: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it ran; None while it runs."""
        if self.began is None or self.ended is None:
            return None
        return max(0.0, (self.ended - self.began).total_seconds())


def run_of(record: Record, state: str) -> Run:
    """Return what is known of the run of a record's session, which is in ``state`` now."""
    events = timeline.told_events(record)
    began = _began(record, events, state)
    if state in UNENDED:
        return Run(began)
    code = _last(_CODE, events)
    signal = "" if code else _last(_SIGNAL, events)
    if not code and not signal and "completed" in _states(record):
        code = "0"  # Only what ended so is called completed.
    return Run(began, ended(record) or record.gone, int(code) if code else None, signal)


def _began(record: Record, events: list[ToldEvent], state: str) -> datetime | None:
    """Return when the program was started for the first time; what never ran did not begin."""
    started = [event.first or event.last for event in events if event.reason == "Started"]
    told = min((at for at in started if at is not None), default=None)
    if told is None and {"running", "completed"} & {state, *_states(record)}:
        return record.started or _turned(record, "running")
    return told


def _last(pattern: re.Pattern[str], events: list[ToldEvent]) -> str:
    """Return what the newest event that speaks of the program's end says."""
    for event in sorted(events, key=reasons.moment, reverse=True):
        found = pattern.search(event.message[:1000])
        if found and not _OF_OTHERS.fullmatch(event.reason[:100]):
            return found[1]
    return ""


def _states(record: Record) -> set[str]:
    return {state for state, _ in record.states}


def _turned(record: Record, state: str) -> datetime | None:
    """Return when the session was last seen to come into a state."""
    times = [at for known, at in record.states if known == state]
    if not times:
        return None
    moment = datetime.fromisoformat(times[-1])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
