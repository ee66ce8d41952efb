"""Launch: sent once, and what was answered for each session that it makes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from sessions_app.client import Outcome
from sessions_app.client.creation import Kind
from sessions_app.connections.carrying import Form, Work, begin
from sessions_app.connections.commands import Travelling, travelling, words_of
from sessions_app.connections.connection import Connection
from sessions_app.connections.search import search_for
from sessions_app.connections.steps import mark_sent, may_have_arrived, refuse, settle
from sessions_app.models import Operation, Record, Step
from sessions_app.models.journal import StepState, Verb


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


async def _run_launch(connection: Connection, operation: Operation, request: LaunchRequest) -> None:
    steps = await mark_sent(operation)
    sent = request.sent
    outcomes: list[Outcome[str]] = await connection.session.outcomes.create(
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
    )
    for step, outcome in zip(steps, outcomes, strict=True):
        await _settle_launch(connection, step, outcome, request)
    connection.expire_rows()
    lost = [step for step in steps if step.state == StepState.UNSURE]
    if lost:
        await search_for(connection, lost)


async def _settle_launch(
    connection: Connection, step: Step, outcome: Outcome[str], request: LaunchRequest
) -> None:
    if outcome.error is None:
        step.record = await _record_of(connection, str(outcome.value), step.name, request)
        connection.listing.expect(step.record, step.operation.slug if request.replicas > 1 else "")
        await settle(step, StepState.DONE, "Launched.")
    elif may_have_arrived(outcome.error):
        await settle(step, StepState.UNSURE, "The answer was lost. Looking for the session on the platform.")
    else:
        await refuse(step, outcome.error, "")


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
            "name": name.lower()[:63],
            "kind": request.kind,
            "image": request.image[:300],
            "state": "pending",
            "states": [["pending", now.isoformat()]],
        },
    )
    return record
