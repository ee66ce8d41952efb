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
from .faults import Faults
from .gateway import Gateway
from .kinds import Limits
from .limits import Cores, find_enforcement
from .machine import UnusableError, hold, own_folder, runtime_folder
from .people import People
from .place import Site
from .pull import Puller
from .signin import TOKEN_LIFE, Signer, SignIn
from .spoiler import SpoilableConnection, Spoiler, connect
from .store import Store

log = logging.getLogger("sessions_app.local")

API_SOCKET = "api.sock"
STATE = "state.sqlite3"
DEFAULT_DATA = Path(__file__).parents[2] / "var" / "platform"
STARTS_PER_CORE = 4
# Seconds that a connection may rest between two requests.
RESTING = 60
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Options:
    """How a platform is to be run."""

    port: int
    data: Path
    user: str
    images: Path | None
    limits: Limits
    token_life: float = TOKEN_LIFE
    faults: Faults | None = None


class QuietServer(uvicorn.Server):
    """A server that leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


@dataclass(frozen=True)
class First:
    """The first user and their token; the password only when both were made just now."""

    name: str
    token: str
    password: str | None


def open_store(data: Path) -> Store:
    """Open the state in a data folder that is ours."""
    own_folder(data)
    return Store(data / STATE)


def first_user(store: Store, people: People, data: Path, wanted: str) -> First:
    """Answer the first user, whose token stays the same over restarts."""
    name = store.meta("first_user", wanted)
    path = data / "token"
    with suppress(OSError):
        return First(name, path.read_text().strip(), None)
    password = None if people.known(name) else people.add(name)
    token = people.new_token(name)
    keep_first_token(data, token)
    return First(name, token, password)


def keep_first_token(data: Path, token: str) -> None:
    """Keep the first user's token where the next start finds it."""
    path = data / "token"
    path.touch(mode=0o600)
    path.write_text(token + "\n")


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
    people = People(options.data / STATE)
    first = first_user(store, people, options.data, options.user)
    api_path = engine.site.runtime / API_SOCKET
    gateway = Gateway(engine, lambda: connect(str(api_path), named=options.faults is not None))
    api = Api(engine, _sign_in(options, store, people), options.port, options.faults)
    server = QuietServer(_config(Spoiler(api, options.faults, gateway.reset) if options.faults else api))
    stop = _stop_signals()
    serving = asyncio.create_task(server.serve([_private_socket(api_path)]))
    try:
        await engine.start()
        await _listen(gateway, options.port)
        _ready(options.port, first)
        await asyncio.wait([serving, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await gateway.stop()
        server.should_exit = server.force_exit = True
        await engine.stop()
        await asyncio.wait([serving], timeout=1)
        api_path.unlink(missing_ok=True)
        people.close()
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


def _sign_in(options: Options, store: Store, people: People) -> SignIn:
    secret = bytes.fromhex(store.meta("signing", secrets.token_hex(32)))
    return SignIn(people, Signer(secret, options.token_life))


def _config(api: Api | Spoiler) -> uvicorn.Config:
    return uvicorn.Config(
        api,
        http=SpoilableConnection if isinstance(api, Spoiler) else "auto",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        # Longer than clients let a connection rest, so that none is closed in the instant in which it is used again.
        timeout_keep_alive=RESTING,
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


def _ready(port: int, first: First) -> None:
    log.info("The local platform answers on port %d. It is not for production.", port)
    url = f"http://localhost:{port}/skaha/v1"
    word: dict[str, object] = {"ready": True, "url": url, "user": first.name, "token": first.token}
    if first.password:
        word["password"] = first.password
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()
    # A program that reads the word tells people what is in it.
    if first.password and sys.stdout.isatty():
        sys.stderr.write(
            f"The password of {first.name} is {first.password}. It is for http://localhost:{port}/ac/login"
            f" and is shown only now.\n"
        )


def _raise_file_limit() -> None:
    """Each live session and each connection holds a descriptor or two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
