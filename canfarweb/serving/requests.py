"""Requests: a cap on their bodies, a time for their arrival, and answers that wait for who reads them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.web.http import HTTPChannel

from canfarweb.serving import limits
from canfarweb.serving.idle import Idle
from canfarweb.serving.room import Room
from canfarweb.serving.server import prepare
from sessions_app.live.door import asker_for_a_socket, lets_in
from sessions_app.live.staying import BREAK_OFF

REASONS = {408: b"Request Timeout", 413: b"Content Too Large", 429: b"Too Many Requests"}
SENTENCES = {
    429: b"Your browser opens more sockets than the portal takes. Pages go on without; try again in a few seconds.\n",
    408: b"The request took too long to arrive, so it was not read to its end. Nothing was done.\n",
    413: b"This is larger than the portal takes (1 MiB), so it was not read. Nothing was done.\n",
}


class Request(WebRequest):
    """One request and its answer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Django reads forms; read here as well, a form would cost its size several times over.
        self._parsePOSTFormSubmission = False
        self._taken = 0

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a piece of the body, as long as all of it is not too large."""
        self._taken += len(data)
        if self._taken > limits.BODY:
            self.channel.refuse(413)
        else:
            super().handleContentChunk(data)

    def process(self) -> Any:
        """Refuse a handshake that comes too often, before a socket is made of it."""
        upgrade = self.requestHeaders.getRawHeaders(b"Upgrade", [b""])[0]
        if upgrade.lower() == b"websocket" and not lets_in(asker_for_a_socket(self._as_scope())):
            self.channel.refuse(429)
            return None
        return super().process()

    def _as_scope(self) -> dict[str, Any]:
        pairs = self.requestHeaders.getAllRawHeaders()
        headers = [(name.lower(), value) for name, values in pairs for value in values]
        client = [getattr(self.client, "host", "unknown")]
        return {"scheme": "wss" if self.isSecure() else "ws", "headers": headers, "client": client}

    def extensions_for(self, scope: dict[str, Any]) -> dict[str, Any]:
        """Return what can be done about this request; it knows its channel only until it is answered."""
        return {BREAK_OFF: partial(self._break_off, self.channel)}

    def _break_off(self, channel: Channel) -> None:
        """Close the connection hard while something of this answer is still to be sent."""
        if channel.transport is not None and (not self.finished or channel.is_closing):
            channel.abort()

    async def wait_for_room(self) -> None:
        """Wait until the client has read enough of what was sent."""
        channel = getattr(self, "channel", None)
        if channel is not None and not self.finished:
            await channel.room.wait(channel.abort)

    def handle_exception(self, exception: BaseException) -> None:
        """Say that something failed; of an answer that has begun, break the connection off, so that it is noticed."""
        channel = getattr(self, "channel", None)
        if self._response_started and channel is not None:
            channel.abort()
        else:
            super().handle_exception(exception)


class Channel(HTTPChannel):
    """One connection, on which requests come one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room()
        self._arrival: Any = None
        self._refused = False
        self._read_since = 0

    def connectionMade(self) -> None:  # noqa: N802
        """Give the first request its time."""
        super().connectionMade()
        self._expect()
        self.factory.idle.add(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Read on, unless this was refused: then only so much that the client gets to reading the answer."""
        if self._refused:
            self._pass_over(len(data))
            return
        self._read_since += len(data)
        if not self._handlingRequest:
            self._expect()
        super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take a piece of a body."""
        if not self._refused:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:  # noqa: N802
        """Refuse a body by what is said of its size, before any of it is asked for."""
        if self.length is not None and self.length > limits.BODY:
            self.refuse(413)
        else:
            super().allHeadersReceived()

    def allContentReceived(self) -> None:  # noqa: N802
        """Hand the request on: its time to arrive is over."""
        if not self._refused:
            self._calm()
            self.factory.idle.remove(self)
            super().allContentReceived()

    def requestDone(self, request: Any) -> None:  # noqa: N802
        """Go on with the next request, of which a part may be here."""
        self._read_since = 0
        super().requestDone(request)
        if self.is_closing:
            # What is left of the answer waits for its reader like any other, and no longer.
            self._arrival = self.callLater(limits.STALLED, self.abort)
        elif self.transport is not None and not self._handlingRequest:
            self.factory.idle.add(self)
        if not self._handlingRequest and (self.requests or self._buffer):
            self._expect()

    def pauseProducing(self) -> None:  # noqa: N802
        """Let whoever sends wait: the client does not keep up."""
        self.room.end()
        super().pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """Go on sending."""
        self.room.begin()
        super().resumeProducing()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Let go of whoever waits."""
        self._calm()
        self.factory.idle.remove(self)
        self.room.begin()
        super().connectionLost(reason)

    def refuse(self, status: int) -> None:
        """Answer at once, read no more than a little, and close whatever the client does."""
        if self._refused:
            return
        self._refused = True
        self._calm()
        self.setTimeout(None)
        self.factory.idle.remove(self)
        body = SENTENCES[status]
        head = b"HTTP/1.1 %d %s\r\nConnection: close\r\n" % (status, REASONS[status])
        head += b"Retry-After: 5\r\n" if status == 429 else b""
        head += b"Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
        self.transport.write(
            head + b"Cache-Control: no-store\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        self._arrival = self.callLater(limits.FAREWELL, self.abort)

    @property
    def is_closing(self) -> bool:
        """Whether it closes once the rest of its last answer is sent."""
        return self.transport is not None and bool(getattr(self.transport, "disconnecting", False))

    def abort(self) -> None:
        """Close hard."""
        self.transport.abortConnection()

    def _pass_over(self, size: int) -> None:
        self._read_since += size
        if self._read_since >= limits.READ_OF_REFUSED:
            self._networkProducer.pauseProducing()

    def _expect(self) -> None:
        if self._arrival is None:
            self._arrival = self.callLater(limits.ARRIVAL, self._too_late)

    def _too_late(self) -> None:
        self._arrival = None
        if self.requests or self._buffer:
            self.refuse(408)
        else:
            self.abort()

    def _calm(self) -> None:
        if self._arrival is not None:
            with suppress(AlreadyCalled, AlreadyCancelled):
                self._arrival.cancel()
            self._arrival = None


class RequestFactory(HTTPFactory):
    """Makes a channel of ours for each connection."""

    protocol = Channel

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        prepare(server)
        self.idle = Idle()
        server.endpoints = [_patient(each) for each in server.endpoints]

    def buildProtocol(self, addr: Any) -> Channel:  # noqa: N802
        """Return the channel for a new connection."""
        channel: Channel = super().buildProtocol(addr)
        channel.requestFactory = Request
        return channel

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802
        """Speak HTTP/1.1 alone: daphne's other protocol knows none of these limits."""
        return [b"http/1.1"]


def _patient(endpoint: str) -> str:
    """Return the endpoint with a longer line of connections that wait to be taken than the library's fifty."""
    has_one = endpoint.startswith(("tcp:", "ssl:", "unix:")) and ":backlog=" not in endpoint
    return f"{endpoint}:backlog={limits.BACKLOG}" if has_one else endpoint
