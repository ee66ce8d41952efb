"""Variables as people write and paste them: one NAME=value to a line, or the lines of an `.env` file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sessions_app import pasted

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]+-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]+-----")


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, and in words what its line was read as where that is not plain."""

    line: int
    name: str
    value: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """Lines that are no variable, and what to do about them. No part of a value is in the words."""

    first: int
    last: int
    why: str

    def __str__(self) -> str:
        lines = f"line {self.first}" if self.first == self.last else f"lines {self.first} to {self.last}"
        return f"Environment, {lines}: {self.why}"


def environment(text: str) -> dict[str, str]:
    """Return the variables of a text; of equal names the last one counts."""
    return {found.name: found.value for found in read(text) if isinstance(found, Variable)}


def read(text: str) -> Iterator[Variable | Unread]:
    """Return what each line says, but for empty ones and those of a `# comment`."""
    lines, place = pasted.lines_of(text), 0
    while place < len(lines):
        line = lines[place]
        if (begins := _KEY_BEGINS.search(line)) and not _KEY_ENDS.search(line, begins.end()):
            last = _end_of_key(lines, place)
            yield Unread(place + 1, last + 1, _KEY_SAID)
            place = last
        elif line.strip() and not line.lstrip().startswith("#"):
            yield _of_line(place + 1, line)
        place += 1


def repeated(text: str) -> list[str]:
    """Return a sentence for each name that stands in more than one line."""
    lines: dict[str, list[int]] = {}
    for found in read(text):
        if isinstance(found, Variable):
            lines.setdefault(found.name, []).append(found.line)
    return [
        f"{name} is given {'twice' if len(where) == 2 else f'{len(where)} times'}, in lines "
        f"{', '.join(map(str, where[:-1]))} and {where[-1]}: the last one counts."
        for name, where in lines.items()
        if len(where) > 1
    ]


_KEY_SAID = (
    "this is a key or certificate of several lines, and a variable has one. "
    "Put it into a file of your storage and name the file here."
)


def _end_of_key(lines: list[str], begin: int) -> int:
    for place in range(begin, len(lines)):
        if _KEY_ENDS.search(lines[place]):
            return place
    return len(lines) - 1


def _of_line(number: int, line: str) -> Variable | Unread:
    # Nothing that looks like a blank may hide in a name; in a value it may be meant.
    name, equals, value = line.partition("=")
    remarks = []
    bare = name.strip()
    if found := re.match(r"export\s+", bare):
        bare = bare[found.end() :]
    if strange := pasted.invisible(bare):
        return Unread(number, number, f"there is {strange[0]} in the name. Take it away, or type it anew.")
    if not equals or not _NAME.fullmatch(bare):
        return Unread(number, number, _why_none(bare, line))
    if name != name.rstrip() and value != value.lstrip():
        value = value.lstrip()
        remarks.append(f"{bare}: the blanks around its “=” are left out.")
    value, said = _without_quotes(value)
    remarks += [f"{bare}: {each}" for each in said]
    return Variable(number, bare, value, tuple(remarks))


def _why_none(name: str, line: str) -> str:
    if re.match(r"\s*(?:set|setenv|declare|local|env)\s", line):
        return f"leave out “{line.split()[0]}” and write NAME=value."
    if "=" not in line and re.match(r"\s*[A-Za-z_][A-Za-z0-9_]*\s*:\s", line):
        return "write NAME=value, with = in place of the colon."
    if "=" in line and name:
        return "a name has letters, digits and _ only, and begins with none of the digits. Write NAME=value."
    return "write NAME=value."


def _without_quotes(value: str) -> tuple[str, list[str]]:
    """Return a value without quotes around the whole of it, as `.env` files write them, and what is to be said."""
    trimmed = value.strip()
    quote = trimmed[:1]
    if quote in {"'", '"'} and len(trimmed) > 1 and trimmed.endswith(quote) and quote not in trimmed[1:-1]:
        said = ["the quotes around its value are left out."]
        if quote == '"' and re.search(r"\\[nrt]|\$\w|\$\{", trimmed):
            said.append("what stands between them is passed on as it is: no shell reads it.")
        return trimmed[1:-1], said
    said = []
    if quote in {"'", '"'}:
        said.append("the quotes in its value are part of it.")
    if re.search(r"\s#", value):
        said.append("what follows the # is part of its value.")
    if value != value.rstrip():
        said.append("blanks at the end of its value are part of it.")
    return value, said
