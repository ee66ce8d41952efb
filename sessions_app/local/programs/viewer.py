"""JS9 in the place of a viewer that cannot be had here: its page, its files, and the FITS files of a home."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import tornado.web

from .sample import galaxy
from .serving import Answer, Files, Page, arguments, asked_to_end, files, listen

ENDINGS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
MOST_FILES = 500
DEEPEST = 6
# JS9 is made in a time when pages had scripts in their attributes, and computes with compiled code.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Viewer(Page):
    """The page."""

    policy = POLICY

    def get(self) -> None:
        """Show it."""
        self.show()


class Sample(Answer):
    """A picture to begin with."""

    async def get(self) -> None:
        """Draw it, beside other requests."""
        self.set_header("Content-Type", "image/fits")
        self.finish(await asyncio.to_thread(galaxy))


class Listing(Answer):
    """The names of the FITS files of a home."""

    def initialize(self, home: str) -> None:
        """Take the home."""
        self.home = Path(home)

    async def get(self) -> None:
        """Look for them."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(await asyncio.to_thread(found, self.home)))


class HomeFiles(Files):
    """A FITS file of a home, and no other file of it."""

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Refuse what is no FITS file, and what a link leads to outside."""
        if not shown(Path(absolute_path), Path(root)):
            raise tornado.web.HTTPError(404)
        checked: str | None = super().validate_absolute_path(root, absolute_path)
        return checked


def shown(path: Path, home: Path) -> bool:
    """Say whether a file is to be shown: one of the home, also by its real name, that is not hidden."""
    if not path.is_relative_to(home) or any(part.startswith(".") for part in path.relative_to(home).parts):
        return False
    real = path.resolve()
    return real.name.lower().endswith(ENDINGS) and real.is_relative_to(home.resolve()) and real.is_file()


def found(home: Path) -> list[dict[str, Any]]:
    """List FITS files by name, with their sizes."""
    rows: list[dict[str, Any]] = []
    for folder, inner, names in os.walk(home):
        depth = len(Path(folder).relative_to(home).parts)
        inner[:] = sorted(name for name in inner if not name.startswith(".")) if depth < DEEPEST else []
        for name in sorted(names):
            path = Path(folder, name)
            if shown(path, home):
                rows.append({"name": str(path.relative_to(home)), "size": path.stat().st_size})
        if len(rows) >= MOST_FILES:
            break
    return rows[:MOST_FILES]


async def main() -> None:
    """Serve until told to end."""
    given = arguments("home", "instead-of")
    told = asked_to_end()
    words = {"name": given.name, "instead_of": given.instead_of}
    routes = [
        ("/", Viewer, {"name": "viewer.html", "words": words}),
        ("/sample.fits", Sample, {}),
        ("/files", Listing, {"home": given.home}),
        ("/home/(.*)", HomeFiles, {"path": given.home}),
        files("/js9/(.*)", Path(given.root) / "node_modules" / "js9"),
    ]
    listen(routes, given.base, given.socket)
    await told.wait()


if __name__ == "__main__":
    asyncio.run(main())
