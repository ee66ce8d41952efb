"""`manage.py welcome`: another one-time sign-in link for the local platform."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.utils import Error as DatabaseError

from sessions_app.management.last_start import LastStart, is_running, last_start
from sessions_app.models import Person, WelcomeKey

LOCAL_KEY = "local:"


class Command(BaseCommand):
    """Print a fresh link for the local platform's first user; an earlier one stops working."""

    help = "Print a one-time sign-in link to the portal that runs, or ran last, on the local platform."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options; manage.py reads the folder before."""
        parser.add_argument("--port", type=int, help="the portal's port (the one it was started with)")
        parser.add_argument(
            "--data", help="its data folder (that of this checkout's running portal, else var)"
        )

    def handle(self, **options: Any) -> None:
        """Say where the portal is and let whoever started it in."""
        data = Path(settings.DATA_DIR)
        started = last_start(data) or _before_it_was_written_down(data)
        if started is None:
            raise CommandError(
                f"No portal was started on {data} yet. `make run` starts one and prints a link; "
                "one that keeps its data elsewhere is named with --data."
            )
        portal = f"http://{settings.PORTAL_HOST}:{options['port'] or started.port}"
        if started.platform:
            raise CommandError(
                f"The portal on {data} speaks to {started.platform}, where people sign in for themselves: "
                f"{portal}/signin"
            )
        self.stdout.write(f"{portal}/welcome?key={_key(started, data)}")
        if not is_running(data):
            self.stderr.write(
                "The portal does not run now. The link works for 12 hours, once it runs on this port again."
            )


def _before_it_was_written_down(data: Path) -> LastStart | None:
    """Return what an older version left: the usual port, and the first who was let in."""
    if not (data / "platform" / "token").exists():
        return None
    with suppress(DatabaseError):
        first = Person.objects.filter(platform=LOCAL_KEY).order_by("pk").first()
        return LastStart(8000, user=first.name) if first else None
    return None


def _key(started: LastStart, data: Path) -> str:
    try:
        # The platform keeps it there for its own next start; it may have been changed since the last one.
        token = (data / "platform" / "token").read_text(encoding="utf-8").strip()
        person, _ = Person.objects.get_or_create(platform=LOCAL_KEY, name=started.user)
        return WelcomeKey.objects.make(person, token)
    except OSError as error:
        raise CommandError(
            f"The local platform on {data} has no user yet ({error.strerror}). Start the portal with `make run`."
        ) from error
    except DatabaseError as error:
        raise CommandError(
            f"The portal's database in {data} cannot be used ({error}). If it belongs to another version, "
            "run `make welcome` where that portal was started, or start it here."
        ) from error
