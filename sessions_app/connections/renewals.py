"""Which sessions a platform can renew, and why not the others (skaha-contract.md, 6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

# A renewal gives this much from now, so whatever has more keeps its end.
RENEWAL = timedelta(days=4)


def why_not_renewed(
    kind: str, state: str, started: datetime | None, expires: datetime | None, now: datetime | None = None
) -> str:
    """Return why a session cannot be renewed, or nothing where it can."""
    if state in {"completed", "failed"}:
        return "It has ended."
    if state == "gone":
        return "The platform no longer lists it."
    if state == "ending":
        return "It is ending."
    if kind == "desktop-app":
        return "It ends with its desktop."
    if state == "pending" and started is None:
        return "Its time begins when it starts."
    if kind == "headless" and expires is not None and expires - (now or datetime.now(UTC)) > RENEWAL:
        return "It still has more time than a renewal gives (4 days)."
    return ""
