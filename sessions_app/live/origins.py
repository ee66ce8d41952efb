"""Which pages may open a socket: the portal's own, compared by scheme, host and port.

A browser opens sockets across origins and sends the cookie along, and cookies do not tell ports apart: a
session's page on the local platform would be let in by its host name alone.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings

from sessions_app.live.handshake import Application, Receive, Scope, Send
from sessions_app.live.nowhere import Complaints, refuse

foreign = Complaints("A socket was refused for its origin")

DEFAULT_PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE)

Origin = tuple[str, str, int]


class OwnOriginsOnly:
    """Refuses a handshake from elsewhere with 403, before anything else is built."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_from_here(scope):
            await self._inner(scope, receive, send)
            return
        foreign.add(_said(scope))
        await refuse(scope, receive, send, 403)


def is_from_here(scope: Scope) -> bool:
    """Whether a page of the portal opens this socket."""
    said = _said(scope)
    origin = parsed(said[0].decode("latin-1")) if len(said) == 1 else None
    return origin is not None and origin in own_origins(scope)


def _said(scope: Scope) -> list[bytes]:
    return [value for name, value in scope.get("headers", []) if name.lower() == b"origin"]


def parsed(text: str) -> Origin | None:
    """Return scheme, host and port of an origin as browsers write it; None for everything else."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    number = int(port) if port else DEFAULT_PORTS[scheme]
    return (scheme, host, number) if 0 < number < 65536 else None


def own_origins(scope: Scope) -> set[Origin]:
    """Return the portal's origins: those it was told, else the one this request was sent to."""
    told = getattr(settings, "PORTAL_ORIGINS", None) or []
    return {origin for text in told or _asked(scope) if (origin := parsed(text))}


def _asked(scope: Scope) -> list[str]:
    hosts = [value.decode("latin-1") for name, value in scope.get("headers", []) if name.lower() == b"host"]
    if len(hosts) != 1 or not _allowed(hosts[0]):
        return []
    return [f"{'https' if _is_secure(scope) else 'http'}://{hosts[0]}"]


def _allowed(host: str) -> bool:
    """Whether the host is the portal's: a name that was made to point here must not vouch for itself."""
    name = urlsplit(f"//{host}").hostname or "" if re.fullmatch(r"[\w.:\[\]-]+", host) else ""
    return name in settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS


def _is_secure(scope: Scope) -> bool:
    if scope.get("scheme") in {"wss", "https"}:
        return True
    trusted = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    if not trusted:
        return False
    name = trusted[0].removeprefix("HTTP_").replace("_", "-").lower().encode()
    return [value for key, value in scope.get("headers", []) if key.lower() == name] == [trusted[1].encode()]
