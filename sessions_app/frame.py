"""What every page's frame needs to know: the look that this browser chose, and the server's clock."""

from __future__ import annotations

import time

from django.http import HttpRequest

# A browser's choice, for every portal on the host: it says nothing of who looks.
THEME_COOKIE = "canfarweb-theme"
THEMES = ("auto", "light", "dark")


def theme_of(request: HttpRequest) -> str:
    """Return the theme that this browser chose; "auto" follows the system."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "auto"


def milliseconds() -> int:
    """Return the server's time as browsers count it."""
    return round(time.time() * 1000)
