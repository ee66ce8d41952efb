"""The images that can run or be pulled here: recipes for environments, not container images."""

import re

from .desktop import DESKTOP, DS9, XTERM
from .js9 import JS9
from .notebooks import JUPYTERLAB, MARIMO
from .recipe import HOST, Image, Place, Program
from .terminals import TERMINAL, WEB_TERMINAL

__all__ = ["HOST", "IMAGES", "WEB_TERMINAL", "Image", "Place", "Program", "find", "short_name", "stand_in"]

LATEST = "latest"  # The tag of a reference that has none.
IMAGES = (TERMINAL, JUPYTERLAB, MARIMO, WEB_TERMINAL, DESKTOP, XTERM, DS9, JS9)
# A name with a tag, a digest, both or neither, as container engines read them.
REFERENCE = re.compile(
    r"(?P<repository>[^:@\s]+)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9][a-z0-9+._-]*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)


def find(reference: str) -> Image | None:
    """Find the image that a session names; there is one of each, so it stands for its every tag and digest."""
    found = REFERENCE.fullmatch(reference)
    repository = found["repository"] if found else ""
    return next((image for image in IMAGES if image.repository == repository), None)


def stand_in(reference: str, image: Image) -> str:
    """Say what stands for a reference; nothing if it names this very image. A digest counts more than a tag."""
    found = REFERENCE.fullmatch(reference)
    if found is None:
        return ""
    named = found["digest"] or f"{found['repository']}:{found['tag'] or LATEST}"
    if named in (image.digest, image.id):
        return ""
    return f"`{short_name(reference)}` is not in this catalogue; `{image.name}` stands for it"


def short_name(reference: str) -> str:
    """Name an image without the host that all of them have."""
    return reference.removeprefix(f"{HOST}/")
