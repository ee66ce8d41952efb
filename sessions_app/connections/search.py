"""Launches whose answer was lost: looked for on the platform by name until that settles them.

They are never sent again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum

from asgiref.sync import sync_to_async
from django.db import transaction

from sessions_app.client import errors
from sessions_app.connections.connection import Connection
from sessions_app.connections.steps import settle
from sessions_app.models import Person, Record, Step
from sessions_app.models.journal import StepState, Verb

# What is said of a launch that is looked for, where nothing was answered and where it was a failure.
LOST = "The answer was lost. Looking for the session on the platform."
FAILED_ALOUD = "The platform failed at it, but may have made the session. Looking for it on the platform."
# A lost launch is looked for this long, and this often, in seconds.
SEARCH_TIME = 30.0
SEARCH_INTERVAL = 2.0
# Where the platform answered, but with a failure of its own, it is looked for this long.
APPEARING_TIME = 5.0
# A launch that waits for its answer longer than this does so no more: its portal was stopped.
LONGEST_LAUNCH = timedelta(minutes=2)
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
            looked_for = time.monotonic() - looked_since
            missing = [step for step in missing if not await _settled(connection.person, step, looked_for)]
        elif isinstance(reading.error, errors.NotSignedInError):
            return  # Taken up again at the next sign-in.
        else:
            looked_since = max(looked_since, time.monotonic() - SEARCH_TIME / 2)
        if missing:
            await asyncio.sleep(SEARCH_INTERVAL)


async def _settled(person: Person, step: Step, looked_for: float) -> bool:
    """Settle a launch by a list that was read just now, if it can be."""
    match await claim(person, step):
        case Claim.FOUND:
            return True
        case Claim.RIVALLED:
            return False
    # What failed aloud is in the list by now, or never will be.
    failed_aloud = bool(step.detail)
    if looked_for <= (APPEARING_TIME if failed_aloud else SEARCH_TIME):
        return False
    said = (
        "failed at it, and has no such session" if failed_aloud else "has no such session: it never arrived"
    )
    await settle(step, StepState.FAILED, f"The platform {said}. Launch it again.")
    return True


class Claim(Enum):
    """What a look for a launch's session among the listed ones comes to."""

    FOUND = "found"
    ABSENT = "absent"
    # It may be another launch's of that name, which is under way.
    RIVALLED = "rivalled"


@sync_to_async
@transaction.atomic
def claim(person: Person, step: Step) -> Claim:
    """Take the session that the step's launch made for the step's, if it is listed; it is then nobody else's."""
    # Two who look at the same time must not find the same session.
    Person.objects.select_for_update().get(pk=person.pk)
    found = next(_candidates(person, step), None)
    if found is None:
        return Claim.ABSENT
    if _has_rival(person, step):
        return Claim.RIVALLED
    step.record, step.state = found, StepState.DONE
    step.message = "Launched. Its answer had been lost; it was found on the platform."
    step.detail, step.settled = "", datetime.now(UTC)
    step.save(update_fields=["record", "state", "message", "detail", "settled"])
    return Claim.FOUND


def _candidates(person: Person, step: Step) -> Iterator[Record]:
    """Yield the sessions that the step's launch may have made, the likeliest first."""
    since = (step.sent or datetime.now(UTC)) - CLOCK_SLACK
    listed = Record.objects.filter(
        owner=person,
        name=listed_name(step),
        kind=step.operation.request.get("kind", ""),
        seen__gte=step.sent,
        gone=None,
    )
    # A session belongs to one launch at most; that it was renewed meanwhile says nothing.
    for record in listed.exclude(steps__operation__verb=Verb.LAUNCH).order_by("seen"):
        if record.started is None or record.started >= since:
            yield record


def _has_rival(person: Person, step: Step) -> bool:
    """Say whether another launch of that name waits for its answer, which may be the one that made the session."""
    since = datetime.now(UTC) - LONGEST_LAUNCH
    waiting = Step.objects.filter(
        operation__person=person, operation__verb=Verb.LAUNCH, state=StepState.SENT, sent__gte=since
    )
    others = waiting.exclude(pk=step.pk).select_related("operation")
    return any(listed_name(other) == listed_name(step) for other in others)


def listed_name(step: Step) -> str:
    """Return how the platform lists what was launched under the step's name."""
    return step.name.lower()[:63].rstrip("-")
