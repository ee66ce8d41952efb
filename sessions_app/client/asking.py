"""What operations are made of: asking once, asking for each of many, and which JSON was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .answers import Answer
from .wire import Batch, Operation, Outcome, Request

T = TypeVar("T")


def ask(request: Request) -> Operation[Answer]:
    """Ask, and return the answer if it is a success."""
    answer: Answer = yield request
    return answer.checked()


def each(ids: Iterable[str] | str, one: Callable[[str], Operation[T]]) -> Operation[list[Outcome[T]]]:
    """Run one operation for each id. Who is named twice is asked for once and answered at both places."""
    wanted = listed(ids)
    distinct = list(dict.fromkeys(wanted))
    outcomes: list[Outcome[T]] = yield Batch([(session_id, one(session_id)) for session_id in distinct])
    found = dict(zip(distinct, outcomes, strict=True))
    return [found[session_id] for session_id in wanted]


def listed(ids: Iterable[str] | str) -> list[str]:
    """Return the ids as a list; one text is the id of one."""
    wanted = [ids] if isinstance(ids, str) else list(ids)
    if not all(isinstance(session_id, str) for session_id in wanted):
        raise TypeError("ids must be the id of a session or several of them, as text.")
    return wanted


def object_of(answer: Answer) -> dict[str, Any]:
    """Return what the answer holds if it is a JSON object."""
    found = answer.json()
    if not isinstance(found, dict):
        answer.give_up("An object was expected.")
    return found


def array_of(answer: Answer) -> list[Any]:
    """Return what the answer holds if it is a JSON list."""
    found = answer.json()
    if not isinstance(found, list):
        answer.give_up("A list was expected.")
    return found
