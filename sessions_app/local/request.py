"""Requests and responses of the API, over plain ASGI."""

import asyncio
import email.message
import email.parser
import email.policy
import zlib
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from .logs import Part

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_LIMIT = 2**20
STALLED = 60.0
SERVER = "OpenCADC/cadc-rest"
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


class TooLargeError(Exception):
    """The body is larger than any request of the API needs."""


@dataclass
class Request:
    """A request, with its parameters where the platform looks for them (contract 4.1), and its body."""

    method: str
    path: str
    headers: dict[str, str]
    target: str = ""
    parameters: list[tuple[str, str]] = field(default_factory=list)
    form: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def first(self, name: str) -> str | None:
        """Answer the first value of a parameter."""
        return next((value for key, value in self.parameters if key == name), None)

    def every(self, name: str) -> list[str]:
        """Answer all values of a parameter."""
        return [value for key, value in self.parameters if key == name]


@dataclass
class Response:
    """An answer: its text, or parts of files, one after the other, as far as they are there when it begins."""

    status: int = 200
    body: str = ""
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    parts: Sequence[AbstractContextManager[Part]] | None = None


def json_answer(body: str) -> Response:
    """Answer in JSON."""
    return Response(200, body, "application/json")


def text(status: int, body: str, **headers: str) -> Response:
    """Answer in plain text; errors are nothing more (contract 11)."""
    return Response(
        status, body, "text/plain", {key.replace("_", "-"): value for key, value in headers.items()}
    )


async def read(scope: Scope, receive: Receive) -> Request:
    """Read a request with its parameters."""
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    raw_query: bytes = scope["query_string"]
    target = (scope["raw_path"] + b"?" * bool(raw_query) + raw_query).decode("latin-1")
    request, query = Request(scope["method"], scope["path"], headers, target), _pairs(raw_query)
    request.body, kind = await _body(receive), headers.get("content-type", "")
    if request.method != "POST":
        request.parameters = query
    elif kind.lower().startswith(FORM):
        request.form = _pairs(request.body)
        request.parameters = query + request.form
    elif kind.lower().startswith(MULTIPART):
        request.parameters = request.form = _fields(kind, request.body)
    return request


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise TooLargeError
        if not message.get("more_body"):
            return bytes(body)


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    return parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)


def _fields(content_type: str, body: bytes) -> list[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    parts = message.iter_parts() if message.is_multipart() else ()
    return [
        (str(part.get_param("name", header="content-disposition")), _content(part))
        for part in parts
        if isinstance(part, email.message.EmailMessage)
    ]


def _content(part: email.message.EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


async def send_response(response: Response, request: Request, send: Send) -> None:
    """Send an answer; a file goes out piece by piece, compressed if the client takes that."""
    headers = {"server": SERVER, **response.headers}
    if response.content_type:
        headers["content-type"] = response.content_type
    if response.parts is not None:
        return await _send_parts(
            response, headers, "gzip" in request.headers.get("accept-encoding", ""), send
        )
    body = response.body.encode()
    headers["content-length"] = str(len(body))
    await _start(send, response.status, headers)
    await send({"type": "http.response.body", "body": body})
    return None


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [
        (key.lower().encode("latin-1"), value.encode("latin-1", "replace")) for key, value in headers.items()
    ]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _send_parts(response: Response, headers: dict[str, str], gzip: bool, send: Send) -> None:
    with ExitStack() as stack:
        parts = [stack.enter_context(part) for part in response.parts or ()]
        # A writer goes on while we read: what is there now is the answer, and no byte more.
        size = sum(part.size for part in parts)
        headers |= (
            {"content-encoding": "gzip", "vary": "accept-encoding"} if gzip else {"content-length": str(size)}
        )
        await _start(send, response.status, headers)
        packer = zlib.compressobj(1, wbits=31) if gzip else None
        for part in parts:
            await _send_part(part, packer, send)
    await send({"type": "http.response.body", "body": packer.flush() if packer else b""})


async def _send_part(part: Part, packer: Any, send: Send) -> None:
    while part.size and (piece := await asyncio.to_thread(_piece, part, packer)) is not None:
        # What has not been sent is kept on the disk: not for ever for one who does not take it.
        async with asyncio.timeout(STALLED):
            await send({"type": "http.response.body", "body": piece, "more_body": True})


def _piece(part: Part, packer: Any) -> bytes | None:
    raw = part.read()
    if not raw:
        return None
    return packer.compress(raw) if packer else raw
