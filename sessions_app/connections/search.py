"""Launches whose answer was lost: looked for on the platform by name until that settles them.

They are never sent again.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from sessions_app.client import errors
from sessions_app.connections.connection import Connection
from sessions_app.connections.steps import settle
from sessions_app.models import Record, Step
from sessions_app.models.journal import StepState, Verb

# A lost launch is looked for this long, and this often, in seconds.
SEARCH_TIME = 30.0
SEARCH_INTERVAL = 2.0
# The two clocks may differ by this much when a launch is recognised by its start.
CLOCK_SLACK = timedelta(minutes=5)


async def search_for(connection: Connection, steps: list[Step]) -> None:
    connection.searching.update({step.pk: step.name for step in steps})
    try:
        await _search_until_settled(connection, steps)
    finally:
        for step in steps:
            connection.searching.pop(step.pk, None)


async def _search_until_settled(connection: Connection, steps: list[Step]) -> None:
    """Look for launches whose answer was lost, until each is found or the platform surely has it not."""
    missing = list(steps)
    looked_since = time.monotonic()
    while missing:
        connection.expire_rows()
        reading = await connection.rows(patience=15.0)
        if reading.current:
            missing = [step for step in missing if not await _found(connection, step)]
            if time.monotonic() - looked_since > SEARCH_TIME:
                break
        elif isinstance(reading.error, errors.NotSignedInError):
            return  # Taken up again at the next sign-in.
        else:
            looked_since = max(looked_since, time.monotonic() - SEARCH_TIME / 2)
        if missing:
            await asyncio.sleep(SEARCH_INTERVAL)
    for step in missing:
        await settle(
            step, StepState.FAILED, "The platform has no such session: it never arrived. Launch it again."
        )


async def _found(connection: Connection, step: Step) -> bool:
    wanted = step.name.lower()[:63].rstrip("-")
    since = (step.sent or datetime.now(UTC)) - CLOCK_SLACK
    candidates = Record.objects.filter(
        owner=connection.person,
        name=wanted,
        kind=step.operation.request.get("kind", ""),
        seen__gte=step.sent,
        gone=None,
    )
    # A session belongs to one launch at most; that it was renewed meanwhile says nothing.
    async for record in candidates.exclude(steps__operation__verb=Verb.LAUNCH).order_by("seen"):
        if record.started is None or record.started >= since:
            step.record = record
            await settle(
                step, StepState.DONE, "Launched. Its answer had been lost; it was found on the platform."
            )
            return True
    return False
