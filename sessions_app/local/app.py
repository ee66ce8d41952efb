"""The API: what each path and method answers (contract, chapters 1 to 11)."""

import logging
import os
import re
from collections.abc import Awaitable, Callable
from typing import Any

from . import account, apps, events, faults, openapi, wire
from .catalogue import HOST
from .engine import Engine
from .kinds import DESKTOP_APP, HEADLESS, IMAGE_KINDS
from .people import Holder
from .request import (
    Receive,
    Request,
    Response,
    Scope,
    Send,
    TooLargeError,
    json_answer,
    read,
    send_response,
    text,
)
from .rules import RefusedError, check_id, wanted
from .session import Session
from .signin import SignIn, SignInError

log = logging.getLogger("sessions_app.local")

OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
WELCOME = """<!doctype html><html lang="en"><title>Local science platform</title>
<h1>Local science platform</h1>
<p>It answers as Skaha does, under <code>/skaha/v1</code>, and runs sessions as processes of this machine.
It is for trying out and for tests, not for production.</p>
<p>All that it answers is described in its <a href="/skaha/openapi.json">OpenAPI document</a>.</p>
<p>A session that asks for cores or memory is held to them by {means}.</p>
<p>Variables (<code>env</code>) are passed whole even if their value is empty or has a <code>=</code> in it;
the real platform drops those.</p>
"""

NOT_ALLOWED = "Not authorized to use the skaha system"
PAGES = ("/", "/skaha", "/skaha/openapi.json", "/skaha/capabilities", "/skaha/availability")

Handler = Callable[["Api", Request, str, list[str]], Awaitable[Response]]


class Api:
    """The ASGI application."""

    def __init__(self, engine: Engine, signin: SignIn, port: int, rules: faults.Faults | None = None) -> None:
        self.engine, self.port, self.people = engine, port, signin.people
        self._signin, self._faults = signin, rules
        self._account = account.Account(signin, lambda request: self._holder(request).name)
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
        if _from_elsewhere(request):
            return text(403, "This comes from a web page of another site, so it is refused.\n")
        if (page := self._page(request)) is not None:
            return page
        if request.path.startswith("/ac/"):
            return await self._handled(self._account.answer(request))
        if request.path == "/faults" and self._faults is not None:
            return await self._handled(self._control(self._faults, request))
        return await self._resource(request)

    def _page(self, request: Request) -> Response | None:
        """Answer what needs nobody to be signed in."""
        path = request.path.rstrip("/") or "/"
        if path not in PAGES:
            return None
        if request.method not in ("GET", "HEAD"):
            return text(405, f"unsupported: HTTP {request.method}\n", allow="GET, HEAD")
        if path in ("/", "/skaha"):
            return Response(200, self._welcome, "text/html; charset=utf-8")
        if path == "/skaha/openapi.json":
            return Response(200, wire.pretty(openapi.document()), "application/json")
        base = f"http://{request.headers['host']}/skaha"
        if path == "/skaha/capabilities":
            return Response(200, wire.capabilities(base), "text/xml")
        short = request.first("detail") == "min"
        return Response(200, "" if short else wire.availability(), "text/xml")

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
        try:
            holder = self._holder(request)
        except SignInError as problem:
            return account.refusal(problem)
        if holder.allowed:
            response = await self._handled(self._called(handler, request, holder.name, rest))
        else:
            response = text(403, NOT_ALLOWED + "\n")
        response.headers["x-vo-authenticated"] = holder.name
        return response

    async def _control(self, rules: faults.Faults, request: Request) -> Response:
        if not self._holder(request).allowed:
            raise RefusedError(403, NOT_ALLOWED)
        return faults.control(rules, request)

    async def _called(self, handler: Handler, request: Request, user: str, rest: list[str]) -> Response:
        if rest == [""] or len(rest) > 3:
            raise RefusedError(400 if len(rest) > 3 else 404, f"Invalid request: {request.path}")
        return await handler(self, request, user, rest)

    async def _handled(self, answering: Awaitable[Response]) -> Response:
        try:
            return await answering
        except RefusedError as refused:
            return text(refused.status, refused.text + ("\n" if refused.status < 500 else ""))
        except SignInError as problem:
            return account.refusal(problem)
        except Exception as error:
            log.exception("A request failed")
            return text(500, f"unexpected exception: {type(error).__name__}")

    def rows(self, sessions: list[Session]) -> list[dict[str, Any]]:
        """Compose the members of sessions, as their owners see them."""
        groups = {user: self.people.gids(user) for user in {session.user for session in sessions}}
        return [
            wire.session_row(session, self.engine.usage.of(session.id), self.port, groups[session.user])
            for session in sessions
        ]

    def _unsupported(self, request: Request, handlers: dict[str, Handler]) -> Response:
        return text(405, f"unsupported: HTTP {request.method}\n", allow=", ".join(handlers))

    def _holder(self, request: Request) -> Holder:
        """Tell who asks, or how they are turned away (contract 1.5, 1.6)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise SignInError(401, "")
        return self._signin.who(token.strip())


def _from_elsewhere(request: Request) -> bool:
    """Say whether a page of another origin would change something; programs send none of these headers."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return False
    own = f"http://{request.headers['host']}".lower()
    elsewhere = request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
    return elsewhere or request.headers.get("origin", own).lower() != own


async def list_or_one(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """GET session, GET session/ID."""
    if rest:
        return _one(api, request, user, rest[0])
    view = request.first("view") or ""
    if view == "stats":
        return json_answer(wire.pretty(wire.stats(api.engine.usage, api.engine.all())))
    if view == "all":
        return json_answer(
            wire.pretty_list([wire.public_row(s) for s in _chosen(request, api.engine.all(), "")])
        )
    return json_answer(wire.pretty_list(api.rows(_chosen(request, api.engine.mine(user), view))))


def _chosen(request: Request, sessions: list[Session], view: str) -> list[Session]:
    """Filter by kind and status, whatever the case of their letters (contract 2.1)."""
    kind, status = request.first("type"), request.first("status")
    if status is not None:
        sessions = [s for s in sessions if s.status.lower() == status.lower()]
    if view.lower() == "interactive":
        return [s for s in sessions if s.kind != HEADLESS]
    # The apps of desktops are shown to who asks for them.
    return [s for s in sessions if (s.kind != DESKTOP_APP if kind is None else s.kind == kind.lower())]


def _one(api: Api, request: Request, user: str, wanted_id: str) -> Response:
    check_id(wanted_id)
    session, view = api.engine.find(user, wanted_id), request.first("view")
    if view == "logs":
        return _logs(api, session)
    if view == "events":
        if session is None:
            raise RefusedError(404, f"session {wanted_id} not found.")
        # With several pods the real platform finds no events (contract 5.2).
        return text(200, events.table([] if api.engine.apps(session) else api.engine.events(session)))
    if session is None:
        raise RefusedError(404, f"session {wanted_id} not found")
    return json_answer(wire.pretty(*api.rows([session])))


def _logs(api: Api, session: Session | None) -> Response:
    """Send what a session has said, and then what its apps have (contract 5.1)."""
    if session is None:
        return Response(200, "", "text/plain")
    parts = [api.engine.logs.reading(each) for each in (session, *api.engine.apps(session))]
    return Response(200, "", "text/plain", parts=parts)


async def create_or_change(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """POST session, POST session/ID."""
    if rest:
        return await _change(api, request, user, rest[0])
    mine = api.engine.mine(user)
    active = sum(session.active and session.kind not in (HEADLESS, DESKTOP_APP) for session in mine)
    session = await api.engine.create(wanted(request, user, active, api.engine.site.limits))
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
    limits = api.engine.site.limits
    return json_answer(wire.compact(wire.context(limits.sessions, limits.offered_gpus)))


async def image(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """GET image; the kind is matched to the letter (contract 9.1)."""
    kind = request.first("type") or ""
    if kind and kind not in IMAGE_KINDS:
        raise RefusedError(400, f"unknown type: {kind}")
    images = [image for image in api.engine.site.puller.usable() if not kind or kind in image.kinds]
    return json_answer(wire.pretty_list(wire.image_rows(images)))


async def repository(api: Api, request: Request, user: str, rest: list[str]) -> Response:
    """GET repository."""
    return json_answer(wire.compact([HOST]))


RESOURCES: dict[str, dict[str, Handler]] = {
    "session": {"GET": list_or_one, "POST": create_or_change, "DELETE": delete},
    "context": {"GET": context},
    "image": {"GET": image},
    "repository": {"GET": repository},
}
APP: dict[str, Handler] = {"GET": apps.show, "POST": apps.add, "DELETE": apps.delete}
