"""What every page's frame shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return who is signed in and which platform this portal speaks to."""
    return {
        "person": getattr(request, "person", None),
        "area": "launch" if request.path.startswith("/launch") else "sessions",
        "platform_name": settings.PLATFORM_NAME,
    }
