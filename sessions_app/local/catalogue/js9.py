"""JS9, which stands in for the two viewers that no registry has: CARTA and Firefly."""

from .recipe import PYTHON, Image, Place, Program, program_files


def _viewer(instead_of: str, start: str) -> Program:
    def argv(place: Place) -> list[str]:
        return [
            *(*PYTHON, "session_programs.viewer", "--socket", place.socket, "--base", place.base + start),
            *("--root", place.root, "--name", place.name, "--home", place.home, "--instead-of", instead_of),
        ]

    return Program(argv, f"{start}/health", f"{start}/")


JS9 = Image(
    "skaha/js9-stand-in:latest",
    ("carta", "firefly"),
    "js9",
    {"carta": _viewer("CARTA", ""), "firefly": _viewer("Firefly", "/firefly")},
    program_files(
        "__init__.py", "serving.py", "viewer.py", "sample.py", "viewer.html", "viewer.js", "js9prefs.js"
    ),
    node=True,
)
