"""The platform strip: how full the platform is, and how many of their slots the person uses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from sessions_app.client import values
from sessions_app.connections import Connection, Reading, Row
from sessions_app.connections.connection import FIRST_LOOK
from sessions_app.connections.rows import gibibytes
from sessions_app.views.guards import PortalRequest, connected, page
from sessions_app.views.listing import VERSION_HEADER, version


@dataclass(frozen=True, slots=True)
class Meter:
    """One amount of a whole."""

    title: str
    used: float
    whole: float
    unit: str = ""

    @property
    def percent(self) -> int:
        """How full it is, from 0 to 100."""
        return 0 if self.whole <= 0 else max(0, min(100, round(100 * self.used / self.whole)))

    @property
    def level(self) -> str:
        """How worrying that is."""
        return "full" if self.percent >= 90 else "high" if self.percent >= 75 else "fine"


@require_GET
@connected
async def strip(request: PortalRequest, connection: Connection) -> HttpResponse:
    """Show the meters, each with the age of its figures."""
    context = await strip_context(connection)
    if request.htmx and request.headers.get(VERSION_HEADER) == context["strip_version"]:
        return HttpResponse(status=204)
    return page(request, "sessions/stats", context)


async def strip_context(connection: Connection) -> dict[str, Any]:
    """Return what the strip shows."""
    stats, rows, limits = await asyncio.gather(
        connection.stats(), connection.rows(), connection.context(patience=FIRST_LOOK)
    )
    meters, slots = _meters(stats.value), slots_of(rows, limits)
    # What is said of the list says it of all: that the platform is away is said once.
    away = rows.error is not None
    return {
        "stats": stats,
        "meters": meters,
        "slots": slots,
        "slots_reading": rows,
        "stats_reason": str(stats.error or ""),
        "away": away,
        "strip_version": version(
            meters, slots, stats.value is None, str(stats.error), stats.taken, rows.taken, away
        ),
    }


def _meters(stats: values.Stats | None) -> list[Meter]:
    if stats is None:
        return []
    meters = []
    if stats.cores_capacity:
        meters.append(Meter("Cores", stats.cores_requested or 0, stats.cores_capacity))
    if stats.ram_capacity_gb:
        used, whole = gibibytes(stats.ram_requested_gb) or 0, gibibytes(stats.ram_capacity_gb) or 0
        unit, size = ("TiB", 1024) if whole >= 2048 else ("GiB", 1)
        meters.append(Meter("RAM", used / size, whole / size, unit))
    return meters


def slots_of(rows: Reading[tuple[Row, ...]], limits: Reading[values.Context]) -> Meter | None:
    """Return how many of the interactive sessions that a person may have are there."""
    if rows.value is None or limits.value is None or not limits.value.max_interactive:
        return None
    return Meter("My slots", len(taken_slots(rows.value)), limits.value.max_interactive)


def taken_slots(rows: tuple[Row, ...]) -> list[Row]:
    """Return the sessions that count against the limit (skaha-contract.md, 4.3)."""
    return [
        row
        for row in rows
        if row.kind not in {"headless", "desktop-app"} and row.state in {"running", "pending"}
    ]
