"""Launch, renew and destroy: written down before they are sent, and carried through whatever becomes of the browser.

Each button press is an operation of the journal. Its steps are marked as sent before their requests leave, so that a
portal that is killed midway knows afterwards what may have reached the platform. A launch whose answer was lost is
never sent again: the platform's list is searched for it by name until that settles it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db import transaction

from sessions_app.client import Outcome, errors
from sessions_app.client.creation import Kind
from sessions_app.connections import tasks
from sessions_app.connections.commands import Travelling, travelling, words_of
from sessions_app.connections.connection import Connection
from sessions_app.connections.refusals import raw, said
from sessions_app.connections.rows import SENT_ALREADY
from sessions_app.models import Operation, Record, Step
from sessions_app.models.journal import SETTLED, KeyTakenError, StepState, Verb

logger = logging.getLogger(__name__)
Work = Coroutine[Any, Any, None]

# A lost launch is looked for this long, and this often, in seconds.
SEARCH_TIME = 30.0
SEARCH_INTERVAL = 2.0
# A destroyed session may linger in the list; it is looked for this long.
VANISH_TIME = 10.0
# The two clocks may differ by this much when a launch is recognised by its start.
CLOCK_SLACK = timedelta(minutes=5)
# Who wants to look at sessions before they are destroyed, and how long a destroy waits for that, in seconds.
before_destroy: list[Callable[[Connection, Sequence[Record]], Awaitable[None]]] = []
LAST_LOOK = 5.0
# The operations that a task of this process works on.
_under_way: set[int] = set()
# Those of them that wait for somebody to take them back.
_held: dict[int, asyncio.Event] = {}


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

    begun = _Begun(Verb.LAUNCH, form_key, asdict(request) if content is None else content)
    return await _begin(connection, begun, request.as_json(), steps, work)


async def renew(
    connection: Connection, records: Sequence[Record], form_key: str, content: Any = None
) -> Operation:
    """Ask the platform to let these sessions live longer."""

    def work(operation: Operation) -> Work:
        return _run_renew(connection, operation, records)

    begun = _Begun(Verb.RENEW, form_key, _selection(records) if content is None else content)
    return await _begin(connection, begun, {}, _steps_of(records), work)


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

    begun = _Begun(Verb.DESTROY, form_key, _selection(records) if content is None else content)
    return await _begin(connection, begun, {}, _steps_of(records), work)


def undo(operation: Operation) -> bool:
    """Take a destroy back; answers whether it was in time."""
    taken_back = _held.get(operation.pk)
    if taken_back is not None:
        taken_back.set()
    return taken_back is not None


def is_held(operation: Operation) -> bool:
    """Say whether nothing of an operation was sent yet and it can be taken back."""
    return operation.pk in _held


async def wait(operation: Operation, patience: float) -> list[Step]:
    """Return the operation's steps once all are settled, or as they are after ``patience`` seconds."""
    end = time.monotonic() + patience
    while True:
        steps = await steps_of(operation)
        if all(step.state in SETTLED for step in steps) or time.monotonic() > end:
            return steps
        await asyncio.sleep(0.1)


async def steps_of(operation: Operation) -> list[Step]:
    """Return the operation's steps with their records, in order."""
    return [step async for step in operation.steps.select_related("record", "operation")]


async def resume(connection: Connection) -> None:
    """Settle what nobody works on any more: an earlier process was killed, or a search lost its credential."""
    mine = Step.objects.filter(operation__person=connection.person).exclude(operation__in=_under_way)
    left = mine.exclude(state__in=SETTLED)
    steps = [step async for step in left.select_related("operation", "record")]
    never_sent = [step for step in steps if step.state == StepState.MEANT]
    for step in never_sent:
        await _settle(
            step, StepState.FAILED, "The portal stopped before this was sent. Nothing happened; try again."
        )
    connection.never_sent += [step for step in never_sent if step.operation.verb == Verb.DESTROY]
    launches = [s for s in steps if s.state != StepState.MEANT and s.operation.verb == Verb.LAUNCH]
    others = [s for s in steps if s.state != StepState.MEANT and s.operation.verb != Verb.LAUNCH]
    for step in others:
        await _settle(
            step,
            StepState.FAILED,
            "The portal stopped while this was under way. See its state and try again.",
        )
    if launches:
        tasks.start(_search_under_way(connection, launches), name="search")


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a form begins: the verb, its key, and all that it asks for."""

    verb: Verb
    form_key: str
    content: Any


async def _begin(
    connection: Connection,
    form: _Begun,
    request: dict[str, Any],
    steps: list[Step],
    work: Callable[[Operation], Work],
) -> Operation:
    """Write an operation down and start its work; a browser that goes away in between stops neither."""

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
            tasks.start(_carry_through(connection, operation, work(operation)), name=form.verb.value)
        return operation

    answer = await asyncio.shield(tasks.start(begun(), name=f"begin {form.verb.value}"))
    if isinstance(answer, KeyTakenError):
        raise answer
    return cast(Operation, answer)


def _selection(records: Sequence[Record]) -> list[str]:
    return sorted(record.slug for record in records)


def _steps_of(records: Sequence[Record]) -> list[Step]:
    return [Step(position=place, name=record.name, record=record) for place, record in enumerate(records)]


async def _carry_through(connection: Connection, operation: Operation, work: Work) -> None:
    """Run the work; should it break off, settle every step that is still open by what can be known."""
    _under_way.add(operation.pk)
    try:
        await work
    except (ValueError, errors.PlatformError) as error:
        await _settle_open(operation, said(error))
    except Exception:
        logger.exception("Operation %s broke off.", operation.slug)
        if operation.verb == Verb.LAUNCH:
            await _search(
                connection, [step for step in await steps_of(operation) if step.state not in SETTLED]
            )
        await _settle_open(
            operation, "The portal made a mistake here. See the session's state before you try again."
        )
    finally:
        _under_way.discard(operation.pk)


async def _settle_open(operation: Operation, message: str) -> None:
    for step in await steps_of(operation):
        if step.state not in SETTLED:
            await _settle(step, StepState.FAILED, message)


async def _search_under_way(connection: Connection, steps: list[Step]) -> None:
    operations = {step.operation_id for step in steps}
    _under_way.update(operations)
    try:
        await _search(connection, steps)
    finally:
        _under_way.difference_update(operations)


async def _mark_sent(operation: Operation) -> list[Step]:
    await operation.steps.aupdate(state=StepState.SENT, sent=datetime.now(UTC))
    return await steps_of(operation)


async def _settle(step: Step, state: StepState, message: str) -> None:
    step.state, step.message = state, message[:700]
    step.settled = datetime.now(UTC) if state in SETTLED else None
    await step.asave(update_fields=["state", "message", "detail", "settled", "record"])


async def _refuse(step: Step, error: Exception | None, session_id: str) -> None:
    """Settle a step that the platform refused: in our words, with its own kept beside them."""
    step.detail = raw(error, session_id)
    await _settle(step, StepState.FAILED, said(error))


async def _run_launch(connection: Connection, operation: Operation, request: LaunchRequest) -> None:
    steps = await _mark_sent(operation)
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
        await _search(connection, lost)


async def _settle_launch(
    connection: Connection, step: Step, outcome: Outcome[str], request: LaunchRequest
) -> None:
    if outcome.error is None:
        step.record = await _record_of(connection, str(outcome.value), step.name, request)
        connection.listing.expect(step.record, step.operation.slug if request.replicas > 1 else "")
        await _settle(step, StepState.DONE, "Launched.")
    elif may_have_arrived(outcome.error):
        await _settle(step, StepState.UNSURE, "The answer was lost. Looking for the session on the platform.")
    else:
        await _refuse(step, outcome.error, "")


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


async def _search(connection: Connection, steps: list[Step]) -> None:
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
        await _settle(
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
            await _settle(
                step, StepState.DONE, "Launched. Its answer had been lost; it was found on the platform."
            )
            return True
    return False


async def _run_renew(connection: Connection, operation: Operation, records: Sequence[Record]) -> None:
    steps = await _mark_sent(operation)
    ids = [connection.id_of(record) for record in records]
    before = {row.slug: row.expires for row in connection.listing.rows()}
    outcomes = await connection.session.outcomes.renew(ids)
    connection.expire_rows()
    reading = await connection.rows(patience=5.0)
    after = {row.slug: row.expires for row in reading.value or ()} if reading.current else {}
    for step, record, session_id, outcome in zip(steps, records, ids, outcomes, strict=True):
        if outcome.error is not None:
            await _refuse(step, outcome.error, session_id)
        else:
            await _settle(step, StepState.DONE, _renewed(before.get(record.slug), after.get(record.slug)))


def _renewed(before: datetime | None, after: datetime | None) -> str:
    """Say what the platform made of it: its answer is the same whether or not the end moved."""
    if after is None:
        return "Renewed. The new end is not known yet."
    end = f"{after:%Y-%m-%d %H:%M} UTC"
    if before is not None and after <= before:
        return f"The platform kept the end at {end}: it is already as late as a renewal would make it."
    return f"Renewed: it now ends at {end}."


async def _run_destroy(
    connection: Connection, operation: Operation, records: Sequence[Record], hold: float
) -> None:
    try:
        if hold and await _taken_back(operation, hold):
            for step in await steps_of(operation):
                await _settle(step, StepState.UNDONE, "It was taken back before anything was sent.")
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
    steps = await _mark_sent(operation)
    ids = [connection.id_of(record) for record in records]
    outcomes = await connection.session.outcomes.destroy(ids)
    refused = {outcome.item: outcome.error for outcome in outcomes if _was_refused(outcome)}
    left = await _still_there(connection, [session_id for session_id in ids if session_id not in refused])
    kept = refused.keys() | left.keys()
    gone = [record for record, session_id in zip(records, ids, strict=True) if session_id not in kept]
    connection.listing.dismiss(gone)
    for step, session_id in zip(steps, ids, strict=True):
        if session_id in refused:
            await _refuse(step, refused[session_id], session_id)
        elif session_id in left:
            await _settle(step, StepState.FAILED, left[session_id])
        else:
            await _settle(step, StepState.DONE, "Destroyed.")
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
        looks = await connection.session.outcomes.info(ids)
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


def may_have_arrived(error: errors.PlatformError) -> bool:
    """Say whether the platform may have acted although its answer was lost."""
    return bool(getattr(error, "sent", False)) and isinstance(
        error, errors.PlatformUnreachableError | errors.TooSlowError | errors.NotUnderstoodError
    )
