"""The ASGI entry: pages by Django, sockets by Channels."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "canfarweb.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter

from sessions_app.live.handshake import PersonOfSession
from sessions_app.live.origins import OwnOriginsOnly
from sessions_app.routing import websocket_urlpatterns

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class WithoutRootPath:
    """Drop a `Daphne-Root-Path` header: any client could move the portal's links with it."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] in {"http", "websocket"}:
            headers = [pair for pair in scope["headers"] if pair[0].lower() != b"daphne-root-path"]
            scope = {**scope, "headers": headers, "root_path": ""}
        await self.application(scope, receive, send)


application = WithoutRootPath(
    ProtocolTypeRouter(
        {
            "http": django_application,
            "websocket": OwnOriginsOnly(PersonOfSession(URLRouter(websocket_urlpatterns))),
        }
    )
)
