"""`/ac`: sign in with a password, ask who one is, read one's own account (contract 10.1)."""

import os
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from xml.sax.saxutils import escape

from . import wire
from .request import Request, Response, text
from .rules import RefusedError
from .signin import SignIn, SignInError

Handler = Callable[["Account", Request], Awaitable[Response]]


class Account:
    """The access control service, as far as the platform's people meet it."""

    def __init__(self, signin: SignIn, who: Callable[[Request], str]) -> None:
        self._signin, self._who = signin, who

    async def answer(self, request: Request) -> Response:
        """Answer a request below `/ac`."""
        parts = request.path.split("/")[2:]
        name = parts[0] if len(parts) == 1 or (parts[0] == "users" and len(parts) == 2) else ""
        if name not in METHODS or (name == "users") != (len(parts) == 2):
            raise RefusedError(404, "There is nothing here.")
        method, handler = METHODS[name]
        if request.method != method:
            return text(405, f"unsupported: HTTP {request.method}\n", allow=method)
        return await handler(self, request)

    async def login(self, request: Request) -> Response:
        """POST login: the name and the password are in the body, never in the address, which gets logged."""
        form = dict(reversed(request.form))
        for name in ("username", "password"):
            if not form.get(name):
                raise RefusedError(400, f"Missing {name}")
        name = form["username"]
        token = await self._signin.login(name, form["password"])
        return text(200, token, x_vo_authenticated=name, x_vo_bearer=token, cache_control="no-store")

    async def whoami(self, request: Request) -> Response:
        """GET whoami: lead on to the account."""
        name = self._who(request)
        address = f"http://{request.headers['host']}/ac/users/{name}?idType=HTTP"
        return Response(302, headers={"location": address, "x-vo-authenticated": name})

    async def user(self, request: Request) -> Response:
        """GET users/NAME: one's own account; another's is as good as none."""
        name, wanted = self._who(request), request.path.rpartition("/")[2]
        if (id_type := request.first("idType")) != "HTTP":
            raise RefusedError(400, f"Invalid idType: {id_type}" if id_type else "Missing idType")
        if wanted != name:
            raise RefusedError(404, f"User not found: {wanted}")
        headers = {"x-vo-authenticated": name, "vary": "accept"}
        if "application/json" in request.headers.get("accept", ""):
            return Response(200, wire.compact(_json(name)), "application/json", headers)
        return Response(200, _xml(name), "text/xml", headers)


METHODS: dict[str, tuple[str, Handler]] = {
    "login": ("POST", Account.login),
    "whoami": ("GET", Account.whoami),
    "users": ("GET", Account.user),
}


def _facts(name: str) -> tuple[str, list[tuple[str, str]], dict[str, str]]:
    """Answer somebody's address, identities and place on the machine."""
    number = str(uuid.uuid5(uuid.NAMESPACE_URL, f"http://localhost/ac/users/{name}"))
    uid = str(os.getuid())
    posix = {"username": name, "uid": uid, "gid": str(os.getgid()), "homeDirectory": f"/home/{name}"}
    return f"ivo://localhost/gms?{number}", [("HTTP", name), ("POSIX", uid), ("CADC", number)], posix


def _json(name: str) -> dict[str, Any]:
    uri, identities, posix = _facts(name)
    return {
        "user": {
            "internalID": {"uri": {"$": uri}},
            "identities": {"$": [{"identity": {"@type": kind, "$": value}} for kind, value in identities]},
            "personalDetails": {"firstName": {"$": name}, "lastName": {"$": ""}},
            "posixDetails": {key: {"$": value} for key, value in posix.items()},
        }
    }


def _xml(name: str) -> str:
    uri, identities, posix = _facts(name)
    listed = "".join(f'<identity type="{kind}">{escape(value)}</identity>' for kind, value in identities)
    details = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in posix.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<user><internalID><uri>{escape(uri)}</uri></internalID>'
        f"<identities>{listed}</identities>"
        f"<personalDetails><firstName>{escape(name)}</firstName><lastName/></personalDetails>"
        f"<posixDetails>{details}</posixDetails></user>\n"
    )


def refusal(problem: SignInError) -> Response:
    """Turn somebody away in the platform's words (contract 1.5, 1.6)."""
    if problem.status == 401:
        return text(401, problem.text or "Unauthorized\n", WWW_Authenticate=problem.challenge)
    return text(problem.status, problem.text + "\n", Retry_After=str(problem.again))
