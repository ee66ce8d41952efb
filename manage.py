#!/usr/bin/env python
"""Django's command line for the portal."""

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent


def main() -> None:
    """Run a management command; `up` may name its data folder and platform before settings are read."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "canfarweb.settings")
    _apply_early_options(sys.argv[1:])
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"canfarweb: {error}")


def _apply_early_options(arguments: list[str]) -> None:
    variables = {
        "--data": "CANFARWEB_DATA",
        "--platform": "CANFARWEB_PLATFORM",
        "--platform-port": "CANFARWEB_PLATFORM_PORT",
    }
    for position, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if option in variables:
            following = arguments[position + 1] if position + 1 < len(arguments) else ""
            os.environ[variables[option]] = value if equals else following
    if arguments[:1] == ["welcome"]:
        _find_the_portal()


def _find_the_portal() -> None:
    """Settle on the data folder of a portal that is there; settings would make a missing one."""
    from sessions_app.management.last_start import is_running, running_elsewhere

    named = os.environ.get("CANFARWEB_DATA") or os.environ.get("CANFARWEB_DATA_FILE")
    usual = CHECKOUT / "var"
    if not named and not is_running(usual):
        os.environ["CANFARWEB_DATA"] = str(running_elsewhere(CHECKOUT) or usual)
    folder = os.environ.get("CANFARWEB_DATA")
    if folder and not Path(folder).is_dir():
        sys.exit(
            f"canfarweb: There is no data folder {folder}. `make run` starts a portal and prints a link."
        )


if __name__ == "__main__":
    main()
