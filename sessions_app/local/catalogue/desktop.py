"""The desktop: an X server that a browser shows, and what can be started inside it."""

from ..programs import menu
from .recipe import PYTHON, Image, Place, Program, program_files


def _desktop(place: Place) -> list[str]:
    return [
        *(*PYTHON, "session_programs.desktop", "--socket", place.socket, "--base", place.base),
        *("--root", place.root, "--name", place.name, "--secret-file", place.secret_file),
        *("--folder", place.folder),
    ]


DESKTOP = Image(
    "skaha/desktop:latest",
    ("desktop",),
    "desktop",
    {"desktop": Program(_desktop, "/health", "/?password={id}&path=session/desktop/{id}/")},
    program_files(
        "__init__.py", "serving.py", "desktop.py", "display.py", "menu.py", "desktop.html", "desktop.js"
    ),
    node=True,
    tools=(
        (("Xtigervnc",), "tigervnc-standalone-server"),
        (("vncpasswd", "tigervncpasswd"), "tigervnc-tools"),
        (("jwm",), "jwm"),
        (("xterm",), "xterm"),
    ),
)
XTERM = Image(
    "skaha/xterm:latest",
    ("desktop-app",),
    programs={"desktop-app": Program(lambda place: [*menu.XTERM, "-T", "xterm"])},
    tools=((("xterm",), "xterm"),),
)
DS9 = Image(
    "skaha/ds9:latest",
    ("desktop-app",),
    programs={"desktop-app": Program(lambda place: ["ds9"])},
    tools=((("ds9",), "saods9"),),
)
