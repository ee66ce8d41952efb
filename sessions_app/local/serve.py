"""Put the parts together: folders, store, engine, API and gateway, until we are told to stop."""

import asyncio
import json
import logging
import os
import re
import resource
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from . import machine
from .app import Api
from .engine import Engine
from .gateway import Gateway
from .kinds import Limits
from .limits import Cores, find_enforcement
from .machine import UnusableError, hold, own_folder, runtime_folder
from .place import Site
from .pull import Puller
from .store import Store

log = logging.getLogger("sessions_app.local")

API_SOCKET = "api.sock"
STARTS_PER_CORE = 4
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Options:
    """How a platform is to be run."""

    port: int
    data: Path
    user: str
    images: Path | None
    limits: Limits


class QuietServer(uvicorn.Server):
    """A server that leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


def open_store(data: Path) -> Store:
    """Open the state in a data folder that is ours."""
    own_folder(data)
    return Store(data / "state.sqlite3")


def first_user(store: Store, data: Path, wanted: str) -> tuple[str, str]:
    """Answer the first user and their token, which stays the same over restarts."""
    name = store.meta("first_user", wanted)
    path = data / "token"
    with suppress(OSError):
        return name, path.read_text().strip()
    token = store.add_user(name)
    path.touch(mode=0o600)
    path.write_text(token + "\n")
    return name, token


def check_name(name: str) -> str:
    """Refuse a person's name that cannot be a label's value and a folder's name."""
    if not NAME.fullmatch(name):
        raise UnusableError(f"{name!r} cannot be a person's name: use letters, digits, dots and dashes.")
    return name


def usual_user() -> str:
    """Name the first user: as the system does, unless that is root or no name for a person."""
    name = os.environ.get("USER") or os.environ.get("LOGNAME") or ""
    return name if NAME.fullmatch(name) and name != "root" else "astronomer"


def run(options: Options) -> None:
    """Run a platform until it is told to stop."""
    _raise_file_limit()
    own_folder(options.data)
    lock = hold(options.data / "lock")
    try:
        asyncio.run(_run(options))
    finally:
        os.close(lock)


async def _run(options: Options) -> None:
    store = open_store(options.data)
    engine = Engine(store, _site(options, store))
    user, token = first_user(store, options.data, options.user)
    api_path = engine.site.runtime / API_SOCKET
    server = QuietServer(_config(Api(engine, store, options.port)))
    gateway = Gateway(engine, lambda: asyncio.open_unix_connection(str(api_path)))
    stop = _stop_signals()
    serving = asyncio.create_task(server.serve([_private_socket(api_path)]))
    try:
        await engine.start()
        await _listen(gateway, options.port)
        _ready(options.port, user, token)
        await asyncio.wait([serving, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await gateway.stop()
        server.should_exit = server.force_exit = True
        await engine.stop()
        await asyncio.wait([serving], timeout=1)
        api_path.unlink(missing_ok=True)
        store.close()


def _site(options: Options, store: Store) -> Site:
    platform = store.meta("platform", secrets.token_hex(8))
    for name in ("sessions", "home"):
        own_folder(options.data / name)
    return Site(
        platform=platform,
        data=options.data,
        runtime=runtime_folder(options.data, platform[:8]),
        hostname=socket.gethostname(),
        limits=options.limits,
        puller=Puller(own_folder(options.images or options.data / "images")),
        starts=asyncio.Semaphore(STARTS_PER_CORE * machine.cores()),
        heavy_starts=asyncio.Semaphore(machine.cores()),
        enforcement=find_enforcement(),
        cores=Cores(),
    )


def _config(api: Api) -> uvicorn.Config:
    return uvicorn.Config(
        api,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )


def _private_socket(path: Path) -> socket.socket:
    """Listen on a socket that only we can reach; the gateway is in front of it."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(512)
    return listener


async def _listen(gateway: Gateway, port: int) -> None:
    try:
        await gateway.start(port)
    except OSError as error:
        raise UnusableError(
            f"Port {port} cannot be used: {error.strerror}. Choose another one with --port."
        ) from error


def _stop_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _ready(port: int, user: str, token: str) -> None:
    log.info("The local platform answers on port %d. It is not for production.", port)
    word = {"ready": True, "url": f"http://localhost:{port}/skaha/v1", "user": user, "token": token}
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()


def _raise_file_limit() -> None:
    """Each live session and each connection holds a descriptor or two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
