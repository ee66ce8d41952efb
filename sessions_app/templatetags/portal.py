"""How values are written on a page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from sessions_app.forms import KIND_TITLES

register = template.Library()

STEPS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"))
_LONG_DIGEST = re.compile(r"(@[^:@]+:[0-9A-Fa-f]{12})[0-9A-Fa-f]+$")
STATE_TITLES = {"completed": "Completed", "ending": "Ending", "gone": "Gone", "unknown": "Unknown"}


@register.filter
def span(seconds: float) -> str:
    """Write a length of time in its two largest units: “3 d 4 h”, “12 min”, “40 s”."""
    left = max(0, int(seconds))
    if left < 60:
        return f"{left} s"
    for size, unit, part, lesser in STEPS:
        if left >= size:
            rest = left % size // part
            return f"{left // size} {unit} {rest} {lesser}" if rest else f"{left // size} {unit}"
    return f"{left // 60} min"


@register.filter
def age(moment: datetime | None) -> SafeString | str:
    """Write how long ago a moment was; the page keeps it counting."""
    if moment is None:
        return "—"
    return moment_html(moment, "age", span((datetime.now(UTC) - moment).total_seconds()))


@register.filter
def left(moment: datetime | None) -> SafeString | str:
    """Write how long it is until a moment; the page keeps it counting, amber within a day, red within an hour."""
    if moment is None:
        return "—"
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return moment_html(moment, "left", span(seconds) if seconds > 0 else "now")


@register.filter
def at(moment: datetime | None) -> SafeString | str:
    """Write a moment as a date and a time; the page turns UTC into the browser's own, and tells UTC on hover."""
    if moment is None:
        return "—"
    return moment_html(moment, "at", moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"))


def moment_html(moment: datetime, how: str, words: str) -> SafeString:
    """Return the element that shows a moment as ``words`` and keeps them counting; all its parts are ours."""
    stamp = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    shown = escape(words)
    return mark_safe(  # noqa: S308
        f'<time datetime="{stamp[:10]}T{stamp[11:]}Z" title="{stamp} UTC" data-{how}>{shown}</time>'
    )


@register.filter
def amount(value: float | None) -> str:
    """Write a number with as few digits as it needs, or a dash."""
    if value is None:
        return "—"
    return f"{value:.1f}".rstrip("0").rstrip(".") if value < 100 else f"{value:.0f}"


@register.filter
def used_of(used: float | None, asked: float | None) -> str:
    """Write what is used of what was asked for; what is not known is left out."""
    if used is None and asked is None:
        return "—"
    if asked is None:
        return amount(used)
    return f"{amount(used)}/{amount(asked)}"


@register.filter
def kind_title(kind: str) -> str:
    """Name a kind as people know it."""
    return KIND_TITLES.get(kind, kind)


@register.filter
def state_title(state: str) -> str:
    """Name a state."""
    return STATE_TITLES.get(state, state.capitalize())


@register.filter
def image_name(image: str) -> str:
    """Return an image's name and tag, without host and project; of a digest enough to tell it from others.

    >>> image_name("images.canfar.net/team/sub/astro:1.2@sha256:0123456789abcdef")
    'astro:1.2@sha256:0123456789ab…'
    """
    name = image.rpartition("/")[2] or image
    return _LONG_DIGEST.sub(r"\1…", name)


@register.filter
def image_project(image: str) -> str:
    """Return an image's project, without the host."""
    return image.rpartition("/")[0].partition("/")[2]


@register.filter
def remarks_of(form: object, field: str) -> list[str]:
    """Return what the form remarks at one field."""
    return list(getattr(form, "remarks", {}).get(field, []))


@register.filter
def encoded(value: str) -> str:
    """Write a value as one part of a query."""
    return quote(value, safe="")


@register.filter
def share_of(part: float | None, whole: float | None) -> int:
    """Return the percentage of ``part`` in ``whole``, from 0 to 100."""
    if not part or not whole:
        return 0
    return max(0, min(100, round(100 * part / whole)))


@register.filter
def is_among(value: object, options: Iterable[object]) -> bool:
    """Say whether a form's value is one of the options."""
    return str(value) in {str(option) for option in options}
