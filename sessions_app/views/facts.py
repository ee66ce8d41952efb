"""What the page of a session tells of it beside its state: what it runs, with what, for how long, how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from sessions_app.connections import Row, timeline
from sessions_app.connections.asked import asked_for
from sessions_app.connections.runs import Run, run_of
from sessions_app.models import Record, Step
from sessions_app.models.journal import Verb


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known; what is not is empty, and is not shown. Values of variables are not kept, so only names are."""

    run: Run
    # With its arguments, as it was typed.
    command: str = ""
    script: str = ""
    variables: tuple[str, ...] = ()
    replica: str = ""
    resources: str = ""
    # What was asked for, where the platform no longer tells it: cores, GiB of memory and GPUs.
    cores: str = ""
    ram: str = ""
    gpus: str = ""
    # In what it differs from what was asked for.
    notes: tuple[str, ...] = ()
    # Whether it still waits or runs.
    is_alive: bool = False


async def facts_of(record: Record, row: Row | None, state: str) -> Facts:
    """Return what is known of a record's session: from the journal if it was launched here, else from the platform."""
    asked = await asked_for(record)
    given = asked.fields if asked.is_whole else {}
    is_fixed = row.fixed if row else given.get("resources") == "fixed"
    return Facts(
        run=run_of(record, state),
        command=given.get("cmd", ""),
        script=given.get("script", ""),
        variables=asked.env_lost,
        replica=await _replica(record),
        resources=("fixed" if is_fixed else "flexible") if row or given else "",
        cores="" if row else given.get("cores", ""),
        ram="" if row else given.get("ram", ""),
        gpus=given.get("gpu", "") if row is None or row.gpus is None else f"{row.gpus:g}".removeprefix("0"),
        notes=tuple(timeline.notes(record)),
        is_alive=state in {"pending", "running"},
    )


async def _replica(record: Record) -> str:
    """Return which of the sessions of its launch it is; nothing if it was the only one."""
    launched = Step.objects.filter(record=record, operation__verb=Verb.LAUNCH)
    step = await launched.select_related("operation").order_by("-pk").afirst()
    count = step.operation.request.get("replicas") if step is not None else None
    return f"{step.position + 1} of {count}" if step is not None and (count or 1) > 1 else ""
