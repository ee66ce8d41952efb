"""What an earlier process of the portal left open is settled."""

from __future__ import annotations

from sessions_app.connections import tasks
from sessions_app.connections.carrying import under_way
from sessions_app.connections.connection import Connection
from sessions_app.connections.search import LOST, search_for
from sessions_app.connections.steps import settle
from sessions_app.models import Step
from sessions_app.models.journal import SETTLED, StepState, Verb


async def resume(connection: Connection) -> None:
    """Settle what nobody works on any more: an earlier process was killed, or a search lost its credential."""
    mine = Step.objects.filter(operation__person=connection.person).exclude(operation__in=under_way)
    left = mine.exclude(state__in=SETTLED)
    steps = [step async for step in left.select_related("operation", "record")]
    never_sent = [step for step in steps if step.state == StepState.MEANT]
    sent = [step for step in steps if step.state != StepState.MEANT]
    launches = [step for step in sent if step.operation.verb == Verb.LAUNCH]
    others = [step for step in sent if step.operation.verb != Verb.LAUNCH]
    for step in never_sent:
        await settle(
            step, StepState.FAILED, "The portal stopped before this was sent. Nothing happened; try again."
        )
    connection.never_sent += [step for step in never_sent if step.operation.verb == Verb.DESTROY]
    for step in others:
        await settle(
            step,
            StepState.FAILED,
            "The portal stopped while this was under way. See its state and try again.",
        )
    for step in launches:
        # Nobody waits for an answer any more.
        await settle(step, StepState.UNSURE, step.message or LOST)
    if launches:
        tasks.start(_search_under_way(connection, launches), name="search")


async def _search_under_way(connection: Connection, steps: list[Step]) -> None:
    operations = {step.operation_id for step in steps}
    under_way.update(operations)
    try:
        await search_for(connection, steps)
    finally:
        under_way.difference_update(operations)
