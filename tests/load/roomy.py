"""The portal's web process, with room for a crowd and a way to look into it: `manage.py` otherwise.

`python -m tests.load.roomy up …`; CANFARWEB_SOCKETS_PER_PERSON says how many sockets one person may have, and
LOOK_INTO names the Unix socket where everybody who connects is told what the process holds.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import socket
import sys
import threading

import manage


def main() -> None:
    """Raise the limit of open files, then do what `manage.py` does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if where := os.environ.pop("LOOK_INTO", ""):
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(where)
        listening.listen()
        threading.Thread(target=_tell, args=(listening,), daemon=True).start()
    manage.main()


def _tell(listening: socket.socket) -> None:
    while True:
        asking, _ = listening.accept()
        with asking:
            gc.collect()
            tasks = sum(isinstance(each, asyncio.Task) and not each.done() for each in gc.get_objects())
            held = {"tasks": tasks, "blocks": sys.getallocatedblocks()}
            asking.sendall(json.dumps(held).encode())


if __name__ == "__main__":
    main()
