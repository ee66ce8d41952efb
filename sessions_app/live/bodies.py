"""Lines as JSON, bounded by what is sent and not by what is stored."""

from __future__ import annotations

import json
from typing import Any

from sessions_app.live.segments import NO_LINES, Stretch

# How many bytes a body of several lines has at most.
BODY = 64 * 1024
# Of a longer line so many characters are sent, and how many it has.
SHOWN = 16 * 1024


def fitting(stretch: Stretch, *, whole: bool = False) -> tuple[int, str]:
    """Return how many of the lines have room, one at least, and ``"lines":[…],"at":[…]`` for them.

    Lines that do not begin plain are told in ``"looks"``. Of long lines the beginnings are there, and in ``"long"`` the
    places and lengths, unless ``whole`` lines are wanted.
    """
    long = [] if whole else [[at, len(line)] for at, line in enumerate(stretch.lines) if len(line) > SHOWN]
    if long:
        stretch = Stretch([line[:SHOWN] for line in stretch.lines], stretch.seconds, stretch.looks)
    body = _body(stretch)
    if len(stretch) > 1 and len(body.encode()) > BODY:
        stretch = stretch.first(_count_within(stretch, BODY - len(_body(NO_LINES)) - len(',"looks":[]')))
        body = _body(stretch)
    long = [[at, length] for at, length in long if at < len(stretch)]
    return len(stretch), f'{body},"long":{compact(long)}' if long else body


def _body(stretch: Stretch) -> str:
    body = f'"lines":{compact(stretch.lines)},"at":{compact(stretch.runs())}'
    return f'{body},"looks":{compact(stretch.look_runs())}' if any(stretch.looks) else body


def _count_within(stretch: Stretch, budget: int) -> int:
    """Return how many lines have room: a control character alone takes six bytes."""
    for index, (line, second) in enumerate(zip(stretch.lines, stretch.seconds, strict=True)):
        budget -= len(compact(line).encode()) + 1
        if index == 0 or second != stretch.seconds[index - 1]:
            budget -= len(compact([index, second])) + 1
        look = stretch.look(index)
        if look != (stretch.look(index - 1) if index else ""):
            budget -= len(compact([index, look])) + 1
        if budget < 0:
            return max(1, index)
    return len(stretch)


def compact(value: Any) -> str:
    """Return JSON without blanks, in which text is itself."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
