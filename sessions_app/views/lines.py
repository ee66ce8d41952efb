"""The markup of the list's lines. Rendering them is most of what a page costs, and most of them are as they were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from sessions_app.connections import Row
from sessions_app.connections.renewals import why_not_renewed
from sessions_app.models.record import OVER
from sessions_app.templatetags.portal import moment_html, span
from sessions_app.views.groups import ACTIVE, Group, GroupFace
from sessions_app.views.listing import Line


def lines_html(lines: Sequence[Line], *, away: str = "") -> list[SafeString]:
    """Return each line's markup; ``away`` says why nothing can be done at the moment."""
    now = datetime.now(UTC)
    return [_line_html(line, now, away) for line in lines]


def _line_html(line: Line, now: datetime, away: str) -> SafeString:
    item = line.item
    age = span((now - item.began).total_seconds())
    if isinstance(item, Group):
        end = item.expires or item.ended
        ends = _ends(end, _left(end, now), over=item.expires is None)
        return _group_html(
            item.face,
            moment_html(item.began, "age", age),
            ends,
            item.expires is None,
            line.toggle,
            line.is_open,
            away,
        )
    left = _left(item.expires, now) if item.state in ACTIVE else _left(item.ended, now)
    can_renew = not why_not_renewed(item.kind, item.state, item.started, item.expires, now)
    return _row_html(item, age, left, line.is_member, can_renew, away)


def _left(moment: datetime | None, now: datetime) -> str:
    """Write how far a moment is away, on either side of now."""
    if moment is None:
        return "—"
    seconds = (moment - now).total_seconds()
    return span(abs(seconds))


def _ends(moment: datetime | None, words: str, *, over: bool) -> SafeString | str:
    if moment is None or words == "—":
        return "—"
    return moment_html(moment, "age" if over else "left", words)


@lru_cache(maxsize=5000)
def _row_html(row: Row, age: str, left: str, is_member: bool, can_renew: bool, away: str) -> SafeString:
    """Render a row for these words; nothing in it depends on who looks."""
    over = row.state in OVER
    context: dict[str, Any] = {
        "row": row,
        "over": over,
        "age": moment_html(row.began, "age", age),
        # What never begins has no end either.
        "ends": "—" if row.cannot_start else _ends(row.ended if over else row.expires, left, over=over),
        "is_member": is_member,
        "can_renew": can_renew,
        "away": away,
    }
    return render_to_string("sessions/_row.html", context)


@lru_cache(maxsize=500)
def _group_html(
    group: GroupFace,
    age: SafeString,
    ends: SafeString | str,
    over: bool,
    toggle: str,
    is_open: bool,
    away: str,
) -> SafeString:
    context: dict[str, Any] = {
        "group": group,
        "size": group.size,
        "age": age,
        "over": over,
        "ends": ends,
        "toggle": toggle,
        "is_open": is_open,
        "away": away,
    }
    return render_to_string("sessions/_group.html", context)
