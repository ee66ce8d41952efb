"""`manage.py welcome`: another one-time sign-in link for the local platform."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sessions_app.models import Credential, WelcomeKey


class Command(BaseCommand):
    """Print a fresh link for whoever signed in last; an earlier one stops working."""

    help = "Print a one-time sign-in link for whoever signed in last on the local platform."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the port that the portal is on."""
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--data", help="the data folder")

    def handle(self, **options: Any) -> None:
        """Find who is known and make them a key."""
        if not settings.PLATFORM_IS_LOCAL:
            raise CommandError(
                "Links are for the local platform; on a real one people sign in with their token."
            )
        kept = Credential.objects.filter(person__platform=settings.PLATFORM_KEY).order_by("-kept").first()
        if kept is None:
            raise CommandError("Nobody is known yet. Start the portal with `manage.py up`: it prints a link.")
        key = WelcomeKey.objects.make(kept.person)
        self.stdout.write(f"http://{settings.PORTAL_HOST}:{options['port']}/welcome?key={key}")
