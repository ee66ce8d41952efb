"""What stands before a view: a person who is signed in, and the way a page becomes its fragment."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from sessions_app.guarding import ConnectedView, PortalRequest, View, connected, to_signin

__all__ = ["ConnectedView", "PortalRequest", "View", "connected", "page", "to_signin"]


def page(request: PortalRequest, name: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Render ``name.html``, or its fragment ``_name.html`` when htmx asks for a piece of the page."""
    folder, _, leaf = name.rpartition("/")
    is_fragment = bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request
    template = f"{folder}/{'_' if is_fragment else ''}{leaf}.html"
    return render(request, template, context, status=status)
