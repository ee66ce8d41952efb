"""Terminals: any command of this machine, and a shell in the browser."""

from .recipe import PYTHON, Image, Place, Program, program_files


def _web_terminal(place: Place) -> list[str]:
    return [
        *(*PYTHON, "session_programs.terminal", "--socket", place.socket, "--base", place.base),
        *("--root", place.root, "--name", place.name, "--secret-file", place.secret_file),
    ]


TERMINAL = Image("skaha/terminal:latest", ("headless",))
WEB_TERMINAL = Image(
    "skaha/web-terminal:latest",
    ("contributed",),
    "web-terminal",
    {"contributed": Program(_web_terminal, "/health", "/?token={id}")},
    program_files("__init__.py", "serving.py", "terminal.py", "terminal.html", "terminal.js"),
    node=True,
)
