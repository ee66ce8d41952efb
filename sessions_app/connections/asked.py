"""What a session was launched with, as the journal has it, so that it can be launched again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from sessions_app.connections.commands import UnreadableError, argument_words
from sessions_app.models import Operation, Record
from sessions_app.models.journal import Verb


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of a launch form that say the same once more.

    ``env_lost`` are the variables whose values are to be given again, since they may be secrets and are not kept;
    ``replicas`` is how many sessions the launch made. Of a session that was not launched here only its kind, image
    and name are known, and ``is_whole`` is false.
    """

    fields: dict[str, str]
    env_lost: tuple[str, ...] = ()
    replicas: int = 1
    is_whole: bool = True


async def asked_for(record: Record) -> Asked:
    """Return what the record's session was launched with."""
    launched = Operation.objects.filter(verb=Verb.LAUNCH, steps__record=record)
    operation = await launched.order_by("-pk").afirst()
    if operation is None or not operation.request.get("image"):
        return Asked({"kind": record.kind, "image": record.image, "name": record.name}, is_whole=False)
    return _of_request(operation.request)


def _of_request(request: dict[str, Any]) -> Asked:
    """Read what `LaunchRequest.as_json` wrote."""
    names = tuple(request.get("env") or ())
    is_fixed = request.get("cores") is not None
    plain = ("kind", "image", "name", "cores", "ram", "gpu", "cmd", "args", "script", "replicas")
    fields = {name: str(request[name]) for name in plain if request.get(name) is not None}
    if "cmd" in fields and "args" in fields:
        fields["cmd"] = _one_line(fields["cmd"], fields.pop("args"))
    fields |= {
        "resources": "fixed" if is_fixed else "flexible",
        "env": "\n".join(f"{name}=" for name in names),
        "lost": ",".join(names),
    }
    return Asked(fields, names, request.get("replicas") or 1)


def _one_line(cmd: str, args: str) -> str:
    """Return as one command line what was given in two fields, also where an older portal took no heed of quotes."""
    try:
        words = argument_words(args)
    except UnreadableError:
        words = args.split(" ")
    return f"{cmd} {shlex.join(words)}"
