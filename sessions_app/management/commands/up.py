"""`manage.py up`: the whole portal with one command, on the local platform or on a real one."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.utils import Error as DatabaseError

from sessions_app.management import child, statics
from sessions_app.management.last_start import LOCK, LastStart
from sessions_app.models import Credential, Person, WelcomeKey

# Seconds: half a day, longer than the portal's own limit for a socket.
LONGEST = 43200
# `localhost` is both; a stranger on the other one could receive the sign-in link.
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class Command(BaseCommand):
    """Set up what is missing, start the platform, serve the portal."""

    help = "Start the portal, and with it the local platform unless --platform names a real one."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options; those that settings need are read by manage.py before."""
        parser.add_argument("--port", type=int, default=8000, help="the portal's port (8000)")
        parser.add_argument(
            "--platform-port", type=int, default=8001, help="the local platform's port (8001)"
        )
        parser.add_argument("--data", help="the folder that holds everything (var, or CANFARWEB_DATA)")
        parser.add_argument(
            "--images", help="share pulled images with other data folders: the folder they are in"
        )
        parser.add_argument(
            "--gpus", type=int, help="GPUs that the local platform offers, also where the machine has fewer"
        )
        parser.add_argument("--platform", help="a Skaha server to speak to instead (or CANFARWEB_PLATFORM)")
        parser.add_argument("--no-browser", action="store_true", help="do not open the browser")

    def handle(self, **options: Any) -> None:
        """Start both, and stop both on Ctrl-C or when the terminal closes; sessions keep running."""
        _stop_in_order()
        port = options["port"]
        claim(port, "--port")
        # What is written into the data folder is for nobody else; sessions make their files as they always did.
        self.umask = os.umask(0o077)
        lock = _only_one(Path(settings.DATA_DIR))
        platform = None if not settings.PLATFORM_IS_LOCAL else self._start_platform(port, options)
        try:
            self._prepare()
            announced = platform.announcement() if platform else None
            link = self._link(port, announced)
            platform_address = "" if announced else settings.PLATFORM_URL
            LastStart(port, platform_address, announced["user"] if announced else "").keep(
                Path(settings.DATA_DIR)
            )
            if platform:
                platform.watch(self.stderr.write)
            serve(port, lambda: self._announce(link, announced, open_browser=not options["no_browser"]))
        finally:
            if platform:
                platform.stop()
            lock.close()

    def _start_platform(self, port: int, options: dict[str, Any]) -> child.LocalPlatform:
        if port == settings.PLATFORM_PORT:
            raise CommandError(
                f"The portal and the platform cannot both have port {port}. Choose another with --port."
            )
        claim(settings.PLATFORM_PORT, "--platform-port")
        data = Path(settings.DATA_DIR) / "platform"
        return child.LocalPlatform(
            settings.PLATFORM_PORT, data, options["images"], options["gpus"], self.umask
        )

    def _prepare(self) -> None:
        try:
            call_command("migrate", interactive=False, verbosity=0)
            call_command("clearsessions")
            statics.collect_if_changed()
        except (OSError, DatabaseError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CommandError(f"The data folder {settings.DATA_DIR} cannot be written: {reason}.") from error

    def _link(self, port: int, announced: dict[str, str] | None) -> str:
        portal = f"http://{settings.PORTAL_HOST}:{port}"
        if announced is None:
            return f"{portal}/signin"
        return f"{portal}/welcome?key={welcome_key(announced['user'], announced['token'])}"

    def _announce(self, link: str, announced: dict[str, str] | None, *, open_browser: bool) -> None:
        """Print the lines that people copy; called once the portal listens, so that the link works at once."""
        lines = [f"Portal: {link}"]
        if announced is not None:
            lines += [f"export CANFAR_URL={announced['url']}", f"export CANFAR_TOKEN={announced['token']}"]
            if "password" in announced:
                signin = f"{link.partition('/welcome')[0]}/signin"
                lines.append(
                    f"Password of {announced['user']}: {announced['password']}"
                    f"  (shown only now; it signs you in at {signin}, in any browser)"
                )
        # In one piece: who reads the first line and then stops us has them all.
        self.stdout.write("\n".join(lines))
        self.stdout.flush()
        if open_browser and _has_display():
            threading.Thread(target=webbrowser.open, args=[link], daemon=True).start()


def welcome_key(name: str, token: str) -> str:
    """Return a one-time key that signs in this user of the local platform."""

    async def kept() -> Person:
        person = await Person.objects.aenter(settings.PLATFORM_KEY, name)
        await Credential.objects.akeep(person, token)
        return person

    # A link that `welcome` printed while the portal did not run goes on to work.
    return WelcomeKey.objects.make(async_to_sync(kept)(), token, beside_others=True)


def serve(port: int, ready: Callable[[], None]) -> None:
    """Serve the portal with daphne until it is told to stop; call ``ready`` once it listens."""
    from daphne.server import Server
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    from canfarweb import serving
    from canfarweb.asgi import application

    serving.install()
    listening, loop = [], cast("Any", reactor)

    def listens() -> None:
        listening.append(port)
        # Not before the server minds signals: who reads that we are ready may stop us at once.
        loop.callLater(0, ready)
        loop.callLater(0, application.start)

    def stops() -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(application.stop()))

    loop.addSystemEventTrigger("before", "shutdown", stops)
    endpoints = [f"tcp:port={port}:interface=127.0.0.1"]
    if _bindable(socket.AF_INET6, "::1", 0) is None:
        endpoints.append(f"tcp:port={port}:interface=\\:\\:1")
    Server(
        application,
        endpoints=endpoints,
        server_name="canfarweb",
        ready_callable=listens,
        websocket_timeout=LONGEST,
        # The sockets have a heartbeat of their own. Daphne's keeps each half a minute longer in memory than it lives.
        ping_interval=LONGEST,
        application_close_timeout=5,
    ).run()
    if not listening:
        raise CommandError(f"The portal could not listen on port {port}.")


def claim(port: int, option: str) -> None:
    """Say so at once when the port cannot be had, instead of after a start that fails half-way."""
    if not 1 <= port <= 65535:
        raise CommandError(f"{option} takes a port from 1 to 65535, not {port}.")
    for family, address in LOOPBACK:
        error = _bindable(family, address, port)
        if error is not None and (family == socket.AF_INET or _bindable(family, address, 0) is None):
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}). Stop what uses it, or choose another with {option}."
            )


def _bindable(family: socket.AddressFamily, address: str, port: int) -> OSError | None:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        return error
    return None


def _only_one(data: Path) -> IO[str]:
    """Hold the data folder; a second portal on it would settle what the first is about to do."""
    try:
        lock = (data / LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CommandError(
            f"Another portal runs on {data}. Stop it, or choose another folder with --data."
        ) from error
    except OSError as error:
        raise CommandError(f"The data folder {data} cannot be written: {error.strerror}.") from error
    return lock


def _stop_in_order() -> None:
    """Let a closed terminal and a plain kill end the platform too, as Ctrl-C does."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(0)

    def hang_up(number: int, frame: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    # While it serves, daphne has its own way with SIGTERM.
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, hang_up)


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
