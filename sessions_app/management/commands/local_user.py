"""`manage.py local_user`: the people of the local platform."""

from __future__ import annotations

from sessions_app.management.local import LocalCommand


class Command(LocalCommand):
    """Add, list, change and remove people, while the platform serves or not."""

    help = "Add, list, change and remove people of the local platform."
    word = "user"
