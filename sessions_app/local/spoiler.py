"""Apply faults to the API's answers. A platform started without `--faults` has nothing of this in it."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast
from urllib.parse import parse_qs

from uvicorn.protocols.http.h11_impl import H11Protocol

from .faults import Faults, Rule
from .probe import Streams
from .request import Receive, Scope, Send

log = logging.getLogger("sessions_app.local")

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Message = MutableMapping[str, Any]
PIECE = b" " * 2**16
MEGABYTE = 2**20
BROKEN = b'[{"id": "abcdefgh", "status": '


class SpoilableConnection(H11Protocol):
    """A connection whose requests can reach its transport, in order to break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hand the transport on in each request's state."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


async def connect(path: str, named: bool) -> Streams:
    """Connect to the API; under a name of its own, so that a fault finds the client at the other end."""
    if not named:
        return await asyncio.open_unix_connection(path)
    link = socket.socket(socket.AF_UNIX)
    try:
        link.setblocking(False)
        link.bind("")  # Linux then chooses a name that no other socket has.
        await asyncio.get_running_loop().sock_connect(link, path)
    except BaseException:
        link.close()
        raise
    return await asyncio.open_unix_connection(sock=link)


class Spoiler:
    """The API behind the rules: the first that matches a request is applied, the rest is passed on."""

    def __init__(self, api: App, faults: Faults, reset: Callable[[bytes], None]) -> None:
        self._api, self._faults, self._reset_client = api, faults, reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or spoil its answer."""
        rule = self._rule(scope)
        if rule is None:
            return await self._api(scope, receive, send)
        log.info("A fault was asked for: %s", rule.kind)
        return await SPOIL[rule.kind](self, rule, scope, receive, send)

    def _rule(self, scope: Scope) -> Rule | None:
        # The way to end the faults is never spoilt.
        if scope["type"] != "http" or scope["path"] == "/faults":
            return None
        view = parse_qs(scope["query_string"].decode("latin-1")).get("view", [""])[0]
        return self._faults.find(scope["method"], scope["path"], view)

    async def latency(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer."""
        await asyncio.sleep(rule.value)
        await self._api(scope, receive, send)

    async def status(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in place of the platform."""
        await self._carried_out(rule, scope, receive)
        body = b"" if rule.value in (204, 304) else rule.given.get("body", "").encode()
        headers = {"content-type": "text/plain"} | {
            name.lower(): value for name, value in rule.given.get("headers", {}).items()
        }
        await _start(send, rule.value, {**headers, "content-length": str(len(body))})
        await send({"type": "http.response.body", "body": body})

    async def reset(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        """Reset the client's connection."""
        await self._carried_out(rule, scope, receive)
        self._reset_client(_transport(scope).get_extra_info("peername"))
        await _gone(receive)

    async def truncate(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise a body, send its beginning, and close."""
        start, body = await self._answer(scope, receive)
        promised = max(len(body), rule.value + 1)
        await send({**start, "headers": _framed(start, promised)})
        await send({"type": "http.response.body", "body": body[: rule.value], "more_body": True})
        _transport(scope).close()
        await _gone(receive)

    async def oversize(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a body that is too large for anybody, or that never ends."""
        await self._carried_out(rule, scope, receive)
        left, transport = rule.value * MEGABYTE or float("inf"), _transport(scope)
        await _start(send, 200, {"content-type": "application/json"})
        while left > 0 and not transport.is_closing():
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            left -= len(PIECE)
            # A fast reader never makes `send` wait; others want their turn too.
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    async def bad_json(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a whole body that is no sound JSON."""
        await self._carried_out(rule, scope, receive)
        await _start(send, 200, {"content-type": "application/json", "content-length": str(len(BROKEN))})
        await send({"type": "http.response.body", "body": BROKEN})

    async def drip(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the true body byte by byte."""
        start, body = await self._answer(scope, receive)
        await send({**start, "headers": _framed(start, len(body))})
        for byte in body:
            if _transport(scope).is_closing():
                return await _gone(receive)
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await asyncio.sleep(rule.value)
        return await send({"type": "http.response.body", "body": b""})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
        """Let the platform answer, and keep the answer."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._api(scope, receive, keep)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])

    async def _carried_out(self, rule: Rule, scope: Scope, receive: Receive) -> None:
        """Read the request; carry it out first where the rule wants its true answer lost."""
        if rule.given.get("after"):
            await self._answer(scope, receive)
            return
        while (await receive()).get("more_body"):
            pass


SPOIL = {
    "latency": Spoiler.latency,
    "status": Spoiler.status,
    "reset": Spoiler.reset,
    "truncate": Spoiler.truncate,
    "oversize": Spoiler.oversize,
    "bad_json": Spoiler.bad_json,
    "drip": Spoiler.drip,
}


def _transport(scope: Scope) -> asyncio.Transport:
    return cast(asyncio.Transport, scope["state"]["transport"])


async def _gone(receive: Receive) -> None:
    """Wait until the server knows that the connection is closed: it would report an answer that is not whole."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _framed(start: Message, length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    return [*kept, (b"content-length", str(length).encode())]
