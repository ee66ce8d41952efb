"""The ASGI entry: pages by Django, sockets by Channels."""

import gc
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "canfarweb.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter
from django.urls import get_resolver

from canfarweb import serving
from sessions_app.connections import close_all
from sessions_app.live.browsers import FewRequests
from sessions_app.live.feeds import registry
from sessions_app.live.keeper import keeper
from sessions_app.live.memory import memory
from sessions_app.routing import sockets

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

# Daphne's own command loads us before it listens; under another server none of this is needed or there.
if "daphne.server" in sys.modules:
    serving.install()


class WithoutRootPath:
    """Drop a `Daphne-Root-Path` header: any client could move the portal's links with it."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] in {"http", "websocket"}:
            headers = [pair for pair in scope["headers"] if pair[0].lower() != b"daphne-root-path"]
            scope = {**scope, "headers": headers, "root_path": ""}
        await self.application(scope, receive, send)


class WithKeeper:
    """Keep what sessions leave behind, for as long as the server runs."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        # Not every server says when it starts.
        self.start()
        await self.application(scope, receive, send)

    def start(self) -> None:
        """Begin, unless it has begun; called on the server's event loop."""
        keeper().start()
        memory().start()

    async def stop(self) -> None:
        """End what runs beside the requests."""
        await keeper().stop()
        await memory().stop()
        await registry().close()
        await close_all()

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            said = (await receive())["type"]
            if said == "lifespan.startup":
                self.start()
            else:
                await self.stop()
            await send({"type": f"{said}.complete"})
            if said == "lifespan.shutdown":
                return


# What was loaded stays: looked through again and again by the collector of garbage, it holds everybody up for a quarter
# of a second each time. Addresses are read at the first request otherwise.
get_resolver().url_patterns  # noqa: B018
gc.collect()
gc.freeze()

application = WithKeeper(
    WithoutRootPath(ProtocolTypeRouter({"http": FewRequests(django_application), "websocket": sockets}))
)
