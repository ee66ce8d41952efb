"""How a line looks where it begins: in a terminal colours and attributes last until they are changed, over lines too.

A look is written as SGR parameters, each in one way only: ``"1;31"`` is bold and red, ``""`` is plain. Of all colours
sixteen are left, the nearest ones: those are known to be readable, light and dark, a program's own are not. The page
decides the same within a line, in ``static/js/behaviours/log/ansi.js``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from sessions_app.live.escapes import visible

# What the code of a slot begins; behind it what it becomes when it is taken back.
_ATTRIBUTES = {"bold": 1, "dim": 2, "italic": 3, "underline": 4, "strike": 9, "inverse": 7, "hidden": 8}
_BACK = {
    "bold": 22,
    "dim": 22,
    "italic": 23,
    "underline": 24,
    "strike": 29,
    "inverse": 27,
    "hidden": 28,
    "fg": 39,
    "bg": 49,
}
_ON = {code: slot for slot, code in _ATTRIBUTES.items()} | {21: "underline"}
_OFF = {back: [slot for slot, each in _BACK.items() if each == back] for back in _BACK.values()}
_EXTENDED = {38: "fg", 48: "bg", 58: ""}
# SGR; the soft and the full reset, which have no parameters and end every look as well.
_SGR = re.compile(r"(?:\x1b\[|\x9b)(?:([0-9;:]{0,128})m|!p)|\x1bc")
# Among so many parameters it is not looked for those that come again.
FEW = 8
# Behind so many changes of one line it is drawn plain.
MOST_RUNS = 1000

# What each slot becomes: a code, or 0 for nothing; a slot that is left out stays as it was.
_Changes = dict[str, int]


def may_colour(text: str) -> bool:
    """Say whether anything in a text may change how what follows looks; quickly."""
    return "\x1b" in text or "\x9b" in text


def after(look: str, text: str) -> str:
    """Return the look behind a text that began with ``look``.

    >>> after("31", "red \\x1b[1mbold")
    '1;31'
    """
    return _became(look, _parameters(text)) if may_colour(text) else look


def over(look: str, lines: Sequence[str]) -> tuple[list[str], str]:
    """Return the look at the beginning of each line, and the one behind the last."""
    if not may_colour("\n".join(lines)):
        return [look] * len(lines), look
    looks = []
    for line in lines:
        looks.append(look)
        look = after(look, line)
    return looks, look


def lasting(text: str) -> str:
    """Return a short sequence that does to what follows what the text does; nothing where it does nothing."""
    return _does(_parameters(text)) if may_colour(text) else ""


def runs(text: str, look: str = "") -> list[tuple[str, str]]:
    """Return what is seen of a line as runs of equal look, with the classes of the style sheet for each."""
    found: list[tuple[str, str]] = []
    at = 0
    for count, change in enumerate(_SGR.finditer(text), 1):
        _add(found, text[at : change.start()], look)
        look, at = after(look, change[0]) if count < MOST_RUNS else "", change.start()
        if count == MOST_RUNS:
            break
    _add(found, text[at:], look)
    return [(run, _classes(each)) for run, each in found]


def _add(found: list[tuple[str, str]], text: str, look: str) -> None:
    seen = visible(text)
    if seen and found and found[-1][1] == look:
        found[-1] = (found[-1][0] + seen, look)
    elif seen:
        found.append((seen, look))


def _classes(look: str) -> str:
    return " ".join(_class(int(code)) for code in look.split(";") if code)


def _class(code: int) -> str:
    if code in _ON:
        return f"ansi-{_ON[code]}"
    ground, base = _ground(code)
    return f"ansi-{ground}-{code - base}"


def _ground(code: int) -> tuple[str, int]:
    """Return what a code colours, and what it counts from: the bright eight follow the others."""
    for first, ground, base in ((30, "fg", 30), (40, "bg", 40), (90, "fg", 82), (100, "bg", 92)):
        if first <= code < first + 8:
            return ground, base
    return "", 0


def _parameters(text: str) -> tuple[str, ...]:
    """Return the parameters that count, in their order: each sets what it sets, so only its last place matters."""
    reset = max(text.rfind("\x1b[0m"), text.rfind("\x1b[m"))
    found = _SGR.findall(text, max(reset, 0))
    return tuple(found) if len(found) <= FEW else tuple(reversed(dict.fromkeys(reversed(found))))


@lru_cache(4096)
def _became(look: str, parameters: tuple[str, ...]) -> str:
    return _written(_worked_out((look, *parameters) if look else parameters))


@lru_cache(4096)
def _does(parameters: tuple[str, ...]) -> str:
    changes = _worked_out(parameters)
    if not changes:
        return ""
    ended = [_BACK[slot] for slot, code in changes.items() if not code]
    begun = [code for code in changes.values() if code]
    ended = [0] if len(changes) == len(_BACK) else list(dict.fromkeys(ended))
    return f"\x1b[{';'.join(map(str, [*ended, *begun]))}m"


def _worked_out(parameters: tuple[str, ...]) -> _Changes:
    changes: _Changes = {}
    for each in parameters:
        changes |= _set_by(each)
    return changes


@lru_cache(4096)
def _set_by(parameters: str) -> _Changes:
    changes: _Changes = {}
    _change(changes, parameters.split(";"))
    return changes


def _written(changes: _Changes) -> str:
    # Most often there is nothing left.
    return (
        ";".join(str(changes[slot]) for slot in _BACK if changes.get(slot)) if any(changes.values()) else ""
    )


def _change(changes: _Changes, parameters: list[str]) -> None:
    at = 0
    while at < len(parameters):
        first, *parts = parameters[at].split(":")
        code = _number(first)
        if parts:
            _change_by_parts(changes, code, [_number(part) for part in parts])
        elif code in _EXTENDED:
            at += _change_by_following(changes, _EXTENDED[code], parameters[at + 1 : at + 5])
        else:
            _change_one(changes, code)
        at += 1


def _number(text: str) -> int:
    return int(text or "0")


def _change_one(changes: _Changes, code: int) -> None:
    if code == 0:
        changes |= dict.fromkeys(_BACK, 0)
    elif code in _OFF:
        changes |= dict.fromkeys(_OFF[code], 0)
    elif code in _ON:
        changes[_ON[code]] = _ATTRIBUTES[_ON[code]]
    elif ground := _ground(code)[0]:
        changes[ground] = code


def _change_by_parts(changes: _Changes, code: int, parts: list[int]) -> None:
    """Take 4:0 to 4:5, 38:5:n, 38:2:r:g:b and 38:2:space:r:g:b."""
    kind, *values = parts
    if code == 4:
        _change_one(changes, 4 if kind else 24)
    elif kind == 5:
        _paint(changes, _EXTENDED.get(code, ""), _indexed(values[:1]))
    elif kind == 2:
        _paint(changes, _EXTENDED.get(code, ""), _mixed(values[1:4] if len(values) > 3 else values))


def _change_by_following(changes: _Changes, ground: str, following: list[str]) -> int:
    """Take 38;5;n and 38;2;r;g;b; return how many parameters they took."""
    kind, *rest = [-1 if ":" in each else _number(each) for each in following] or [0]
    if kind == 5:
        _paint(changes, ground, _indexed(rest[:1]))
    elif kind == 2:
        _paint(changes, ground, _mixed(rest[:3]))
    return {2: 4, 5: 2}.get(kind, 0)


def _paint(changes: _Changes, ground: str, colour: int | None) -> None:
    if ground and colour is not None:
        first = {"fg": 30, "bg": 40}[ground]
        changes[ground] = first + colour if colour < 8 else first + 52 + colour


def _indexed(values: list[int]) -> int | None:
    """Return which of the sixteen stands for one of 256: the sixteen, a cube of 6 x 6 x 6, and 24 greys."""
    number = values[0] if values else -1
    if not 0 <= number <= 255:
        return None
    if number < 16:
        return number
    if number >= 232:
        return _mixed([8 + 10 * (number - 232)] * 3)
    place = number - 16
    return _mixed([55 + 40 * step if step else 0 for step in (place // 36, place // 6 % 6, place % 6)])


def _mixed(rgb: list[int]) -> int | None:
    """Return which of the sixteen has the hue, grey where there is little of one."""
    if len(rgb) != 3 or not all(0 <= value <= 255 for value in rgb):
        return None
    most, least = max(rgb), min(rgb)
    if 4 * (most - least) < most or most < 32:
        return (0, 8, 7, 15)[sum(most > limit for limit in (64, 160, 223))]
    red, green, blue = (int(2 * value > most + least) for value in rgb)
    return red + 2 * green + 4 * blue + (8 if most > 223 else 0)
