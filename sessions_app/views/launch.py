"""Launch: one form, checked as it is filled in, that launches once however often it is sent."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from sessions_app import access, kept, limiter
from sessions_app.connections import Connection, Reading, writes
from sessions_app.connections.asked import Asked, asked_for
from sessions_app.connections.offers import Surroundings
from sessions_app.connections.refusals import TOO_LONG
from sessions_app.forms import KIND_KEYS, KIND_TITLES, KINDS, LaunchForm, suggested_name
from sessions_app.models import Operation, Step
from sessions_app.models.journal import KeyTakenError, StepState, Verb
from sessions_app.views import launch_links
from sessions_app.views import listing as listings
from sessions_app.views.guards import PortalRequest, connected, page
from sessions_app.views.launch_summary import command_line, facts
from sessions_app.views.stats import taken_slots

# How long the answer to a launch is waited for before a page that follows it takes over, in seconds.
PATIENCE = 8.0


@require_http_methods(["GET", "POST"])
@connected
async def form(request: PortalRequest, connection: Connection) -> HttpResponse:
    """Show the form, or launch what it says."""
    around = await surroundings(connection)
    if request.method == "GET":
        again = await _again(request)
        link = launch_links.read(request.GET, around)
        away = _away(await connection.rows())
        return _shown(request, _first(link, around, again), around, again=again, link=link, away=away)
    if "redraw" in request.POST:
        return _shown(request, _redrawn(request, around), around)
    filled = LaunchForm(request.POST, around=around)
    try:
        await limiter.count(limiter.LAUNCHES, request.person, "You launched a lot within a minute.")
    except limiter.LimitedError as limited:
        filled.is_valid()
        filled.add_error(None, f"{limited} Nothing was launched.")
        return limited.dressed(_shown(request, filled, around, status=429))
    # A form that was sent before leads to what it launched, whatever has changed since.
    try:
        operation = await Operation.objects.aearlier(
            request.person, Verb.LAUNCH, request.POST.get("key", ""), filled.content()
        )
        if operation is None and (told := _drawn_for_another(request)):
            return _shown(request, _redrawn(request, around), around, status=422, told=told)
        if operation is None and not filled.is_valid():
            return _shown(request, filled, around, status=422)
        operation = operation or await writes.launch(
            connection, filled.request(), filled.cleaned_data["key"], filled.content()
        )
    except KeyTakenError as taken:
        return await _told_of_the_earlier(request, taken.operation, around)
    return await _what_became(request, connection, operation, around)


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
        is_local=settings.PLATFORM_IS_LOCAL,
    )


def _drawn_for_another(request: PortalRequest) -> str:
    """Say so where the fields that were filled in are not those of the chosen kind: a browser, or somebody without
    scripts, may choose a kind on a page that was drawn for another."""
    kind, drawn = request.POST.get("kind", ""), request.POST.get("drawn", "")
    if kind not in KIND_KEYS or drawn in {"", kind}:
        return ""
    return (
        f"The page showed the fields of {KIND_TITLES.get(drawn, 'another kind')}, so nothing was launched. "
        f"Here are those of {KIND_TITLES[kind]} with all that you typed: look at them, then press Launch."
    )


async def _told_of_the_earlier(
    request: PortalRequest, earlier: Operation, around: Surroundings
) -> HttpResponse:
    """Say that this form has done something else already, and show it as it is now, ready to be sent as another."""
    filled = LaunchForm({**request.POST.dict(), "key": _key()}, around=around)
    filled.is_valid()
    was = await writes.steps_of(earlier)
    did = f"launched “{was[0].name}”" if earlier.verb == Verb.LAUNCH and was else "done something else"
    filled.add_error(
        None,
        f"This form has {did} already, and was changed since. What it says now was not launched: "
        "press Launch if you want it as well.",
    )
    return _shown(request, filled, around, status=422, earlier=earlier)


async def _what_became(
    request: PortalRequest, connection: Connection, operation: Operation, around: Surroundings
) -> HttpResponse:
    steps = await writes.wait(operation, PATIENCE)
    if all(step.state == StepState.FAILED for step in steps):
        if listings.signed_out(await connection.rows()):
            return kept.sign_in(request, {"key": _key()})
        filled = LaunchForm({**request.POST.dict(), "key": _key()}, around=around)
        is_valid = filled.is_valid()
        for message in dict.fromkeys(step.message for step in steps):
            filled.add_error(filled.longest_field() if is_valid and message == TOO_LONG else None, message)
        filled.add_error(None, "Nothing was launched; the form is as you filled it in.")
        return _shown(request, filled, around, status=422)
    if len(steps) > 1:
        return redirect(_list_of(operation, steps))
    if steps[0].state == StepState.DONE and steps[0].record:
        return redirect("sessions:detail", steps[0].record.slug)
    return redirect("sessions:operation", operation.slug)


def _list_of(operation: Operation, steps: Sequence[Step]) -> str:
    """Return the list of what was launched together, with a notice where some of it failed or is still open."""
    # Named by its launch, so that an older one with such names does not stand among it.
    stem = steps[0].name.rpartition("-")[0].lower()
    query = {"group": f"{stem}~{operation.slug}"}
    if any(step.state != StepState.DONE for step in steps):
        query["notice"] = operation.slug
    return f"{reverse('sessions:list')}?{urlencode(query)}"


async def _again(request: PortalRequest) -> Asked | None:
    """Return what the session named by ``?again=`` was launched with, if one is named."""
    slug = request.GET.get("again", "")
    if not slug:
        return None
    asked = await asked_for(await access.record_for(request.person, slug))
    # Apps of a desktop are started within it.
    return asked if asked.fields["kind"] in KIND_KEYS else None


def _first(link: launch_links.Link, around: Surroundings, again: Asked | None) -> LaunchForm:
    """Return the form as it is first shown; what a link or an earlier launch says is checked at once."""
    fields = dict(link.fields if again is None else again.fields)
    if "kind" not in fields:
        fit = around.fit(fields.get("image", ""))
        served = [each.key for each in KINDS if fit and each.key in fit.kinds]
        offered = [each.key for each in KINDS if around.images_of(each.key)]
        fields["kind"] = (served or offered or [KINDS[0].key])[0]
    filled = _with_defaults(fields, around)
    return LaunchForm(filled.initial, around=around) if again is not None or link.fills else filled


def _redrawn(request: PortalRequest, around: Surroundings) -> LaunchForm:
    """Return the form for another kind with everything that was typed; a name of ours gives way to the new kind's."""
    typed = request.POST.dict()
    if typed.get("name") == typed.get("suggested"):
        typed["name"] = ""
    if typed.get("image") not in {image.id for image in around.images_of(typed.get("kind", ""))}:
        # It was chosen from the list of another kind; a name that was typed stays.
        typed["image"] = ""
    return _with_defaults({name: value for name, value in typed.items() if isinstance(value, str)}, around)


def _with_defaults(values: dict[str, Any], around: Surroundings) -> LaunchForm:
    kind = values.get("kind") or KINDS[0].key
    offered = [image.id for image in around.images_of(kind)]
    if values.get("image") not in offered and not values.get("other_image"):
        if values.get("image"):
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
    link: launch_links.Link | None = None,
    away: dict[str, Any] | None = None,
    earlier: Operation | None = None,
    told: str = "",
) -> HttpResponse:
    said = {"again": again, "link": link, "earlier": earlier, "told": told}
    context = _form_context(form, around) | said | (away or {})
    return page(request, "sessions/launch", context, status=status)


def _away(reading: Reading[Any]) -> dict[str, Any]:
    """Return what the page says while the platform is away: a form can be filled in meanwhile."""
    if reading.error is None:
        return {}
    return {"reason": listings.trouble(reading)[0], "signed_out": listings.signed_out(reading)}


def _form_context(form: LaunchForm, around: Surroundings) -> dict[str, Any]:
    kind = form.chosen_kind
    asked = form.request() if form.is_bound and form.is_valid() else None
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
        "is_local": around.is_local,
        "obstacles": form.obstacles() if form.is_bound else [],
        "request_line": command_line(asked) if asked else "",
        "asked": asked,
        "facts": facts(form),
        "as_script": asked is not None and asked.sent.as_script,
        "gpu_options": _gpu_options(form, around),
    }


def _gpu_options(form: LaunchForm, around: Surroundings) -> tuple[int, ...] | None:
    """Return the numbers of GPUs to choose from; nothing where there is no choice and none was asked for."""
    offered = around.context.gpu_options if around.context else ()
    return tuple(option for option in offered if option) or (() if form["gpu"].value() else None)


def _key() -> str:
    return uuid.uuid4().hex
