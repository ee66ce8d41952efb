"""The apps of a desktop: what `/session/ID/app` and below answer (contract 8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import wire
from .engine import Wanted
from .kinds import DESKTOP_APP
from .request import Request, Response, json_answer, text
from .rules import RefusedError, resources
from .session import RUNNING, Session

if TYPE_CHECKING:
    from .app import Api


def _apps(api: Api, user: str | None) -> list[Session]:
    everybody = api.engine.all() if user is None else api.engine.mine(user)
    return [session for session in everybody if session.kind == DESKTOP_APP]


async def show(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """GET session/ID/app lists every app of the caller, whatever the id; GET session/ID/app/APP shows one."""
    if len(rest) > 2 and rest[2]:
        if (app := api.engine.find_app(user, rest[0], rest[2])) is None:
            where = f"session {rest[0]} and app ID {rest[2]}"
            raise RefusedError(404, f"desktop app with {where} was not found")
        return json_answer(wire.pretty(*api.rows([app])))
    public, status = request.first("view") == "all", request.first("status")
    apps = [
        app
        for app in _apps(api, None if public else user)
        if status is None or app.status.lower() == status.lower()
    ]
    return json_answer(wire.pretty_list([wire.public_row(app) for app in apps] if public else api.rows(apps)))


async def add(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """POST session/ID/app: start a program on the screen of a running desktop."""
    if len(rest) > 2 and rest[2]:
        raise RefusedError(400, "Cannot modify an existing app.")
    image = (request.first("image") or "").strip()
    if not image:
        raise RefusedError(400, "Missing parameter 'image'")
    cores, ram = resources(request)
    desktop = api.engine.find(user, rest[0])
    if desktop is None or desktop.kind != "desktop" or desktop.status != RUNNING:
        raise RefusedError(404, f"session {rest[0]} not found")
    name = re.split("[:@]", image.rpartition("/")[2])[0].lower()
    app = await api.engine.create(
        Wanted(user, name, DESKTOP_APP, image, [], [], cores, ram, parent=desktop.id)
    )
    return text(200, app.app + "\n")


async def delete(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """DELETE session/ID/app/APP: 200 whatever was there."""
    if len(rest) < 3 or not rest[2]:
        raise RefusedError(400, "Missing app ID")
    if app := api.engine.find_app(user, rest[0], rest[2]):
        await api.engine.delete(app)
    return Response()
