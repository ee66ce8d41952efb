#!/usr/bin/env python
"""Django's command line for the portal."""

import os
import sys


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


if __name__ == "__main__":
    main()
