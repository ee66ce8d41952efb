"""The steps of an operation: read, marked as sent, and settled by what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sessions_app.client import errors
from sessions_app.connections.refusals import raw, said, words
from sessions_app.models import Operation, Record, Step
from sessions_app.models.journal import SETTLED, StepState

# A server that answers so gave up in the middle.
REQUEST_TIMEOUT = 408


async def steps_of(operation: Operation) -> list[Step]:
    """Return the operation's steps with their records, in order."""
    return [step async for step in operation.steps.select_related("record", "operation")]


def selection(records: Sequence[Record]) -> list[str]:
    return sorted(record.slug for record in records)


def new_steps(records: Sequence[Record]) -> list[Step]:
    return [Step(position=place, name=record.name, record=record) for place, record in enumerate(records)]


async def mark_all_sent(operation: Operation) -> list[Step]:
    """Note that the operation's requests leave now."""
    await operation.steps.aupdate(state=StepState.SENT, sent=datetime.now(UTC))
    return await steps_of(operation)


async def mark_sent(step: Step) -> None:
    """Note that the step's request leaves now."""
    step.state, step.sent = StepState.SENT, datetime.now(UTC)
    await step.asave(update_fields=["state", "sent"])


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


async def doubt(step: Step, error: Exception | None, message: str) -> None:
    """Leave a step unsure: the platform may have acted. What it said meanwhile, if anything, is kept beside it."""
    step.detail = words(error)
    await settle(step, StepState.UNSURE, message)


def may_have_arrived(error: errors.PlatformError) -> bool:
    """Say whether the platform may have acted although it did not say so: only a clear refusal says that it did not.

    A server in trouble may have made the session before it failed, or a proxy may have lost the answer.
    """
    status = getattr(error, "status", None)
    refused = status is not None and 300 <= status < 500 and status != REQUEST_TIMEOUT
    return bool(getattr(error, "sent", False)) and not refused
