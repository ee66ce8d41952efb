"""An operation is written down, then carried through whatever becomes of the browser that asked for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db import transaction

from sessions_app.client import errors
from sessions_app.connections import tasks
from sessions_app.connections.connection import Connection
from sessions_app.connections.refusals import said
from sessions_app.connections.search import LOST, search_for
from sessions_app.connections.steps import settle, settle_open, steps_of
from sessions_app.models import Operation, Step
from sessions_app.models.journal import SETTLED, KeyTakenError, StepState, Verb

logger = logging.getLogger(__name__)
Work = Coroutine[Any, Any, None]


# The operations that a task of this process works on.
under_way: set[int] = set()


@dataclass(frozen=True, slots=True)
class Form:
    """What a form begins: the verb, its key, and all that it asks for."""

    verb: Verb
    form_key: str
    content: Any


async def begin(
    connection: Connection,
    form: Form,
    request: dict[str, Any],
    steps: list[Step],
    work: Callable[[Operation], Work],
) -> Operation:
    """Write an operation down and start its work; a browser that goes away in between stops neither."""

    # What a person typed may name a session by its id, too.
    request = connection.redactor.hide_in(request)
    for step in steps:
        step.name = connection.redactor.hide(step.name)[:80]

    @sync_to_async
    @transaction.atomic
    def opened() -> tuple[Operation, bool]:
        return Operation.objects.open_once(
            connection.person, form.verb, form.form_key, request, steps, form.content
        )

    async def begun() -> Operation | KeyTakenError:
        try:
            operation, is_new = await opened()
        except KeyTakenError as taken:
            # For whoever asks, not for the log of background work.
            return taken
        if is_new:
            tasks.start(carry_through(connection, operation, work(operation)), name=form.verb.value)
        return operation

    answer = await asyncio.shield(tasks.start(begun(), name=f"begin {form.verb.value}"))
    if isinstance(answer, KeyTakenError):
        raise answer
    return cast(Operation, answer)


async def wait(operation: Operation, patience: float) -> list[Step]:
    """Return the operation's steps once all are settled, or as they are after ``patience`` seconds."""
    end = time.monotonic() + patience
    while True:
        steps = await steps_of(operation)
        if all(step.state in SETTLED for step in steps) or time.monotonic() > end:
            return steps
        await asyncio.sleep(0.1)


async def carry_through(connection: Connection, operation: Operation, work: Work) -> None:
    """Run the work; should it break off, settle every step that is still open by what can be known."""
    under_way.add(operation.pk)
    try:
        await work
    except (ValueError, errors.PlatformError) as error:
        await settle_open(operation, connection.redactor.hide(said(error)))
    except Exception:
        logger.exception("Operation %s broke off.", operation.slug)
        if operation.verb == Verb.LAUNCH:
            sent = {StepState.SENT, StepState.UNSURE}
            lost = [step for step in await steps_of(operation) if step.state in sent]
            for step in lost:
                await settle(step, StepState.UNSURE, LOST)
            await search_for(connection, lost)
        await settle_open(
            operation, "The portal made a mistake here. See the session's state before you try again."
        )
    finally:
        under_way.discard(operation.pk)
