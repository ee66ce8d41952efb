"""What only a batch session has: its command or script and its variables, checked as the platform would take them."""

from __future__ import annotations

from typing import Any

from django import forms

from sessions_app import pasted, variables
from sessions_app.connections import commands
from sessions_app.connections.offers import Surroundings
from sessions_app.variables import Unread, Variable, environment


class BatchChecks(forms.Form):
    """The checks of a command, a script and variables, for the launch form."""

    around: Surroundings
    remarks: dict[str, list[str]]

    @property
    def env_lost(self) -> list[str]:
        """The variables that wait for their values, which were not kept."""
        lines = environment(self["env"].value() or "")
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
        text = cleaned.get("env") or ""
        for found in variables.read(text):
            if isinstance(found, Unread):
                self.add_error("env", str(found))
            else:
                self._check_variable(found, runs_nothing)
        self.remarks["env"] += variables.repeated(text)

    def _check_variable(self, found: Variable, runs_nothing: bool) -> None:
        name = found.name
        self.remarks["env"] += found.remarks
        if name == commands.SCRIPT_VARIABLE:
            self.add_error(
                "env", f"Environment, line {found.line}: the portal uses {name} itself; choose another name."
            )
        elif name in {"REPLICA_ID", "REPLICA_COUNT"}:
            self.remarks["env"].append(f"{name} is set for each replica; yours is overwritten.")
        elif runs_nothing and not self.around.is_local and commands.is_fragile(found.value):
            self.remarks["env"].append(
                f'{name}: this platform may lose or change empty values and values with = " \\ or $. '
                "Give a command or a script, and they arrive whole."
            )

    def _check_what_is_unseen(self, cleaned: dict[str, Any]) -> None:
        """Name what came along with a pasted text and cannot be seen; it may be meant, so it stops nothing."""
        for field in ("cmd", "args"):
            for where in pasted.invisible(cleaned.get(field) or ""):
                self.remarks[field].append(f"There is {where}. It is sent as it is.")
        for field in ("script", "env"):
            for number, where in pasted.place_of(cleaned.get(field) or ""):
                self.remarks[field].append(f"In line {number} there is {where}. It is sent as it is.")
