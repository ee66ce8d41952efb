"""What every page's frame shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from sessions_app.frame import THEMES, milliseconds, theme_of


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return who is signed in, which platform this portal speaks to, how it looks and what time it is here."""
    theme = theme_of(request)
    return {
        "person": getattr(request, "person", None),
        "area": "launch" if request.path.startswith("/launch") else "sessions",
        "platform_name": settings.PLATFORM_NAME,
        "theme": theme,
        "themes": THEMES,
        "color_scheme": "light dark" if theme == "auto" else theme,
        "server_time": milliseconds(),
    }
