"""The steps of an operation: read, marked as sent, and settled by what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sessions_app.client import errors
from sessions_app.connections.refusals import raw, said
from sessions_app.models import Operation, Record, Step
from sessions_app.models.journal import SETTLED, StepState


async def steps_of(operation: Operation) -> list[Step]:
    """Return the operation's steps with their records, in order."""
    return [step async for step in operation.steps.select_related("record", "operation")]


def selection(records: Sequence[Record]) -> list[str]:
    return sorted(record.slug for record in records)


def new_steps(records: Sequence[Record]) -> list[Step]:
    return [Step(position=place, name=record.name, record=record) for place, record in enumerate(records)]


async def mark_sent(operation: Operation) -> list[Step]:
    await operation.steps.aupdate(state=StepState.SENT, sent=datetime.now(UTC))
    return await steps_of(operation)


async def settle(step: Step, state: StepState, message: str) -> None:
    step.state, step.message = state, message[:700]
    step.settled = datetime.now(UTC) if state in SETTLED else None
    await step.asave(update_fields=["state", "message", "detail", "settled", "record"])


async def settle_open(operation: Operation, message: str) -> None:
    for step in await steps_of(operation):
        if step.state not in SETTLED:
            await settle(step, StepState.FAILED, message)


async def refuse(step: Step, error: Exception | None, session_id: str) -> None:
    """Settle a step that the platform refused: in our words, with its own kept beside them."""
    step.detail = raw(error, session_id)
    await settle(step, StepState.FAILED, said(error))


def may_have_arrived(error: errors.PlatformError) -> bool:
    """Say whether the platform may have acted although its answer was lost."""
    return bool(getattr(error, "sent", False)) and isinstance(
        error, errors.PlatformUnreachableError | errors.TooSlowError | errors.NotUnderstoodError
    )
