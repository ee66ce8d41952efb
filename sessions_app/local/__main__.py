"""The command line of the local platform: `python -m sessions_app.local`."""

import argparse
import logging
import os
import sys
from pathlib import Path

from .kinds import Limits
from .machine import UnusableError
from .serve import Options, check_name, open_store, run, usual_user

LIMITS = {
    "--max-sessions": ("sessions", "interactive sessions a person may have at a time"),
    "--lifetime": ("lifetime", "seconds an interactive session may run"),
    "--headless-lifetime": ("headless_lifetime", "seconds a headless session may run"),
    "--keep": ("keep", "seconds a finished interactive session stays listed"),
    "--headless-keep": ("headless_keep", "seconds a finished headless session stays listed"),
    "--grace": ("grace", "seconds between asking a session to end and killing it"),
    "--backoff": ("backoff", "seconds before a failed pull is tried again, doubled each time"),
    "--log-size": ("log_size", "bytes of output after which a running session's log begins anew"),
    "--capacity-cores": ("capacity_cores", "cores that sessions may ask for together; 0 for the machine's"),
    "--capacity-ram": ("capacity_ram", "GiB that sessions may ask for together; 0 for the machine's"),
}
DEFAULT_DATA = Path(__file__).parents[2] / "var" / "platform"


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(prog="python -m sessions_app.local", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "user-add"], default="serve")
    parser.add_argument("name", nargs="?", help="the person to add, or to give a new token")
    parser.add_argument("--port", type=int, default=8001, help="on loopback; nothing else is listened on")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="where everything is kept")
    parser.add_argument("--user", default=usual_user(), help="the first user's name")
    parser.add_argument("--images", type=Path, help="where pulled images are kept, to share them")
    usual = Limits()
    for name, (field, meaning) in LIMITS.items():
        default = getattr(usual, field)
        parser.add_argument(name, dest=field, type=type(default), default=default, metavar="N", help=meaning)
    return parser


def main(arguments: list[str]) -> int:
    """Run the command; what cannot be is said in a sentence."""
    given = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        _check()
        if given.command == "user-add":
            return _add_user(given.data.absolute(), given.name)
        run(_options(given))
    except UnusableError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


def _check() -> None:
    if os.environ.get("CANFARWEB_PRODUCTION", "").lower() not in ("", "0", "false", "no", "off"):
        raise UnusableError(
            "The local platform runs commands as you, so it refuses to be part of production."
        )
    if not hasattr(os, "pidfd_open"):
        raise UnusableError("The local platform needs Linux 5.3 or newer.")


def _add_user(data: Path, name: str | None) -> int:
    if not name:
        raise UnusableError("Say whom to add: user-add NAME.")
    store = open_store(data)
    sys.stdout.write(store.add_user(check_name(name)) + "\n")
    store.close()
    return 0


def _options(given: argparse.Namespace) -> Options:
    limits = Limits(**{field: getattr(given, field) for field in Limits.__dataclass_fields__})
    images = given.images.absolute() if given.images else None
    return Options(given.port, given.data.absolute(), check_name(given.user), images, limits)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
