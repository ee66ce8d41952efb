"""How daphne serves the portal: with limits that do not rest on clients that behave.

Daphne buffers without bound for whoever does not read, takes a body of any size, waits for ever for the rest of a head,
and leaves a socket open that it cannot close. Its server names the makers of its two protocols itself, so ours are put
in their place: by `manage.py up` and, as soon as the application is loaded, by daphne's own command.
"""

from __future__ import annotations


def install() -> None:
    """Let every server of daphne in this process speak our protocols."""
    from daphne import server

    from canfarweb.serving.requests import RequestFactory
    from canfarweb.serving.sockets import SocketFactory

    server.HTTPFactory = RequestFactory
    server.WebSocketFactory = SocketFactory
