"""What the programs share: a private unix socket, the headers of a page, files to serve, and a quiet end."""

import argparse
import asyncio
import signal
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

HERE = Path(__file__).parent
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

Routes = list[tuple[str, type[tornado.web.RequestHandler], dict[str, Any]]]


class Answer(tornado.web.RequestHandler):
    """An answer that no other page may frame, sniff or learn the address of."""

    policy = POLICY

    def set_default_headers(self) -> None:
        """Set what every answer carries."""
        self.clear_header("Server")
        self.set_header("Content-Security-Policy", self.policy)
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Content-Type-Options", "nosniff")

    def write_error(self, status_code: int, **more: Any) -> None:
        """Say in plain words what is wrong."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._reason}\n")


class Health(Answer):
    """The answer to the platform's probe."""

    def get(self) -> None:
        """Answer that we answer."""
        self.finish("ok\n")


class Files(Answer, tornado.web.StaticFileHandler):
    """Files of one folder, and of nothing outside of it."""

    def set_extra_headers(self, path: str) -> None:
        """Let the browser keep a file for as long as the session may live, but ask whether it is still right."""
        self.set_header("Cache-Control", "no-cache")


class Page(Answer):
    """One page, with a few words put into it."""

    def initialize(self, name: str, words: dict[str, str], **more: Any) -> None:
        """Take the page's file, its words, and what else a kind of page needs."""
        self.page, self.words, self.more = name, words, more

    def show(self) -> None:
        """Send the page; what is put in is escaped."""
        self.set_header("Cache-Control", "no-store")
        self.render(str(HERE / self.page), **self.words)


def arguments(*more: str) -> argparse.Namespace:
    """Read what the platform says: where to listen, under which path, with which files."""
    parser = argparse.ArgumentParser()
    for name in ("socket", "base", "root", "name", *more):
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


def secret(given: argparse.Namespace) -> str:
    """Read what the platform does not say on the command line, which everybody on the machine can read."""
    return Path(given.secret_file).read_text()


def files(pattern: str, folder: Path) -> tuple[str, type[tornado.web.RequestHandler], dict[str, Any]]:
    """Route a path to the files of a folder."""
    return pattern, Files, {"path": str(folder)}


def asked_to_end() -> asyncio.Event:
    """Wait for this to be told to end."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


def listen(routes: Routes, base: str, path: str, **settings: Any) -> None:
    """Serve under a path of ours, on a socket that only we can reach."""
    own = [files("/((?:[a-z0-9]+)\\.js)", HERE), ("/health", Health, {})]
    rules = [(base + pattern, handler, given) for pattern, handler, given in [*routes, *own]]
    application = tornado.web.Application(
        rules,
        default_handler_class=tornado.web.ErrorHandler,
        default_handler_args={"status_code": 404},
        websocket_ping_interval=30,
        log_function=lambda handler: None,  # What the program prints is the session's log, not each request.
        **settings,
    )
    server = tornado.httpserver.HTTPServer(application)
    server.add_socket(tornado.netutil.bind_unix_socket(path, mode=0o600))
