"""`manage.py local_images`: list, pull and prune the images of the local platform."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from sessions_app.local.__main__ import main


class Command(BaseCommand):
    """Pass the arguments on to the local platform's own command."""

    help = __doc__

    def run_from_argv(self, argv: list[str]) -> None:
        """Leave every argument to that command, `--help` too."""
        sys.exit(main(["image", *argv[2:]]))

    def handle(self, *arguments: Any, **options: Any) -> None:
        """Answer a call from code."""
        main(["image", *map(str, arguments)])
