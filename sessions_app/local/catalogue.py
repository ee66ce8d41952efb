"""The images that can run or be pulled here: recipes for environments, not container images."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

HOST = "images.canfar.net"  # What the released client puts in front of an image that names no host.
LOCKS = Path(__file__).with_name("images")


@dataclass(frozen=True)
class Place:
    """Where a program is to run: what its command line may need to know."""

    id: str
    host: str
    base: str
    socket: str
    port: int
    home: str
    secret_file: str


@dataclass(frozen=True)
class Program:
    """How an image serves one kind of session over HTTP."""

    argv: Callable[[Place], list[str]]
    probe: str
    start: str
    unix: bool


@dataclass(frozen=True)
class Image:
    """An environment with the programs in it."""

    name: str
    kinds: tuple[str, ...]
    recipe: str = ""
    programs: dict[str, Program] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name the image as the API does."""
        return f"{HOST}/{self.name}"

    @cached_property
    def lock(self) -> str:
        """Read the exact packages, with their hashes."""
        return self.lock_path.read_text() if self.recipe else ""

    @property
    def lock_path(self) -> Path:
        """Say where the lock is."""
        return LOCKS / f"{self.recipe}.lock"

    @cached_property
    def packages(self) -> int:
        """Count the packages in the lock."""
        return len(re.findall(r"^[A-Za-z0-9].*==", self.lock, re.MULTILINE))

    @cached_property
    def digest(self) -> str:
        """Sum up the recipe: the same packages and files are the same image."""
        recipe = "\0".join([self.name, *self.kinds, self.lock, *map(str, sorted(self.files.items()))])
        return "sha256:" + hashlib.sha256(recipe.encode()).hexdigest()

    @property
    def folder(self) -> str:
        """Name the folder its environment is in."""
        return f"{self.recipe}-{self.digest[7:19]}"


def _jupyterlab(place: Place) -> list[str]:
    root = ["--allow-root"] if os.getuid() == 0 else []
    return [
        *("python", "-m", "jupyterlab", "--no-browser", *root),
        f"--ServerApp.sock={place.socket}",
        "--ServerApp.sock_mode=0600",
        f"--ServerApp.base_url={place.base}",
        f"--ServerApp.root_dir={place.home}",
        # Without this, Jupyter refuses every name but localhost.
        f"--ServerApp.local_hostnames={place.host}",
        "--ServerApp.local_hostnames=localhost",
        "--ServerApp.local_hostnames=127.0.0.1",
    ]


def _marimo(place: Place) -> list[str]:
    return [
        *(
            "python",
            "-m",
            "marimo",
            "-q",
            "edit",
            place.home,
            "--headless",
            "--skip-update-check",
            "--no-sandbox",
        ),
        *("--host", "127.0.0.1", "--port", str(place.port), "--base-url", place.base),
        *("--token-password-file", place.secret_file),
    ]


NO_NEWS = (
    '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}\n'
)

IMAGES = (
    Image("skaha/terminal:latest", ("headless",)),
    Image(
        "skaha/base-notebook:latest",
        ("notebook", "headless"),
        "base-notebook",
        {"notebook": Program(_jupyterlab, "/api", "/lab?token={id}", unix=True)},
        # A first start asks about news of Jupyter; in a session that lives an hour that is in the way.
        {"share/jupyter/lab/settings/overrides.json": NO_NEWS},
    ),
    Image(
        "skaha/marimo:latest",
        ("contributed",),
        "marimo",
        {"contributed": Program(_marimo, "/health", "/?access_token={id}", unix=False)},
    ),
)


def find(reference: str) -> Image | None:
    """Find an image by the reference that a session names."""
    return next((image for image in IMAGES if image.id == reference), None)
