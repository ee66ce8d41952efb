"""What only a batch session has: its command or script and its variables, checked as the platform would take them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django import forms

from sessions_app.connections import commands
from sessions_app.connections.offers import Surroundings


class BatchChecks(forms.Form):
    """The checks of a command, a script and variables, for the launch form."""

    around: Surroundings
    remarks: dict[str, list[str]]

    @property
    def env_lost(self) -> list[str]:
        """The variables that wait for their values, which were not kept."""
        lines = dict(_lines(self["env"].value() or ""))
        return [name for name in (self["lost"].value() or "").split(",") if lines.get(name) == ""]

    def _check_command(self, cleaned: dict[str, Any]) -> None:
        line, args, script = cleaned.get("cmd") or "", cleaned.get("args") or "", cleaned.get("script") or ""
        if script.strip():
            if line.strip() or args.strip():
                self.add_error("script", "Give a command or a script, not both.")
            return
        for field, text, read in (("cmd", line, commands.words_of), ("args", args, commands.argument_words)):
            try:
                read(text)
            except commands.UnreadableError as error:
                self.add_error(field, str(error))
                return
        if not line.strip():
            self._check_arguments_alone(args)
        elif part := commands.left_to_no_shell(line):
            self.remarks["cmd"].append(
                f"No shell reads this line: “{part}” reaches the command as it is. "
                "If a shell should act on it, write a script."
            )

    def _check_arguments_alone(self, args: str) -> None:
        if not args.strip():
            self.remarks["cmd"].append("Without a command the image's own runs.")
            return
        self.remarks["args"].append("Without a command these go to the image's own command.")
        if not all(commands.is_plain(word) for word in commands.argument_words(args)):
            self.add_error(
                "args",
                "The platform would split or change these arguments. Give the command too, and they arrive whole.",
            )

    def _check_environment(self, cleaned: dict[str, Any]) -> None:
        lost = self.env_lost
        if lost:
            one = len(lost) == 1
            self.add_error(
                "env",
                f"{', '.join(lost)}: {'its value was' if one else 'their values were'} not kept. "
                f"Type {'it' if one else 'them'} again, or remove {'its line' if one else 'their lines'}.",
            )
        runs_nothing = not any((cleaned.get(field) or "").strip() for field in ("cmd", "script"))
        for number, line in enumerate((cleaned.get("env") or "").splitlines(), start=1):
            if line.strip():
                self._check_variable(number, line, runs_nothing)

    def _check_variable(self, number: int, line: str, runs_nothing: bool) -> None:
        name, equals, value = line.partition("=")
        name = name.strip()
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            self.add_error("env", f"Environment, line {number}: write NAME=value.")
        elif name == commands.SCRIPT_VARIABLE:
            self.add_error(
                "env", f"Environment, line {number}: the portal uses {name} itself; choose another name."
            )
        elif name in {"REPLICA_ID", "REPLICA_COUNT"}:
            self.remarks["env"].append(f"{name} is set for each replica; yours is overwritten.")
        elif runs_nothing and not self.around.is_local and commands.is_fragile(value):
            self.remarks["env"].append(
                f'{name}: this platform may lose or change empty values and values with = " \\ or $. '
                "Give a command or a script, and they arrive whole."
            )


def environment(text: str) -> dict[str, str]:
    """Return the variables of lines that read NAME=value."""
    return dict(_lines(text))


def _lines(text: str) -> Iterable[tuple[str, str]]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return ((name.strip(), value) for name, _, value in pairs)
