"""The local platform's own commands as management commands: the same words, on this portal's data folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sessions_app.management.child import environment


class LocalCommand(BaseCommand):
    """Become `python -m sessions_app.local WORD …`; what stands behind the word is passed on as it is."""

    word = ""
    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Replace this process: signals, output and exit status are then the platform's, and no secret is kept."""
        if settings.PRODUCTION:
            sys.exit(str(CommandError("The local platform refuses to be part of production.")))
        command = [sys.executable, "-m", "sessions_app.local", self.word, *self.passed_on(argv[2:])]
        sys.stdout.flush()
        os.execve(command[0], command, _findable(environment()))  # noqa: S606 - its own interpreter, no shell

    def passed_on(self, arguments: list[str]) -> list[str]:
        """Return the arguments with the platform's folder in place of the portal's, which manage.py has read."""
        return [*_without_data(arguments), "--data", str(Path(settings.DATA_DIR) / "platform")]

    def print_help(self, prog_name: str, subcommand: str) -> None:
        """Let the platform's own command explain itself."""
        self.run_from_argv([prog_name, subcommand, "--help"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Refuse to be called from code: a process can be replaced from the command line alone."""
        name = type(self).__module__.rpartition(".")[2]
        raise CommandError(f"Run it as a program: manage.py {name}.")


def _findable(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables with our code on Python's path: paths that people gave stay relative to where they are."""
    others = variables.get("PYTHONPATH")
    return variables | {
        "PYTHONPATH": os.pathsep.join([str(settings.BASE_DIR), *([others] if others else [])])
    }


def _without_data(arguments: list[str]) -> list[str]:
    kept, skip = [], False
    for argument in arguments:
        if not skip and argument != "--data" and not argument.startswith("--data="):
            kept.append(argument)
        skip = not skip and argument == "--data"
    return kept
