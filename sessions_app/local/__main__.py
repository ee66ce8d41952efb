"""The command line of the local platform: `python -m sessions_app.local COMMAND`; without one it serves."""

import os
import sys

from . import image_command, serve_command, user_command
from .machine import UnusableError

# Each takes its arguments and answers an exit status.
COMMANDS = {
    "image": image_command.main,
    "serve": serve_command.main,
    "user": user_command.main,
}


def main(arguments: list[str]) -> int:
    """Run the command; what cannot be is said in a sentence."""
    word = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    try:
        _check()
        return COMMANDS[word or "serve"](arguments[1:] if word else arguments)
    except UnusableError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


def _check() -> None:
    if os.environ.get("CANFARWEB_PRODUCTION", "").lower() not in ("", "0", "false", "no", "off"):
        raise UnusableError(
            "The local platform runs commands as you, so it refuses to be part of production."
        )
    if not hasattr(os, "pidfd_open"):
        raise UnusableError("The local platform needs Linux 5.3 or newer.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
