"""What is put into a server of daphne itself, once, whichever of its protocols is made first."""

from __future__ import annotations

from typing import Any

from canfarweb.serving.room import let_replies_wait


def prepare(server: Any) -> None:
    """Make each reply of this server wait for room, and add to each scope what the server can do for its application.

    A protocol of ours says it with ``extensions_for(scope)``.
    """
    if hasattr(server, "is_prepared"):
        return
    server.is_prepared = True
    let_replies_wait(server)
    create = server.create_application

    def create_application(protocol: Any, scope: dict[str, Any]) -> Any:
        return create(protocol, {**scope, "extensions": protocol.extensions_for(scope)})

    server.create_application = create_application
