"""Launch: sent once, and what was answered for each session that it makes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction

from sessions_app.client import Outcome, errors
from sessions_app.client.creation import Kind
from sessions_app.connections import tasks
from sessions_app.connections.carrying import Form, Work, begin, carry_through, under_way
from sessions_app.connections.commands import Travelling, travelling, words_of
from sessions_app.connections.connection import Connection
from sessions_app.connections.refusals import words
from sessions_app.connections.search import FAILED_ALOUD, LOST, Claim, claim, search_for
from sessions_app.connections.steps import doubt, mark_sent, may_have_arrived, refuse, settle, steps_of
from sessions_app.models import Operation, Record, Step
from sessions_app.models.journal import SETTLED, StepState, Verb

# So many launches of one operation are in flight at a time.
AT_ONCE = 8
# The ids of sessions are this long on every platform (skaha-contract.md, 4.6); less is an answer that was cut.
ID_LENGTH = 8
# Launches whose values of variables are remembered, so that what failed of them can be launched again.
MOST_REMEMBERED = 200
_requests: OrderedDict[int, LaunchRequest] = OrderedDict()


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What is to be launched. RAM is in GiB, as the platform takes it.

    ``cmd`` is a command line as a shell user writes it, ``args`` what follows it or goes to the image's own command,
    and ``script`` stands in place of both; what of it is sent, and how, `sent` says.
    """

    name: str
    image: str
    kind: str
    cores: int | None = None
    ram: int | None = None
    gpu: int | None = None
    cmd: str | None = None
    args: str | None = None
    script: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    replicas: int = 1
    # Whether this platform passes variables on whatever their values are.
    passes_values_whole: bool = False

    @property
    def names(self) -> list[str]:
        """The name of each session that it makes; the platform's client numbers them from 1."""
        if self.replicas == 1:
            return [self.name]
        return [f"{self.name}-{number}" for number in range(1, self.replicas + 1)]

    @property
    def words(self) -> list[str]:
        """The words of the command."""
        return words_of(self.cmd or "", self.args or "")

    @property
    def sent(self) -> Travelling:
        """What travels to the platform for what it runs."""
        if not self.cmd and not self.script:
            return Travelling(args=self.args, env=self.env)
        return travelling(
            self.words, self.script or "", self.env, passes_values_whole=self.passes_values_whole
        )

    def as_json(self) -> dict[str, Any]:
        """Return what the journal keeps."""
        kept = ("name", "image", "kind", "cores", "ram", "gpu", "cmd", "args", "script", "replicas")
        # Values of variables may be secrets, so their names alone are written down.
        return {slot: getattr(self, slot) for slot in kept} | {"env": sorted(self.env)}


async def launch(
    connection: Connection, request: LaunchRequest, form_key: str, content: Any = None
) -> Operation:
    """Launch once for this form key; a repeated form finds its first operation.

    ``content`` is what tells this form from another with the same key, which is a ``KeyTakenError``; the request if
    it is not given. So it is with what the other writes take.
    """
    steps = [Step(position=place, name=name) for place, name in enumerate(request.names)]

    def work(operation: Operation) -> Work:
        return _run_launch(connection, operation, request)

    begun = Form(Verb.LAUNCH, form_key, asdict(request) if content is None else content)
    return await begin(connection, begun, request.as_json(), steps, work)


async def launch_again(connection: Connection, operation: Operation) -> bool:
    """Launch what failed of a launch once more, under the same names; answer whether there was anything to do.

    A second press finds nothing that failed. Raises ``ValuesNotKeptError`` where values of variables would be missing.
    """
    request = _request_of(operation)
    if operation.pk in under_way or not await _mean_again(operation):
        return False
    work = _run_again(connection, operation, request)
    tasks.start(carry_through(connection, operation, work), name="launch again")
    return True


class ValuesNotKeptError(Exception):
    """The launch took values of variables, which are not written down, and this process does not know them."""


@sync_to_async
@transaction.atomic
def _mean_again(operation: Operation) -> int:
    steps = Step.objects.filter(operation=operation)
    if operation.verb != Verb.LAUNCH or steps.exclude(state__in=SETTLED).exists():
        return 0
    # When it was sent before stays there until it is sent anew: it may turn out to have arrived after all.
    return steps.filter(state=StepState.FAILED).update(
        state=StepState.MEANT, message="", detail="", settled=None
    )


def _remember(operation: Operation, request: LaunchRequest) -> None:
    _requests[operation.pk] = request
    while len(_requests) > MOST_REMEMBERED:
        _requests.popitem(last=False)


def _request_of(operation: Operation) -> LaunchRequest:
    """Return what was asked for: as this process remembers it, else as it is written down."""
    if operation.pk in _requests:
        return _requests[operation.pk]
    asked = dict(operation.request)
    if asked.pop("env", None):
        raise ValuesNotKeptError
    return LaunchRequest(**asked, passes_values_whole=settings.PLATFORM_IS_LOCAL)


async def _run_launch(connection: Connection, operation: Operation, request: LaunchRequest) -> None:
    _remember(operation, request)
    await _launch_all(connection, await steps_of(operation), request)


async def _run_again(connection: Connection, operation: Operation, request: LaunchRequest) -> None:
    """Launch what is meant to be launched again, but for what turns out to have arrived the first time."""
    meant = [step for step in await steps_of(operation) if step.state == StepState.MEANT]
    connection.expire_rows()
    reading = await connection.rows(patience=15.0)
    if not reading.current:
        raise reading.error or errors.TooSlowError
    looks = [await claim(connection.person, step) if step.sent else Claim.ABSENT for step in meant]
    left = [step for step, look in zip(meant, looks, strict=True) if look == Claim.ABSENT]
    await _launch_all(connection, left, request)


async def _launch_all(connection: Connection, steps: list[Step], request: LaunchRequest) -> None:
    """Launch these, some at a time; each is settled as soon as it is answered."""
    waiting = iter(steps)

    async def work() -> None:
        for step in waiting:
            await _launch_one(connection, step, request)

    # One that breaks off takes no other with it: those are on the wire.
    ends = await asyncio.gather(*(work() for _ in range(AT_ONCE)), return_exceptions=True)
    connection.expire_rows()
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    lost = [step for step in steps if step.state == StepState.UNSURE]
    if lost:
        await search_for(connection, lost)


async def _launch_one(connection: Connection, step: Step, request: LaunchRequest) -> None:
    sent = request.sent
    await mark_sent(step)
    outcomes = await connection.session.outcomes.create(
        name=request.name,
        image=request.image,
        cores=request.cores,
        ram=request.ram,
        kind=cast(Kind, request.kind),
        gpu=request.gpu,
        cmd=sent.cmd,
        args=sent.args,
        env=dict(sent.env) or None,
        replicas=request.replicas,
        only=[step.position + 1],
    )
    [outcome] = connection.without_ids(outcomes)
    await _settle_launch(connection, step, outcome, request)


async def _settle_launch(
    connection: Connection, step: Step, outcome: Outcome[str], request: LaunchRequest
) -> None:
    if outcome.error is not None and not may_have_arrived(outcome.error):
        await refuse(step, outcome.error, "")
    elif outcome.error is not None:
        failed_aloud = bool(words(outcome.error))
        await doubt(step, outcome.error, FAILED_ALOUD if failed_aloud else LOST)
    elif len(str(outcome.value)) != ID_LENGTH:
        # The beginning of an id would lead nowhere.
        await doubt(step, None, LOST)
    else:
        step.record = await _record_of(connection, str(outcome.value), step.name, request)
        connection.listing.expect(step.record, step.operation.slug if request.replicas > 1 else "")
        await settle(step, StepState.DONE, "Launched.")


async def _record_of(connection: Connection, session_id: str, name: str, request: LaunchRequest) -> Record:
    """Return the new session's record, so that its page is there at once, before the next list."""
    draft = Record.objects.draft(connection.person, session_id)
    now = datetime.now(UTC)
    record, _ = await Record.objects.aget_or_create(
        owner=connection.person,
        id_fingerprint=draft.id_fingerprint,
        defaults={
            "slug": draft.slug,
            "platform": draft.platform,
            "id_sealed": draft.id_sealed,
            "name": connection.redactor.hide(name.lower())[:63],
            "kind": request.kind,
            "image": connection.redactor.hide(request.image)[:300],
            "state": "pending",
            "states": [["pending", now.isoformat()]],
        },
    )
    return record
