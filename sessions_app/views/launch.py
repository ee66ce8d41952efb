"""Launch: one form, checked as it is filled in, that launches once however often it is sent."""

from __future__ import annotations

import asyncio
import shlex
import uuid
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from sessions_app import access
from sessions_app.connections import Connection, writes
from sessions_app.connections.asked import Asked, asked_for
from sessions_app.connections.writes import LaunchRequest
from sessions_app.forms import KIND_TITLES, KINDS, LaunchForm, Surroundings, suggested_name
from sessions_app.models import Operation
from sessions_app.models.journal import StepState
from sessions_app.views.guards import PortalRequest, connected, page
from sessions_app.views.stats import taken_slots

# How long the answer to a launch is waited for before its own page takes over, in seconds.
PATIENCE = 8.0


@require_http_methods(["GET", "POST"])
@connected
async def form(request: PortalRequest, connection: Connection) -> HttpResponse:
    """Show the form, or launch what it says."""
    around = await surroundings(connection)
    if request.method == "GET":
        again = await _again(request)
        return _shown(request, _blank(request, around, again), around, again=again)
    if "redraw" in request.POST:
        return _shown(request, _redrawn(request, around), around)
    filled = LaunchForm(request.POST, around=around)
    # A form that was sent before leads to what it launched, whatever has changed since.
    earlier = await Operation.objects.filter(
        person=request.person, form_key=request.POST.get("key", "")[:64]
    ).afirst()
    if earlier is None and not filled.is_valid():
        return _shown(request, filled, around, status=422)
    operation = earlier or await writes.launch(connection, filled.request(), filled.cleaned_data["key"])
    return await _what_became(request, operation, around)


@require_POST
@connected
async def check(request: PortalRequest, connection: Connection) -> HttpResponse:
    """Say at each field what the platform would make of it, and what the whole would ask for."""
    around = await surroundings(connection)
    filled = LaunchForm(request.POST, around=around)
    filled.is_valid()
    return page(request, "sessions/checks", _form_context(filled, around))


async def surroundings(connection: Connection) -> Surroundings:
    """Gather what a launch is checked against; what the platform does not tell now is left unknown."""
    images, context, hosts, rows = await asyncio.gather(
        connection.images(), connection.context(), connection.hosts(), connection.rows()
    )
    return Surroundings(
        images=images.value,
        context=context.value,
        hosts=hosts.value,
        names=frozenset(row.name for row in rows.value or ()),
        interactive=None if rows.value is None else tuple(row.name for row in taken_slots(rows.value)),
    )


async def _what_became(request: PortalRequest, operation: Operation, around: Surroundings) -> HttpResponse:
    steps = await writes.wait(operation, PATIENCE)
    if len(steps) > 1 or steps[0].state not in {StepState.DONE, StepState.FAILED}:
        return redirect("sessions:operation", operation.slug)
    if steps[0].state == StepState.DONE and steps[0].record:
        return redirect("sessions:detail", steps[0].record.slug)
    filled = LaunchForm({**request.POST.dict(), "key": _key()}, around=around)
    filled.is_valid()
    filled.add_error(None, steps[0].message)
    return _shown(request, filled, around, status=422)


async def _again(request: PortalRequest) -> Asked | None:
    """Return what the session named by ``?again=`` was launched with, if one is named."""
    slug = request.GET.get("again", "")
    if not slug:
        return None
    asked = await asked_for(await access.record_for(request.person, slug))
    # Apps of a desktop are started within it.
    return asked if asked.fields["kind"] in {kind.key for kind in KINDS} else None


def _blank(request: PortalRequest, around: Surroundings, again: Asked | None) -> LaunchForm:
    if again is not None:
        return _with_defaults(dict(again.fields), around)
    kind = request.GET.get("kind", "")
    if kind not in KIND_TITLES:
        kind = next((each.key for each in KINDS if around.images_of(each.key)), KINDS[0].key)
    initial = {
        "kind": kind,
        "image": request.GET.get("image", "")[:300],
        "name": request.GET.get("name", "")[:300],
    }
    return _with_defaults(initial, around)


def _redrawn(request: PortalRequest, around: Surroundings) -> LaunchForm:
    """Return the form for another kind with everything that was typed; a name of ours gives way to the new kind's."""
    typed = request.POST.dict()
    if typed.get("name") == typed.get("suggested"):
        typed["name"] = ""
    return _with_defaults({name: value for name, value in typed.items() if isinstance(value, str)}, around)


def _with_defaults(values: dict[str, Any], around: Surroundings) -> LaunchForm:
    kind = values.get("kind") or KINDS[0].key
    offered = [image.id for image in around.images_of(kind)]
    if values.get("image") not in offered and not values.get("other_image"):
        if values.get("image") and around.images is not None:
            values["other_image"] = values["image"]
        values["image"] = offered[0] if offered else ""
    suggested = suggested_name(kind, around.names)
    values = {"resources": "flexible", "replicas": "1", **values, "suggested": suggested}
    values["name"] = values.get("name") or suggested
    if around.context is not None:
        values["cores"] = values.get("cores") or str(around.context.default_cores or "")
        values["ram"] = values.get("ram") or str(around.context.default_ram or "")
    values["key"] = values.get("key") or _key()
    return LaunchForm(initial=values, around=around)


def _shown(
    request: PortalRequest,
    form: LaunchForm,
    around: Surroundings,
    *,
    status: int = 200,
    again: Asked | None = None,
) -> HttpResponse:
    return page(request, "sessions/launch", _form_context(form, around) | {"again": again}, status=status)


def _form_context(form: LaunchForm, around: Surroundings) -> dict[str, Any]:
    kind = form.chosen_kind
    ready = form.is_bound and form.is_valid()
    return {
        "form": form,
        "kinds": [
            (each, len(around.images_of(each.key)) if around.images is not None else None) for each in KINDS
        ],
        "kind": kind,
        "images": around.images_of(kind),
        "images_known": around.images is not None,
        "limits": around.context,
        "hosts": around.hosts,
        "obstacles": form.obstacles() if form.is_bound else [],
        "request_line": command_line(form.request()) if ready else "",
        "asked": form.request() if ready else None,
    }


def command_line(asked: LaunchRequest) -> str:
    """Return the same launch as a line for the platform's own command."""
    words = ["canfar", "create", asked.kind, asked.image, "--name", asked.name]
    for option, amount in (("--cpu", asked.cores), ("--memory", asked.ram), ("--gpu", asked.gpu)):
        words += [option, str(amount)] if amount else []
    for name, value in asked.env.items():
        words += ["--env", f"{name}={value}"]
    if asked.replicas > 1:
        words += ["--replicas", str(asked.replicas)]
    if asked.cmd:
        words += ["--", asked.cmd, *(asked.args.split(" ") if asked.args else [])]
    return shlex.join(words)


def _key() -> str:
    return uuid.uuid4().hex
