"""Say in plain sentences why a session is pending or how it ended, and what a person can do about it.

The rules are data (`rules.py`), tried in order against the platform's events, newest first. A reason that no rule
knows is shown in the platform's own words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from sessions_app.reasons.rules import FAILING, LONGEST, MOVING, OVER, RULES, SAYINGS, SLOW, STUCK, Rule

__all__ = [
    "FAILING",
    "MOVING",
    "OVER",
    "SLOW",
    "STUCK",
    "EventLike",
    "Explanation",
    "cannot_start",
    "explain",
    "is_noise",
    "is_note",
    "moment",
    "notes",
    "rule_for",
    "says",
    "sentence",
    "tells_end",
]

# A sentence that is put together is no longer, so that it can be stored beside its session.
LONGEST_SENTENCE = 300
# Seconds after which it is worth a word that nothing was told at all.
SILENCE = 120.0
# Told as warnings by every session that starts: a program needs a moment before it answers.
_NOISE = re.compile(r"Unhealthy|ProbeWarning")
_END = re.compile(r"Completed|Killing")
# Our sentences about what can never start.
_FAILING = [
    re.compile(re.sub(r"\\{\d\\}", ".+", re.escape(rule.sentence)), re.DOTALL)
    for rule in RULES
    if rule.severity == FAILING
]
# How it differs from what was asked for; said beside the reason, never as the reason.
_NOTED = re.compile(r"StandsFor|WithoutGPU")
_CODE = re.compile(r"`([^`]{1,300})`")


class EventLike(Protocol):
    """What a rule looks at."""

    @property
    def type(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def first(self) -> datetime | None: ...
    @property
    def last(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a session is as it is; whatever is not known is empty.

    ``severity`` is "moving" (it goes on by itself), "slow" (so it does, but it takes long), "stuck" (it waits for
    somebody to do something), "failing" (it cannot start as it was asked for) or "over"; ``raw`` is what the platform
    said of it.
    """

    sentence: str = ""
    cause: str = ""
    advice: str = ""
    severity: str = MOVING
    raw: str = ""

    @property
    def needs_somebody(self) -> bool:
        """Whether waiting alone will not help."""
        return self.severity in {STUCK, FAILING}

    @property
    def cannot_start(self) -> bool:
        """Whether it has to be changed and launched again."""
        return self.severity == FAILING

    def __bool__(self) -> bool:
        return bool(self.sentence)


def sentence(state: str, events: Sequence[EventLike]) -> str:
    """Return why a session is in ``state``, or an empty string where the state says it all."""
    return explain(state, events).sentence


def explain(state: str, events: Sequence[EventLike], age: float | None = None) -> Explanation:
    """Return why a session is in ``state``, the likely cause and what to do; ``age`` is how many seconds it is so.

    Some words are only true of a long wait and need the age. Nothing is told of other states than pending and failed.
    """
    if state not in {"pending", "failed"}:
        return Explanation()
    events = [event for event in events if not _NOTED.fullmatch(event.reason)]
    if not events:
        return _of_silence(state, age)
    looked_at = _looked_at(state, events)
    return _by_rule(state, looked_at, age or 0.0) or Explanation(
        _raw(looked_at), severity=OVER if state == "failed" else MOVING, raw=_raw(looked_at)
    )


@lru_cache(maxsize=4096)
def cannot_start(said: str) -> bool:
    """Say whether a sentence of ours is about a session that has to be changed and launched again."""
    return any(words.fullmatch(said) for words in _FAILING)


def notes(events: Sequence[EventLike]) -> list[str]:
    """Return in what the session differs from what was asked for: sentences to be shown in any state."""
    noted = [event for event in sorted(events, key=moment) if _NOTED.fullmatch(event.reason)]
    return list(dict.fromkeys(says(event.type, event.reason, event.message) for event in noted))


def is_note(reason: str) -> bool:
    """Say whether events of this reason tell in what a session differs from what was asked for."""
    return _NOTED.fullmatch(reason) is not None


def is_noise(reason: str) -> bool:
    """Say whether events of this reason are told as warnings though nothing is wrong."""
    return _NOISE.fullmatch(reason) is not None


@lru_cache(maxsize=4096)
def tells_end(reason: str, message: str) -> bool:
    """Say whether an event tells that a program which ran does so no more."""
    return _END.fullmatch(reason) is not None or any(
        rule.states == {"failed"} and _matched(rule, reason, message) for rule in RULES
    )


@lru_cache(maxsize=4096)
def says(type: str, reason: str, message: str) -> str:  # noqa: A002 - as the platform calls it
    """Return one event in our words, or an empty string when no rule knows it."""
    for of_reason, of_message, words in SAYINGS:
        found = of_message.search(message[:LONGEST]) if of_reason.fullmatch(reason) else None
        if found:
            return _composed(words, found)
    for rule in RULES:
        found = _matched(rule, reason, message)
        if found:
            return _composed(rule.sentence, found)
    return ""


def _composed(words: str, found: re.Match[str]) -> str:
    """Put what was found into a sentence; names that stand between backticks there get the quotes of a page."""
    groups = found.groups()
    # Each is cut on its own, so that what a sentence says after a long name stays.
    room = max(20, (LONGEST_SENTENCE - len(words)) // max(1, len(groups)))
    cut = [each if not each or len(each) <= room else f"{each[: room - 1]}…" for each in groups]
    return _CODE.sub(r"“\1”", words.format(*cut))


def moment(event: EventLike) -> datetime:
    """Return when an event was last told; one without a time counts as the oldest."""
    return event.last or event.first or datetime.min.replace(tzinfo=UTC)


def _of_silence(state: str, age: float | None) -> Explanation:
    if state == "failed":
        return Explanation(
            "The platform gives no reason.",
            "It tells nothing of a session that ended some time ago, or that never came to start.",
            "Launch it again; what happens then is kept here.",
            OVER,
        )
    if age is None or age <= SILENCE:
        return Explanation()
    return Explanation(
        "The platform has told nothing of it yet.",
        "Most likely it waits in the platform's queue, of which no events are told.",
        "It starts when its turn comes. It already counts towards your limit of sessions; cancelling the launch "
        "frees the place.",
        SLOW,
    )


def _looked_at(state: str, events: Sequence[EventLike]) -> Sequence[EventLike]:
    """Return the events that may explain the state, newest first."""
    # Times are told in whole seconds; of those in one second the later row is the newer.
    newest_first = sorted(events, key=moment)[::-1]
    newest = newest_first[0]
    in_trouble = (
        state == "failed"
        or (newest.type == "Warning" and not is_noise(newest.reason))
        or newest.reason == "BackOff"
    )
    # What is in trouble is explained by any of its events, what is on its way by the last one.
    return newest_first if in_trouble else newest_first[:1]


def _by_rule(state: str, events: Sequence[EventLike], age: float) -> Explanation | None:
    known = rule_for(state, events, age)
    if known is None:
        return None
    rule, found, event = known
    severity = OVER if state == "failed" else rule.severity
    said = _composed(rule.sentence, found)
    return Explanation(said, rule.cause, rule.advice, severity, f"{event.reason}: {event.message}"[:500])


def rule_for(
    state: str, events: Sequence[EventLike], age: float
) -> tuple[Rule, re.Match[str], EventLike] | None:
    """Return the first rule that one of the events shows, with what it found in which."""
    for rule in RULES:
        if state not in rule.states or age < rule.after:
            continue
        for event in events:
            found = _matched(rule, event.reason, event.message)
            if found:
                return rule, found, event
    return None


def _matched(rule: Rule, reason: str, message: str) -> re.Match[str] | None:
    return rule.message.search(message[:LONGEST]) if rule.reason.fullmatch(reason[:100]) else None


def _raw(events: Sequence[EventLike]) -> str:
    warning = next((event for event in events if event.type == "Warning"), events[0])
    # Beside the state "Failed" an event's reason of the same word says nothing.
    return (warning.message if warning.reason in {"Failed", ""} else f"{warning.reason}: {warning.message}")[
        :300
    ]
