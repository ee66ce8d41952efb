"""The look of the pages in this browser: light, dark, or as the system has it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from sessions_app.frame import THEME_COOKIE, THEMES
from sessions_app.views.guards import PortalRequest
from sessions_app.views.onward import onward, own_path

YEAR = 365 * 86400


@require_POST
async def choose(request: PortalRequest) -> HttpResponse:
    """Remember the choice in a cookie, and go back to where it was made; scripts have changed the page already."""
    chosen = request.POST.get("theme", "")
    back = own_path(request.POST.get("next", "")) or "/"
    answer = HttpResponse(status=204) if request.htmx else onward(request, back, "The theme is changed")
    if chosen in THEMES:
        answer.set_cookie(
            THEME_COOKIE, chosen, max_age=YEAR, secure=settings.SECURE, httponly=True, samesite="Lax"
        )
    return answer
