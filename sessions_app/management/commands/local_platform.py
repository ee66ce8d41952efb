"""`manage.py local_platform`: the local platform without the portal."""

from __future__ import annotations

from django.conf import settings

from sessions_app.management.local import LocalCommand


class Command(LocalCommand):
    """Serve the local platform on this portal's data folder."""

    help = "Run the local platform by itself, without the portal."
    word = "serve"

    def passed_on(self, arguments: list[str]) -> list[str]:
        """Return the arguments with the port that the portal would give it, unless they name another."""
        return ["--port", str(settings.PLATFORM_PORT), *super().passed_on(arguments)]
