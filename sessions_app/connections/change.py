"""Renew and destroy, which can be taken back for a moment before it is sent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from sessions_app.client import Outcome, errors
from sessions_app.connections.carrying import Form, Work, begin
from sessions_app.connections.connection import Connection
from sessions_app.connections.refusals import said, words
from sessions_app.connections.rows import SENT_ALREADY
from sessions_app.connections.steps import (
    mark_all_sent,
    may_have_arrived,
    new_steps,
    refuse,
    selection,
    settle,
    steps_of,
)
from sessions_app.models import Operation, Record
from sessions_app.models.journal import StepState, Verb

logger = logging.getLogger(__name__)


# So many seconds a renewal waits for a list with the new end.
NEW_END_PATIENCE = 5.0
# A destroyed session may linger in the list; it is looked for this long.
VANISH_TIME = 10.0
# Who wants to look at sessions before they are destroyed, and how long a destroy waits for that, in seconds.
before_destroy: list[Callable[[Connection, Sequence[Record]], Awaitable[None]]] = []
LAST_LOOK = 5.0
# The operations that wait for somebody to take them back.
_held: dict[int, asyncio.Event] = {}


async def renew(
    connection: Connection, records: Sequence[Record], form_key: str, content: Any = None
) -> Operation:
    """Ask the platform to let these sessions live longer."""

    def work(operation: Operation) -> Work:
        return _run_renew(connection, operation, records)

    begun = Form(Verb.RENEW, form_key, selection(records) if content is None else content)
    return await begin(connection, begun, {}, new_steps(records), work)


async def destroy(
    connection: Connection,
    records: Sequence[Record],
    form_key: str,
    content: Any = None,
    *,
    hold: float = 0.0,
) -> Operation:
    """End these sessions; for ``hold`` seconds nothing is sent and ``undo`` takes it back."""

    def work(operation: Operation) -> Work:
        if hold:
            _held[operation.pk] = asyncio.Event()
        for record in records:
            connection.listing.leave(record, operation.slug if hold else SENT_ALREADY)
        return _run_destroy(connection, operation, records, hold)

    begun = Form(Verb.DESTROY, form_key, selection(records) if content is None else content)
    return await begin(connection, begun, {}, new_steps(records), work)


def undo(operation: Operation) -> bool:
    """Take a destroy back; answers whether it was in time."""
    taken_back = _held.get(operation.pk)
    if taken_back is not None:
        taken_back.set()
    return taken_back is not None


def is_held(operation: Operation) -> bool:
    """Say whether nothing of an operation was sent yet and it can be taken back."""
    return operation.pk in _held


async def _run_renew(connection: Connection, operation: Operation, records: Sequence[Record]) -> None:
    steps = await mark_all_sent(operation)
    ids = [connection.id_of(record) for record in records]
    before = {row.slug: row.expires for row in connection.listing.rows()}
    outcomes = connection.without_ids(await connection.session.outcomes.renew(ids))
    connection.expire_rows()
    reading = await connection.rows(patience=NEW_END_PATIENCE)
    after = {row.slug: row.expires for row in reading.value or ()} if reading.current else {}
    for step, record, session_id, outcome in zip(steps, records, ids, outcomes, strict=True):
        then, now = before.get(record.slug), after.get(record.slug)
        if outcome.error is None:
            await settle(step, StepState.DONE, _renewed(then, now))
        elif not may_have_arrived(outcome.error):
            await refuse(step, outcome.error, session_id)
        elif then is not None and now is not None and now > then:
            # Its answer was lost or a failure, but the list shows that it worked.
            await settle(step, StepState.DONE, _renewed(then, now))
        else:
            step.detail = words(outcome.error, session_id)
            await settle(step, StepState.FAILED, _perhaps_renewed(now))


def _renewed(before: datetime | None, after: datetime | None) -> str:
    """Say what the platform made of it: its answer is the same whether or not the end moved."""
    if after is None:
        return "Renewed. The new end is not known yet."
    end = f"{after:%Y-%m-%d %H:%M} UTC"
    if before is not None and after <= before:
        return f"The platform kept the end at {end}: it is already as late as a renewal would make it."
    return f"Renewed: it now ends at {end}."


def _perhaps_renewed(now: datetime | None) -> str:
    """Say what is known of a renewal to which the platform gave no clear answer."""
    if now is None:
        return "The platform gave no clear answer, and the end is not known yet. Look at it before you try again."
    return (
        f"The platform gave no clear answer, and the end is as before: {now:%Y-%m-%d %H:%M} UTC. Try again."
    )


async def _run_destroy(
    connection: Connection, operation: Operation, records: Sequence[Record], hold: float
) -> None:
    try:
        if hold and await _taken_back(operation, hold):
            for step in await steps_of(operation):
                await settle(step, StepState.UNDONE, "It was taken back before anything was sent.")
            return
        for record in records:
            connection.listing.leave(record, SENT_ALREADY)
        await _destroy_now(connection, operation, records)
    finally:
        _held.pop(operation.pk, None)
        for record in records:
            connection.listing.leave(record, "")


async def _taken_back(operation: Operation, hold: float) -> bool:
    """Wait for the time in which a destroy can be taken back; answer whether it was."""
    event = _held[operation.pk]
    try:
        await asyncio.wait_for(event.wait(), hold)
    except TimeoutError:
        pass
    finally:
        del _held[operation.pk]
    return event.is_set()


async def _destroy_now(connection: Connection, operation: Operation, records: Sequence[Record]) -> None:
    await _look_before(connection, records)
    steps = await mark_all_sent(operation)
    ids = [connection.id_of(record) for record in records]
    outcomes = connection.without_ids(await connection.session.outcomes.destroy(ids))
    refused = {outcome.item: outcome.error for outcome in outcomes if _was_refused(outcome)}
    unclear = {outcome.item: outcome.error for outcome in outcomes if outcome.error is not None}
    left = await _still_there(connection, [session_id for session_id in ids if session_id not in refused])
    kept = refused.keys() | left.keys()
    gone = [record for record, session_id in zip(records, ids, strict=True) if session_id not in kept]
    connection.listing.dismiss(gone)
    for step, session_id in zip(steps, ids, strict=True):
        if session_id in refused:
            await refuse(step, refused[session_id], session_id)
        elif session_id in left and session_id in unclear:
            await refuse(step, unclear[session_id], session_id)
        elif session_id in left:
            await settle(step, StepState.FAILED, left[session_id])
        else:
            await settle(step, StepState.DONE, "Destroyed.")
    connection.expire_rows()


async def _look_before(connection: Connection, records: Sequence[Record]) -> None:
    """Let what a destroy takes away be looked at; whatever comes of that, the destroy goes on in time."""
    for look in before_destroy:
        try:
            await asyncio.wait_for(look(connection, records), LAST_LOOK)
        except TimeoutError:
            logger.info("The last look before a destroy took too long.")
        except Exception:
            logger.exception("The last look before a destroy failed.")


def _was_refused(outcome: Outcome[Any]) -> bool:
    """Say whether a deletion surely did nothing; one whose answer was lost is looked at like one that worked."""
    if outcome.error is None or isinstance(outcome.error, errors.NotFoundError):
        return False
    return not may_have_arrived(outcome.error)


async def _still_there(connection: Connection, ids: list[str]) -> dict[str, str]:
    """Return which sessions outlived their deletion and what to say: the platform answers 200 whatever it did."""
    end = time.monotonic() + VANISH_TIME
    while True:
        looks = connection.without_ids(await connection.session.outcomes.info(ids))
        left = {
            session_id: _why_left(look)
            for session_id, look in zip(ids, looks, strict=True)
            if not isinstance(look.error, errors.NotFoundError) and not _ending(look)
        }
        if not left or time.monotonic() > end:
            return left
        ids = list(left)
        await asyncio.sleep(0.5)


def _ending(look: Outcome[dict[str, Any]]) -> bool:
    return look.error is None and str((look.value or {}).get("status", "")).startswith("Terminating")


def _why_left(look: Outcome[dict[str, Any]]) -> str:
    if look.error is not None:
        return f"The platform took the request, but whether the session is gone cannot be seen. {said(look.error)}"
    return "The platform took the request, but still lists the session. Try again in a moment."
