"""marimo behind a private unix socket: its own command line offers a port only, which everybody here could reach."""

import os
import socket
import sys
from typing import Any

import uvicorn
from marimo._cli.cli import main


class OnSocket(uvicorn.Config):
    """The server's set-up, with a socket in the place of a port."""

    path = ""

    def __init__(self, app: Any, **given: Any) -> None:
        super().__init__(app, **given, uds=self.path)


def reserve(path: str) -> None:
    """Leave a closed socket there for the server to replace: it keeps the permissions, and uses open ones if none."""
    with socket.socket(socket.AF_UNIX) as place:
        place.bind(path)
    os.chmod(path, 0o600)


if __name__ == "__main__":
    OnSocket.path = sys.argv.pop(1)
    reserve(OnSocket.path)
    uvicorn.Config = OnSocket  # type: ignore[misc, assignment]
    main(prog_name="marimo")
