"""What became of a renewal, a destroy or a launch of many, in a line: a dialog is only for failures among several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sessions_app import access
from sessions_app.connections import writes
from sessions_app.guarding import PortalRequest
from sessions_app.models import Operation, Step
from sessions_app.models.journal import SETTLED, StepState, Verb

# How long an address that names an operation shows its notice.
SHOWN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Notice:
    """One line about one operation."""

    operation: str
    words: str
    # Whether it can still be taken back, and whether more is to come.
    can_undo: bool = False
    is_open: bool = False
    failed: bool = False
    # The sessions' page that it leads to, and the session's name; for one session.
    slug: str = ""
    name: str = ""
    detail: str = ""
    # How many did not work, where there are several; and whether what became of each is worth a look.
    failures: int = 0
    has_outcomes: bool = False


async def asked_notice(request: PortalRequest) -> Notice | None:
    """Return the notice that the address names, for who came here by a form without scripts; an old one is none."""
    slug = request.GET.get("notice", "")[:24]
    if not slug:
        return None
    try:
        operation = await access.operation_for(request.person, slug)
    except access.NotThereError:
        return None
    notice = notice_of(operation, await writes.steps_of(operation), held=writes.is_held(operation))
    return notice if notice.is_open or datetime.now(UTC) - operation.opened <= SHOWN else None


def notice_of(operation: Operation, steps: Sequence[Step], *, held: bool) -> Notice:
    """Say in one line how far an operation is."""
    return _of_one(operation, steps[0], held) if len(steps) == 1 else _of_many(operation, steps)


def _of_one(operation: Operation, step: Step, held: bool) -> Notice:
    return Notice(
        operation=operation.slug,
        words=_words_of_one(operation, step, held),
        can_undo=held,
        is_open=step.state not in SETTLED,
        failed=step.state == StepState.FAILED,
        slug=step.record.slug if step.record else "",
        name=step.name,
        detail=step.detail,
    )


def _words_of_one(operation: Operation, step: Step, held: bool) -> str:
    is_destroy = operation.verb == Verb.DESTROY
    if step.state == StepState.UNDONE:
        return "was not destroyed: you took it back in time."
    if step.state == StepState.FAILED:
        return f"was not {'destroyed' if is_destroy else 'renewed'}. {step.message}"
    if step.state == StepState.DONE:
        return "was destroyed. Its log and timeline are kept." if is_destroy else _renewed(step.message)
    if held:
        return "is destroyed in a few seconds."
    return "is being destroyed." if is_destroy else "is being renewed."


def _renewed(message: str) -> str:
    said = message.removeprefix("Renewed")
    return f"ends as before. {message}" if said == message else f"was renewed{said}"


def _of_many(operation: Operation, steps: Sequence[Step]) -> Notice:
    done = sum(step.state == StepState.DONE for step in steps)
    failures = sum(step.state == StepState.FAILED for step in steps)
    is_open = done + failures < len(steps)
    did = {Verb.LAUNCH: "launched", Verb.RENEW: "renewed", Verb.DESTROY: "destroyed"}[Verb(operation.verb)]
    if is_open:
        words = f"{done} of {len(steps)} sessions {did} so far."
    elif failures:
        words = f"{failures} of {len(steps)} sessions could not be {did}."
    else:
        words = f"{done} sessions were {did}."
    return Notice(
        operation.slug,
        words,
        is_open=is_open,
        failed=bool(failures),
        failures=failures,
        has_outcomes=bool(failures) or (is_open and operation.verb == Verb.LAUNCH),
    )
