"""Sockets: closed whatever it takes, bounded in what comes and in what waits, refused with the status that is right."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from autobahn.twisted.websocket import ConnectionDeny
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from canfarweb.serving import limits
from canfarweb.serving.room import Room
from canfarweb.serving.server import prepare
from sessions_app.live.allowance import Allowance
from sessions_app.live.browsers import JUDGED
from sessions_app.live.door import asker_for_a_socket, fine

# ASGI's name for refusing a handshake with a status; and ours for what is done once the connection is gone.
DENIAL = "websocket.http.response"
GONE = "canfarweb.gone"
# Whoever floods is told this code, if they read.
TOO_MUCH = 4008


@implementer(IPushProducer)
class Socket(WebSocketProtocol):
    """One socket, from its handshake on."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._allowance = Allowance(limits.FRAMES_AT_ONCE, limits.FRAMES_A_SECOND)
        self.scope: dict[str, Any] = {}

    def extensions_for(self, scope: dict[str, Any]) -> dict[str, Any]:
        """Return what can be done about this socket, and keep who asked for it."""
        self.scope = scope
        # Each was judged before there was a socket: see `Request.process`.
        return {DENIAL: {}, GONE: self.gone, JUDGED: {}}

    def connectionMade(self) -> None:  # noqa: N802
        """Take the place of the request from which the connection comes."""
        super().connectionMade()
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Let go of whoever waits."""
        if not self.gone.done():
            self.gone.set_result(None)
        self.room.begin()
        super().connectionLost(reason)

    def pauseProducing(self) -> None:  # noqa: N802
        """Let whoever sends wait, and read nothing meanwhile: a client that does not read could go on asking."""
        self.room.end()
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """Go on."""
        self.room.begin()
        self.transport.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802
        """End with the transport."""
        self.room.begin()

    async def wait_for_room(self) -> None:
        """Wait until the client has read enough of what was sent."""
        await self.room.wait(self._abort)

    def onFrameBegin(self) -> None:  # noqa: N802
        """Count a frame, whatever it is: each costs the same."""
        super().onFrameBegin()
        if not self._allowance.take() and self.state == self.STATE_OPEN:
            fine(asker_for_a_socket(self.scope))
            self.sendCloseFrame(code=TOO_MUCH)
            self.wasClean = True
            self.dropConnection(abort=False)
            self.transport.unregisterProducer()
            self.transport.stopReading()

    def onMessageFrameBegin(self, length: int) -> None:  # noqa: N802
        """Count what there is of a message: the library's own limit holds for what we send, too."""
        super().onMessageFrameBegin(length)
        if self.message_data_total_length > limits.MESSAGE:
            self.dropConnection(abort=True)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """Hand on a message, while the socket is open."""
        if self.state == self.STATE_OPEN:
            super().onMessage(payload, isBinary)

    def onClose(self, wasClean: bool, code: int | None, reason: Any) -> None:  # noqa: N802, N803
        """Tell the application, if it was ever told of this socket."""
        if hasattr(self, "server"):
            super().onClose(wasClean, code, reason)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Do as the application says; a handshake is refused with the status that it names."""
        kind = message.get("type")
        if kind == f"{DENIAL}.start":
            self._refuse(message["status"])
        elif kind != f"{DENIAL}.body":
            super().handle_reply(message)

    def handle_exception(self, exception: BaseException) -> None:
        """End a socket whose application failed."""
        if hasattr(self, "handshake_deferred"):
            self._refuse(500)
        else:
            self.serverClose(4500)

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802
        """Close with the code, and hard where that cannot be."""
        try:
            super().serverClose(code)
        except Exception:
            self._abort()

    def serverReject(self) -> None:  # noqa: N802
        """Refuse the handshake, once."""
        if hasattr(self, "handshake_deferred"):
            super().serverReject()

    def _refuse(self, status: int) -> None:
        if hasattr(self, "handshake_deferred"):
            handshake = self.handshake_deferred
            del self.handshake_deferred
            self.server.protocol_disconnected(self)
            reason = {404: "Not Found", 429: "Too Many Requests"}.get(status, "Refused")
            handshake.errback(ConnectionDeny(code=status, reason=reason))

    def _abort(self) -> None:
        with contextlib.suppress(Exception):
            self.transport.abortConnection()


class SocketFactory(WebSocketFactory):
    """Makes a socket of ours for each handshake."""

    protocol = Socket

    def __init__(self, serving: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(serving, *arguments, **options)
        prepare(serving)

    def setProtocolOptions(self, **options: Any) -> None:  # noqa: N802
        """Take daphne's options, but no frames of a megabyte."""
        super().setProtocolOptions(**{**options, "maxFramePayloadSize": limits.MESSAGE})
