"""What a launch form asks for so far, in words, also while something in it is wrong."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from sessions_app.connections.commands import interpreter_of
from sessions_app.connections.writes import LaunchRequest
from sessions_app.forms import KIND_TITLES, SIZED_BY_PLATFORM, LaunchForm, environment
from sessions_app.pasted import lines_of


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the summary; ``missing`` is what is not said yet."""

    label: str
    text: str
    is_code: bool = False
    missing: bool = False


def facts(form: LaunchForm) -> list[Fact]:
    """Return what the form asks for so far."""
    return list(_facts(form))


def _facts(form: LaunchForm) -> Iterator[Fact]:
    kind = form.chosen_kind
    yield Fact("Kind", KIND_TITLES[kind])
    yield _name(form, kind)
    image = form.around.whole(_said(form, "other_image")) or _said(form, "image")
    yield Fact("Image", image, is_code=True) if image else Fact("Image", "not chosen yet", missing=True)
    yield Fact("Resources", _resources(form, kind))
    if kind != "headless":
        return
    yield from _runs(form)
    if names := [name for name in environment(_said(form, "env")) if name]:
        yield Fact("Variables", ", ".join(names), is_code=True)


def _said(form: LaunchForm, field: str) -> str:
    return str(form[field].value() or "").strip()


def _name(form: LaunchForm, kind: str) -> Fact:
    name, replicas = _said(form, "name"), _said(form, "replicas")
    if not name:
        return Fact("Name", "not given yet", missing=True)
    if kind == "headless" and replicas.isdecimal() and 1 < int(replicas) < 10_000:
        return Fact("Name", f"{name}-1 … {name}-{replicas}, {replicas} sessions")
    return Fact("Name", name)


def _resources(form: LaunchForm, kind: str) -> str:
    parts = ["flexible"]
    if kind in SIZED_BY_PLATFORM:
        parts = ["set by the platform"]
    elif _said(form, "resources") == "fixed":
        cores, ram = _said(form, "cores") or "?", _said(form, "ram") or "?"
        parts = [f"{cores} core{'' if cores == '1' else 's'}", f"{ram} GiB"]
    gpus = _said(form, "gpu")
    if gpus and gpus != "0":
        has_some = form.around.context is None or form.around.context.gpu_options
        parts.append(
            f"{gpus} GPU{'' if gpus == '1' else 's'}" if has_some else "no GPU, as there is none here"
        )
    return ", ".join(parts)


def _runs(form: LaunchForm) -> Iterator[Fact]:
    script, line, args = _said(form, "script"), _said(form, "cmd"), _said(form, "args")
    if script:
        count = len(lines_of(script))
        yield Fact(
            "Runs", f"your script of {count} line{'' if count == 1 else 's'}, by {interpreter_of(script)}"
        )
    elif line:
        yield Fact("Runs", f"{line} {args}".strip(), is_code=True)
    else:
        yield Fact("Runs", f"the image's own command {args}".strip())


def command_line(asked: LaunchRequest) -> str:
    """Return the same launch as a line for the platform's own command."""
    words = ["canfar", "create", asked.kind, asked.image, "--name", asked.name]
    for option, amount in (("--cpu", asked.cores), ("--memory", asked.ram), ("--gpu", asked.gpu)):
        words += [option, str(amount)] if amount else []
    sent = asked.sent
    for name, value in sent.env.items():
        words += ["--env", f"{name}={value}"]
    if asked.replicas > 1:
        words += ["--replicas", str(asked.replicas)]
    if sent.cmd:
        words += ["--", sent.cmd, *(sent.args.split(" ") if sent.args else [])]
    return shlex.join(words)
