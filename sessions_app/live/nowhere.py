"""Handshakes that lead nowhere: refused with a status where the server can, and in a bounded line of the log."""

from __future__ import annotations

import logging
from typing import Any

from sessions_app.live.allowance import Allowance

logger = logging.getLogger(__name__)

# How a server says that it can refuse with a status (ASGI, "WebSocket Denial Response").
DENIAL = "websocket.http.response"
# Of what anybody can do as often as they like: so many lines at once, and so many a second for long.
LINES_AT_ONCE = 100
LINES_A_SECOND = 0.5
LONGEST = 200


class Complaints:
    """One kind of line of the log, cut to size, and not more often than somebody could read."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self._allowance = Allowance(LINES_AT_ONCE, LINES_A_SECOND)
        self._more = 0

    def add(self, what: object) -> None:
        """Write it, or count it."""
        if not self._allowance.take():
            self._more += 1
            return
        more = f" ({self._more} more since the last such line)" if self._more else ""
        logger.warning("%s: %s%s", self._sentence, ascii(what)[:LONGEST], more)
        self._more = 0


unknown = Complaints("A socket was asked for where there is none")


async def nowhere(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Say that there is no socket at this path."""
    unknown.add(scope["path"])
    await refuse(scope, receive, send, 404)


async def refuse(scope: dict[str, Any], receive: Any, send: Any, status: int) -> None:
    """Refuse a handshake."""
    await receive()
    if DENIAL in scope.get("extensions", {}):
        await send({"type": f"{DENIAL}.start", "status": status, "headers": []})
        await send({"type": f"{DENIAL}.body", "body": b""})
    else:
        # Closed before it was accepted, which servers answer with 403.
        await send({"type": "websocket.close"})
