"""What the platform says, without the ids of sessions in what people may read of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from sessions_app.client import Outcome, values
from sessions_app.connections.lists import Listed
from sessions_app.connections.redaction import Redactor

T = TypeVar("T")
_TEXTS = ("name", "kind", "image", "status")


def quiet_list(listed: Listed, redactor: Redactor) -> Listed:
    """Return the list without ids in names, images and the like, having learned all that it lists."""
    redactor.learn(info.id for info in listed.shown)
    redactor.learn(listed.beyond)
    texts = ["\n".join(getattr(info, slot) for slot in _TEXTS) for info in listed.shown]
    if not redactor.finds("\n".join(texts)):
        return listed
    return replace(listed, shown=[_with_texts(info, redactor.hide, _TEXTS) for info in listed.shown])


def quiet_events(told: Sequence[values.Event], redactor: Redactor) -> list[values.Event]:
    """Return the events without ids: a platform names its parts after them."""
    return [_with_texts(event, redactor.hide, ("type", "reason", "message")) for event in told]


def quiet_outcomes(outcomes: list[Outcome[T]], redactor: Redactor) -> list[Outcome[T]]:
    """Take ids out of what went wrong, and return the outcomes."""
    for outcome in outcomes:
        if outcome.error is not None:
            redactor.hide_in_error(outcome.error)
    return outcomes


def _with_texts(value: T, change: Callable[[str], str], slots: Sequence[str]) -> T:
    changed: dict[str, Any] = {slot: change(getattr(value, slot)) for slot in slots}
    return cast(T, replace(cast(Any, value), **changed))
