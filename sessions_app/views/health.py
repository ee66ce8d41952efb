"""Whether the portal is alive. It does not ask the platform: a portal is well while its platform is not."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe


@require_safe
async def alive(request: HttpRequest) -> HttpResponse:
    """Answer as long as the event loop turns."""
    return HttpResponse("ok\n", content_type="text/plain")
