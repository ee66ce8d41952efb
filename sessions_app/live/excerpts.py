"""What is found behind the shown beginning of a long line: where it is, and what stands around it."""

from __future__ import annotations

from sessions_app.live.escapes import visible

# So much before and behind what was found, and so much of itself, in UTF-16 units.
AROUND, MOST = 80, 200

# Which of the line's ranges it is, the number of its first character, and the text before it, of it and behind it.
Excerpt = tuple[int, int, str, str, str]


def behind(text: str, ranges: list[list[int]], shown: int) -> list[Excerpt]:
    """Return what was found that does not end within the first ``shown`` characters of a line as it is kept.

    Ranges count UTF-16 units of what a person sees, as browsers do.
    """
    limit = len(_units(visible(text[:shown]))) // 2
    if not ranges or ranges[-1][1] <= limit:
        return []
    units = _units(visible(text))
    found: list[Excerpt] = []
    at, character = 0, 1
    for index, (start, end) in enumerate(ranges):
        if end <= limit:
            continue
        character, at = character + len(_text(units, at, start)), start
        before, after = max(0, start - AROUND), min(end + AROUND, len(units) // 2)
        shortened = "…" if end - start > MOST else ""
        found.append(
            (
                index,
                character,
                ("…" if before else "") + _text(units, before, start),
                _text(units, start, min(end, start + MOST)) + shortened,
                _text(units, end, after) + ("…" if 2 * after < len(units) else ""),
            )
        )
    return found


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", errors="replace")


def _text(units: bytes, start: int, end: int) -> str:
    # Half a character at an edge is left out.
    return units[2 * start : 2 * end].decode("utf-16-le", errors="ignore")
