"""What an image of this platform is: a recipe for an environment, and the programs in it that serve sessions."""

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..machine import search_path

HOST = "images.canfar.net"  # What the released client puts in front of an image that names no host.
LOCKS = Path(__file__).parents[1] / "images"
PROGRAMS = Path(__file__).parents[1] / "programs"
PACKAGES = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
# Python without the folder that it is started in: a person's own `json.py` is none of a program's business.
PYTHON = ("python", "-P", "-m")


@dataclass(frozen=True)
class Place:
    """Where a program is to run: what its command line may need to know."""

    id: str
    name: str
    host: str
    base: str
    socket: str
    home: str
    folder: str
    root: str
    secret_file: str


@dataclass(frozen=True)
class Program:
    """How an image serves one kind of session: over HTTP, unless there is nothing to probe."""

    argv: Callable[[Place], list[str]]
    probe: str = ""
    start: str = "/"


@dataclass(frozen=True)
class Image:
    """An environment with the programs in it.

    A recipe has a lock of Python packages, `images/RECIPE.lock`; one with ``node`` also has a folder
    `images/RECIPE` with the `package.json` and `package-lock.json` of npm packages. ``tools`` are programs that the
    machine must have: each a choice of names, and the package that brings the first of them.
    """

    name: str
    kinds: tuple[str, ...]
    recipe: str = ""
    programs: dict[str, Program] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    node: bool = False
    tools: tuple[tuple[tuple[str, ...], str], ...] = ()

    @property
    def id(self) -> str:
        """Name the image as the API does."""
        return f"{HOST}/{self.name}"

    @property
    def repository(self) -> str:
        """Name the image without its tag."""
        return self.id.rpartition(":")[0]

    @cached_property
    def lock(self) -> str:
        """Read the exact packages, with their hashes."""
        return self.lock_path.read_text() if self.recipe else ""

    @property
    def lock_path(self) -> Path:
        """Say where the lock is."""
        return LOCKS / f"{self.recipe}.lock"

    @property
    def node_files(self) -> tuple[Path, ...]:
        """Say where npm's two files are, if this image has packages from there."""
        folder = LOCKS / self.recipe
        return (folder / "package.json", folder / "package-lock.json") if self.node else ()

    @cached_property
    def packages(self) -> int:
        """Count the packages in the lock."""
        return len(re.findall(r"^[A-Za-z0-9].*==", self.lock, re.MULTILINE))

    @cached_property
    def node_packages(self) -> int:
        """Count what npm downloads: what other packages bring along is in theirs."""
        found = json.loads(self.node_files[1].read_text())["packages"] if self.node else {}
        return sum(bool(name) and not package.get("inBundle") for name, package in found.items())

    @cached_property
    def digest(self) -> str:
        """Sum up the recipe: the same packages and files are the same image."""
        parts = [self.name, *self.kinds, self.lock, *map(str, sorted(self.files.items()))]
        recipe = "\0".join([*parts, *(path.read_text() for path in self.node_files)])
        return "sha256:" + hashlib.sha256(recipe.encode()).hexdigest()

    @property
    def folder(self) -> str:
        """Name the folder its environment is in."""
        return f"{self.recipe}-{self.digest[7:19]}"

    def lacks(self, pulled: bool) -> str:
        """Say what this machine lacks to run the image, or to pull it first; nothing if it has all."""
        npm = ((("npm",), "npm"),) if self.node and not pulled else ()
        path = search_path()
        missing = [
            (names, package)
            for names, package in (*self.tools, *npm)
            if not any(shutil.which(name, path=path) for name in names)
        ]
        if not missing:
            return ""
        programs = ", ".join(" or ".join(names) for names, _ in missing)
        return f"this machine lacks {programs}: install {', '.join(package for _, package in missing)}"


def program_files(*names: str) -> dict[str, str]:
    """Take files of `programs` into an image, so that a running session keeps the ones it started with."""
    return {f"{PACKAGES}/session_programs/{name}": (PROGRAMS / name).read_text() for name in names}
