"""`serve`: run the platform until it is told to stop."""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

from .faults import Faults
from .kinds import Limits
from .machine import UnusableError
from .rules import RefusedError
from .serve import DEFAULT_DATA, Options, check_name, run, usual_user
from .shim import PR_SET_PDEATHSIG, prctl
from .signin import TOKEN_LIFE

LIMITS = {
    "--max-sessions": ("sessions", "interactive sessions a person may have at a time"),
    "--lifetime": ("lifetime", "seconds an interactive session may run"),
    "--headless-lifetime": ("headless_lifetime", "seconds a headless session may run"),
    "--keep": ("keep", "seconds a finished interactive session stays listed"),
    "--headless-keep": ("headless_keep", "seconds a finished headless session stays listed"),
    "--grace": ("grace", "seconds between asking a session to end and killing it"),
    "--capacity-cores": ("capacity_cores", "cores that sessions may ask for together; 0 for the machine's"),
    "--capacity-ram": ("capacity_ram", "GiB that sessions may ask for together; 0 for the machine's"),
    "--passing": ("passing", "seconds that smaller sessions may pass a large one that waits for room"),
    "--gpus": ("gpus", "GPUs that may be asked for; more than the machine has, to try out how that looks"),
    "--log-size": ("log_size", "bytes of output after which a running session's log begins anew"),
    "--backoff": ("backoff", "seconds before a failed pull is tried again, doubled each time"),
}


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="python -m sessions_app.local [serve]",
        description=__doc__,
        epilog="Other commands: `image` and `user`, each with its own --help.",
    )
    parser.add_argument("--port", type=int, default=8001, help="on loopback; nothing else is listened on")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="where everything is kept")
    parser.add_argument("--user", default=usual_user(), help="the first user's name")
    parser.add_argument("--images", type=Path, help="where pulled images are kept, to share them")
    parser.add_argument(
        "--token-life", type=float, default=TOKEN_LIFE, metavar="N", help="seconds a password login lasts"
    )
    parser.add_argument(
        "--faults",
        nargs="?",
        const="",
        metavar="FILE",
        help="let tests ask for faults at /faults; the first rules may come from a file",
    )
    parser.add_argument(
        "--with-parent", type=int, metavar="PID", help="end when this process ends, our parent"
    )
    usual = Limits()
    for name, (field, meaning) in LIMITS.items():
        default = getattr(usual, field)
        kind = int if default is None else type(default)
        parser.add_argument(name, dest=field, type=kind, default=default, metavar="N", help=meaning)
    return parser


def main(arguments: list[str]) -> int:
    """Serve."""
    given = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    if given.with_parent is not None:
        _end_with(given.with_parent)
    run(_options(given))
    return 0


def _end_with(parent: int) -> None:
    """Let the kernel tell us when our parent ends, however that happens."""
    prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:
        raise UnusableError("What started the platform has ended, so it does not start.")


def _options(given: argparse.Namespace) -> Options:
    return Options(
        port=given.port,
        data=given.data.absolute(),
        user=check_name(given.user),
        images=given.images.absolute() if given.images else None,
        limits=Limits(**{field: getattr(given, field) for field in Limits.__dataclass_fields__}),
        token_life=given.token_life,
        faults=None if given.faults is None else _faults(given.faults),
    )


def _faults(file: str) -> Faults:
    faults = Faults()
    try:
        if file:
            faults.replace(Path(file).read_bytes())
    except OSError as error:
        raise UnusableError(f"{file} cannot be read: {error.strerror}.") from error
    except RefusedError as refused:
        raise UnusableError(f"{file}: {refused.text}") from refused
    return faults
