"""What a platform of the present release does to a command on its way into a job (skaha-contract.md, 4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable

import yaml


class RefusedError(Exception):
    """The platform answers 400 or 500."""


def lossy(cmd: str | None, args: str | None, pairs: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Return the words and the variables that reach the container."""
    lines = ["job:", f'  command: ["{cmd}"]' if cmd is not None else "  command: []"]
    cut = args.split(" ") if args is not None else []
    lines.append("  args: [" + ", ".join(f'"{each}"' for each in cut) + "]")
    lines.append("  env:")
    for pair in pairs:
        parts = pair.split("=")
        while parts and not parts[-1]:
            parts.pop()
        if len(parts) == 2:
            lines += [f"  - name: {parts[0]}", f'    value: "{parts[1]}"']
    try:
        job = yaml.safe_load(_replaced("\n".join(lines)))["job"]
    except yaml.YAMLError as error:
        raise RefusedError(str(error)) from error
    return job["command"] + job["args"], {each["name"]: each["value"] for each in job["env"] or []}


def _replaced(text: str) -> str:
    """Paste the text as a regular expression's replacement: a backslash vanishes, a dollar names a group."""
    if re.search(r"(?<!\\)\$", text) or text.endswith("\\"):
        raise RefusedError("Illegal group reference")
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
