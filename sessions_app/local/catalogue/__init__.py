"""The images that can run or be pulled here: recipes for environments, not container images."""

from .desktop import DESKTOP, DS9, XTERM
from .js9 import JS9
from .notebooks import JUPYTERLAB, MARIMO
from .recipe import HOST, Image, Place, Program
from .terminals import TERMINAL, WEB_TERMINAL

__all__ = ["HOST", "IMAGES", "Image", "Place", "Program", "find"]

IMAGES = (TERMINAL, JUPYTERLAB, MARIMO, WEB_TERMINAL, DESKTOP, XTERM, DS9, JS9)


def find(reference: str) -> Image | None:
    """Find an image by the reference that a session names."""
    return next((image for image in IMAGES if image.id == reference), None)
