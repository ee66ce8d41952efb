"""The API: what each path and method answers (contract, chapters 1 to 11)."""

import logging
import os
import re
from collections.abc import Awaitable, Callable

from . import events, wire
from .catalogue import HOST
from .engine import Engine
from .kinds import DESKTOP_APP, HEADLESS, IMAGE_KINDS
from .request import Receive, Request, Response, Scope, Send, TooLargeError, read, send_response, text
from .rules import RefusedError, check_id, wanted
from .session import Session
from .store import Store

log = logging.getLogger("sessions_app.local")

OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
WELCOME = """<!doctype html><html lang="en"><title>Local science platform</title>
<h1>Local science platform</h1>
<p>It answers as Skaha does, under <code>/skaha/v1</code>, and runs sessions as processes of this machine.
It is for trying out and for tests, not for production.</p>
<p>A session that asks for cores or memory is held to them by {means}.</p>
<p>Variables (<code>env</code>) are passed whole even if their value is empty or has a <code>=</code> in it;
the real platform drops those.</p>
"""

Handler = Callable[["Api", Request, str, list[str]], Awaitable[Response]]


class Api:
    """The ASGI application."""

    def __init__(self, engine: Engine, store: Store, port: int) -> None:
        self.engine, self.port = engine, port
        self._store = store
        self._welcome = WELCOME.format(means=engine.site.enforcement.means)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            request = await read(scope, receive)
            response = await self._answer(request)
        except TooLargeError:
            request, response = Request(scope["method"], "", {}), text(413, "the request is too large\n")
        await send_response(response, request, send)

    async def _answer(self, request: Request) -> Response:
        # The gateway looks at the first request of a connection only, so every request is looked at here.
        if not OWN_HOST.fullmatch(request.headers.get("host", "")):
            return text(421, "This host name is not served here.\n")
        if request.path.startswith("/session/"):
            return text(307, "", location=request.target, connection="close")
        if (page := self._page(request)) is not None:
            return page
        return await self._resource(request)

    def _page(self, request: Request) -> Response | None:
        """Answer what needs nobody to be signed in."""
        path = request.path.rstrip("/") or "/"
        if path in ("/", "/skaha"):
            return Response(
                200, "" if request.method == "HEAD" else self._welcome, "text/html; charset=utf-8"
            )
        base = f"http://{request.headers['host']}/skaha"
        if path == "/skaha/capabilities":
            return Response(200, wire.capabilities(base), "text/xml")
        if path == "/skaha/availability":
            short = request.first("detail") == "min"
            return Response(200, "" if short else wire.availability(), "text/xml")
        return None

    async def _resource(self, request: Request) -> Response:
        parts = request.path.split("/")
        if parts[:3] != ["", "skaha", "v1"] or len(parts) < 4 or parts[3] not in RESOURCES:
            return text(404, "There is nothing here.\n")
        name, rest = parts[3], parts[4:]
        handlers = RESOURCES[name] if not (name == "session" and len(rest) > 1) else APP
        if (handler := handlers.get(request.method)) is None or (rest and name != "session"):
            return (
                self._unsupported(request, handlers) if not handler else text(404, "There is nothing here.\n")
            )
        user, refusal = self._person(request)
        if refusal:
            return refusal
        response = await self._handled(handler, request, user, rest)
        response.headers["x-vo-authenticated"] = user
        return response

    async def _handled(self, handler: Handler, request: Request, user: str, rest: list[str]) -> Response:
        try:
            if rest == [""] or len(rest) > 3:
                raise RefusedError(400 if len(rest) > 3 else 404, f"Invalid request: {request.path}")
            return await handler(self, request, user, rest)
        except RefusedError as refused:
            return text(refused.status, refused.text + ("\n" if refused.status < 500 else ""))
        except Exception as error:
            log.exception("A request failed")
            return text(500, f"unexpected exception: {type(error).__name__}")

    def _unsupported(self, request: Request, handlers: dict[str, Handler]) -> Response:
        return text(405, f"unsupported: HTTP {request.method}\n", allow=", ".join(handlers))

    def _person(self, request: Request) -> tuple[str, Response | None]:
        """Tell who asks, or how they are turned away (contract 1.5, 1.6)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "", text(401, "Unauthorized\n", WWW_Authenticate="Bearer")
        user = self._store.user(token.strip())
        if user is None:
            reason = "Invalid JWT token"
            challenge = f'Bearer error="invalid_token", error_description="{reason}"'
            return "", text(401, reason, WWW_Authenticate=challenge)
        return user, None


def _json(body: str) -> Response:
    return Response(200, body, "application/json")


async def list_or_one(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """GET session, GET session/ID."""
    if rest:
        return _one(api, request, user, rest[0])
    view = request.first("view") or ""
    if view == "stats":
        return _json(wire.pretty(wire.stats(api.engine.usage, api.engine.all())))
    if view == "all":
        return _json(wire.pretty_list([wire.public_row(s) for s in _chosen(request, api.engine.all(), "")]))
    return _json(wire.pretty_list([_row(api, s) for s in _chosen(request, api.engine.mine(user), view)]))


def _chosen(request: Request, sessions: list[Session], view: str) -> list[Session]:
    """Filter by kind and status, whatever the case of their letters (contract 2.1)."""
    kind, status = request.first("type"), request.first("status")
    if status is not None:
        sessions = [s for s in sessions if s.status.lower() == status.lower()]
    if view.lower() == "interactive":
        return [s for s in sessions if s.kind != HEADLESS]
    return [s for s in sessions if kind is None or s.kind == kind.lower()]


def _row(api: Api, session: Session) -> dict[str, object]:
    return wire.session_row(session, api.engine.usage.of(session.id), api.port)


def _one(api: Api, request: Request, user: str, wanted_id: str) -> Response:
    check_id(wanted_id)
    session, view = api.engine.find(user, wanted_id), request.first("view")
    if view == "logs":
        return Response(200, "", "text/plain", file=api.engine.logs.reading(session) if session else None)
    if view == "events":
        if session is None or session.queued:
            raise RefusedError(404, f"session {wanted_id} not found.")
        return text(200, events.table(api.engine.events(session)))
    if session is None:
        raise RefusedError(404, f"session {wanted_id} not found")
    return _json(wire.pretty(_row(api, session)))


async def create_or_change(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """POST session, POST session/ID."""
    if rest:
        return await _change(api, request, user, rest[0])
    active = sum(session.active and session.kind != HEADLESS for session in api.engine.mine(user))
    session = await api.engine.create(wanted(request, user, active, api.engine.site.limits.sessions))
    return text(200, session.id + "\n")


async def _change(api: Api, request: Request, user: str, wanted_id: str) -> Response:
    check_id(wanted_id)
    action = request.first("action")
    if action is None:
        raise RefusedError(400, "Cannot modify an existing session")
    if action.lower() != "renew":
        raise RefusedError(400, "unrecognized action")
    session = api.engine.find(user, wanted_id)
    if session is None or not session.active or session.queued:
        who = f"PosixPrincipal [uidNumber={os.getuid()},username={user}]"
        raise RefusedError(400, f"No active job for user {who} with session {wanted_id}")
    await api.engine.renew(session)
    return Response()


async def delete(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """DELETE session/ID: 200 whatever was there (contract 7)."""
    if not rest:
        raise RefusedError(400, "Cannot kill all sessions.")
    if session := api.engine.find(user, rest[0]):
        await api.engine.delete(session)
    return Response()


async def context(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """GET context."""
    return _json(wire.compact(wire.context(api.engine.site.limits.sessions)))


async def image(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """GET image; the kind is matched to the letter (contract 9.1)."""
    kind = request.first("type") or ""
    if kind and kind not in IMAGE_KINDS:
        raise RefusedError(400, f"unknown type: {kind}")
    return _json(wire.pretty_list(wire.image_rows(kind)))


async def repository(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """GET repository."""
    return _json(wire.compact([HOST]))


async def apps(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """GET session/ID/app: there are no desktop apps here yet (contract 8)."""
    if len(rest) > 2 and rest[2]:
        raise RefusedError(
            404, f"{DESKTOP_APP.replace('-', ' ')} with session {rest[0]} and app ID {rest[2]} was not found"
        )
    return _json("[]")


async def add_app(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """POST session/ID/app."""
    if len(rest) > 2 and rest[2]:
        raise RefusedError(400, "Cannot modify an existing app.")
    if not request.first("image"):
        raise RefusedError(400, "Missing parameter 'image'")
    raise RefusedError(404, f"session {rest[0]} not found")


async def delete_app(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """DELETE session/ID/app/APP."""
    if len(rest) < 3 or not rest[2]:
        raise RefusedError(400, "Missing app ID")
    return Response()


RESOURCES: dict[str, dict[str, Handler]] = {
    "session": {"GET": list_or_one, "POST": create_or_change, "DELETE": delete},
    "context": {"GET": context},
    "image": {"GET": image},
    "repository": {"GET": repository},
}
APP: dict[str, Handler] = {"GET": apps, "POST": add_app, "DELETE": delete_app}
