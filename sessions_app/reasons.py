"""Say in one plain sentence why a session is pending or how it ended.

The rules are data, tried in order against the platform's events, newest first. A reason that no rule knows is shown
in the platform's own words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


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
class Rule:
    """One known cause: where it applies, how it shows, and what to say (``{0}`` is the first group)."""

    states: frozenset[str]
    reason: str
    message: str
    sentence: str


def _rule(states: str, reason: str, message: str, sentence: str) -> Rule:
    return Rule(frozenset(states.split()), reason, message, sentence)


RULES: tuple[Rule, ...] = (
    _rule(
        "failed", r"OOMKilled|OutOfMemory|.*", r"(?i)out of memory|oomkilled", "Ended: it ran out of memory."
    ),
    _rule("failed", r"DeadlineExceeded|.*", r"(?i)deadline", "Ended: it reached its end time."),
    _rule(
        "failed",
        r".*",
        r"(?i)exit(?:ed)?(?: with)?(?: exit)?(?: code| status)? (\d+)",
        "Ended with exit code {0}.",
    ),
    _rule("failed", r".*", r"(?i)signal (\d+|SIG\w+)", "Ended by signal {0}."),
    _rule("pending", r"FailedScheduling", r"(?i)insufficient cpu", "Waiting for free cores."),
    _rule("pending", r"FailedScheduling", r"(?i)insufficient memory", "Waiting for free memory."),
    _rule("pending", r"FailedScheduling", r"(?i)gpu", "Waiting for a free GPU."),
    _rule(
        "pending failed",
        r"Failed|ErrImagePull|ImagePullBackOff|BackOff",
        r"(?i)not found|manifest unknown|no such image|unknown image",
        "The image was not found: check its name and tag.",
    ),
    _rule(
        "pending failed",
        r"Failed|ErrImagePull|ImagePullBackOff|BackOff",
        r"(?i)(pull.*)",
        "The image cannot be pulled; the platform tries again.",
    ),
    _rule("pending", r"Progress", r"(.+)", "Pulling the image: {0}."),
    _rule("pending", r"Pulling", r".*", "Pulling the image."),
    _rule("pending", r"Pulled|Created", r".*", "The image is here; starting."),
    _rule("pending", r"Started|Ready|Unhealthy", r".*", "Started; waiting for the application to answer."),
    _rule("pending", r"Scheduled|Accepted|Queued", r".*", "Accepted; about to start."),
)


def sentence(state: str, events: Sequence[EventLike]) -> str:
    """Return why a session is in ``state``, or an empty string where the state says it all."""
    if state not in {"pending", "failed"}:
        return ""
    if not events:
        return "The platform gives no reason." if state == "failed" else ""
    # Times are told in whole seconds; of those in one second the later row is the newer.
    newest_first = sorted(events, key=moment)[::-1]
    in_trouble = state == "failed" or newest_first[0].type == "Warning" or newest_first[0].reason == "BackOff"
    # What is in trouble is explained by any of its events, what is on its way by the last one.
    looked_at = newest_first if in_trouble else newest_first[:1]
    return _by_rule(state, looked_at) or _raw(looked_at)


def moment(event: EventLike) -> datetime:
    """Return when an event was last told; one without a time counts as the oldest."""
    return event.last or event.first or datetime.min.replace(tzinfo=UTC)


def _by_rule(state: str, events: Sequence[EventLike]) -> str:
    for rule in RULES:
        if state not in rule.states:
            continue
        for event in events:
            found = re.search(rule.message, event.message[:1000])
            if found and re.fullmatch(rule.reason, event.reason):
                return rule.sentence.format(*found.groups())
    return ""


def _raw(events: Sequence[EventLike]) -> str:
    warning = next((event for event in events if event.type == "Warning"), events[0])
    return f"{warning.reason}: {warning.message}"[:300]
