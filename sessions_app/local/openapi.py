"""The OpenAPI document of everything that is served, but for the faults that tests ask for."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from . import shapes
from .kinds import IMAGE_KINDS
from .shapes import Schema, many, ref

Content = Mapping[str, Schema | None]

FORM = "application/x-www-form-urlencoded"
JSON, PLAIN, XML, HTML = "application/json", "text/plain", "text/xml", "text/html"
ABOUT = """
A Skaha for one machine: it answers as the CANFAR Science Platform does and runs sessions as processes. It is for
trying out and for tests, not for production.

Errors are one sentence in plain text. A form may also be sent in the query, with the form's content type and an empty
body, as the `canfar` client does. There is no paging, and nothing follows: to see a change, ask again.
"""
REASONS = {
    "400": "Something is missing or wrong; the text says what.",
    "401": "Nobody is signed in: the token is missing, not ours, or has expired.",
    "403": "This person may not use the platform, or the request comes from a web page of another site.",
    "404": "There is no such thing, or it is somebody else's.",
    "405": "The path does not know this method; `allow` names those that it does.",
    "413": "The request is too large.",
    "421": "This host name is not served.",
    "431": "The request's head is too large.",
    "500": "The platform failed. By its contract `type=desktop-app` ends here too.",
    "503": "Not now; `retry-after` says in how many seconds.",
}
HEADERS = {
    "401": {"WWW-Authenticate": {"required": True, "schema": shapes.TEXT}},
    "405": {"Allow": {"required": True, "schema": shapes.TEXT}},
    "503": {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
}
EVERYWHERE = ("400", "404", "421", "431")
SIGNED = ("401", "403", "413", "500")
VOUCHED = {"x-vo-authenticated": {"required": True, "schema": shapes.TEXT}}

ID = {"name": "id", "in": "path", "required": True, "schema": shapes.LABEL}
APP_ID = {"name": "app", "in": "path", "required": True, "schema": shapes.LABEL}


@cache
def document() -> dict[str, Any]:
    """Compose the document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Local science platform", "version": "1.4.0", "description": ABOUT.strip()},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": "sessions"}, {"name": "platform"}, {"name": "people"}],
        "paths": {**_sessions(), **_apps(), **_platform(), **_people()},
        "components": {
            "schemas": shapes.NAMED,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From the first start, or a login.",
                }
            },
        },
    }


def _sessions() -> dict[str, Any]:
    views = {"type": "string", "enum": ["stats", "all", "interactive"]}
    listed = {"anyOf": [many(ref("Session")), many(ref("PublicSession")), ref("Stats")]}
    parts = {"type": "string", "enum": ["logs", "events"]}
    one = {JSON: ref("Session"), PLAIN: shapes.TEXT}
    return {
        "/skaha/v1/session": {
            "get": _signed(
                "sessions",
                "List one's sessions, everybody's in short (`view=all`), or the state of the machine (`view=stats`).",
                {JSON: listed},
                _query(view=views, type=shapes.TEXT, status=shapes.TEXT),
            ),
            "post": _signed(
                "sessions",
                "Launch a session; the answer is its id.",
                {PLAIN: _line("[a-z][a-z0-9]{7}")},
                form=shapes.NEW_SESSION,
            ),
            "delete": _signed("sessions", "Refused: sessions are deleted one by one.", None),
        },
        "/skaha/v1/session/{id}": {
            "parameters": [ID],
            "get": _signed("sessions", "Read a session, its logs or its events.", one, _query(view=parts)),
            "post": _signed("sessions", "Renew a session: its full time, from now.", {}, form=shapes.CHANGE),
            "delete": _signed("sessions", "Delete a session; a success whatever was there.", {}),
        },
    }


def _apps() -> dict[str, Any]:
    listed = {"anyOf": [many(ref("Session")), many(ref("PublicSession"))]}
    given = _query(view={"type": "string", "enum": ["all"]}, status=shapes.TEXT)
    return {
        "/skaha/v1/session/{id}/app": {
            "parameters": [ID],
            "get": _signed("sessions", "List the apps of all of one's desktops.", {JSON: listed}, given),
            "post": _signed(
                "sessions",
                "Open an app in a desktop; the answer is its id.",
                {PLAIN: _line("[a-z0-9]{3}")},
                form=shapes.NEW_APP,
            ),
            "delete": _signed("sessions", "Refused: name the app.", None),
        },
        "/skaha/v1/session/{id}/app/{app}": {
            "parameters": [ID, APP_ID],
            "get": _signed("sessions", "Read an app.", {JSON: ref("Session")}),
            "post": _signed("sessions", "Refused: an app cannot be changed.", None),
            "delete": _signed("sessions", "Close an app; a success whatever was there.", {}),
        },
    }


def _platform() -> dict[str, Any]:
    kinds = {"type": "string", "enum": ["", *IMAGE_KINDS]}
    detail = {"type": "string", "enum": ["min"]}
    hosts = {**many(shapes.TEXT), "minItems": 1}
    return {
        "/skaha/v1/context": {
            "get": _signed("platform", "Read what can be asked for.", {JSON: ref("Context")})
        },
        "/skaha/v1/image": {
            "get": _signed(
                "platform",
                "List the images that can run here.",
                {JSON: many(ref("Image"))},
                _query(type=kinds),
            )
        },
        "/skaha/v1/repository": {
            "get": _signed("platform", "List the hosts that images come from.", {JSON: hosts})
        },
        "/skaha/capabilities": {"get": _open("platform", "Read where each service is.", {XML: None})},
        "/skaha/availability": {
            "get": _open("platform", "Read whether it is there.", {XML: None}, _query(detail=detail))
        },
        "/skaha/openapi.json": {"get": _open("platform", "Read this document.", {JSON: {"type": "object"}})},
        "/skaha": {"get": _open("platform", "Read about the platform.", {HTML: None})},
    }


def _people() -> dict[str, Any]:
    login = _open(
        "people", "Sign in: a token for 48 hours.", {PLAIN: shapes.TEXT}, form=shapes.LOGIN, signs_in=True
    )
    login["responses"]["200"]["headers"] = {**VOUCHED, "x-vo-bearer": VOUCHED["x-vo-authenticated"]}
    whoami = _signed("people", "Lead on to one's account.", None)
    whoami["responses"]["302"] = {
        "description": "To the account.",
        "headers": {**VOUCHED, "Location": {"required": True, "schema": shapes.TEXT}},
    }
    name = {"name": "name", "in": "path", "required": True, "schema": shapes.LABEL}
    given = [name, {**_query(idType={"type": "string", "enum": ["HTTP"]})[0], "required": True}]
    account = {JSON: ref("User"), XML: None}
    return {
        "/ac/login": {"post": login},
        "/ac/whoami": {"get": whoami},
        "/ac/users/{name}": {"get": _signed("people", "Read one's own account.", account, given)},
    }


def _signed(
    tag: str,
    summary: str,
    content: Content | None,
    parameters: list[dict[str, Any]] | None = None,
    *,
    form: Schema | None = None,
) -> dict[str, Any]:
    """Describe what needs somebody to be signed in."""
    operation = _operation(tag, summary, content, (*EVERYWHERE, *SIGNED), parameters, form)
    if content is not None:
        operation["responses"]["200"]["headers"] = VOUCHED
    return operation


def _open(
    tag: str,
    summary: str,
    content: Content,
    parameters: list[dict[str, Any]] | None = None,
    *,
    form: Schema | None = None,
    signs_in: bool = False,
) -> dict[str, Any]:
    """Describe what anybody may ask."""
    statuses = (*EVERYWHERE, *(("401", "403", "413", "503") if signs_in else ()))
    return {**_operation(tag, summary, content, statuses, parameters, form), "security": []}


def _operation(
    tag: str,
    summary: str,
    content: Content | None,
    statuses: tuple[str, ...],
    parameters: list[dict[str, Any]] | None,
    form: Schema | None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [tag],
        "summary": summary,
        "responses": {status: _refusal(status) for status in sorted({*statuses, "405"})},
    }
    if content is not None:
        operation["responses"]["200"] = {"description": "It worked."} | (
            {"content": {kind: {"schema": shape} if shape else {} for kind, shape in content.items()}}
            if content
            else {}
        )
    if parameters:
        operation["parameters"] = parameters
    if form is not None:
        operation["requestBody"] = {"required": True, "content": {FORM: {"schema": form}}}
    return operation


def _refusal(status: str) -> dict[str, Any]:
    described = {"description": REASONS[status], "content": {PLAIN: {"schema": shapes.TEXT}}}
    return described | ({"headers": HEADERS[status]} if status in HEADERS else {})


def _query(**schemas: Schema) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]


def _line(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^{pattern}\n$"}
