"""The kinds of session, as people choose them."""

from __future__ import annotations

from dataclasses import dataclass

# These two get their resources from the platform's own template, whatever is asked for (chapter 4.5).
SIZED_BY_PLATFORM = {"desktop", "firefly"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of session as people choose it."""

    key: str
    title: str
    line: str


KINDS = (
    Kind("notebook", "Notebook", "JupyterLab in your browser"),
    Kind("desktop", "Desktop", "A Linux desktop in your browser"),
    Kind("carta", "CARTA", "Look at image cubes"),
    Kind("firefly", "Firefly", "Catalogues, images and plots"),
    Kind("contributed", "Contributed", "Web applications by the community"),
    Kind("headless", "Batch", "A command that runs by itself"),
)
KIND_KEYS = frozenset(kind.key for kind in KINDS)
KIND_TITLES = {kind.key: kind.title for kind in KINDS} | {"desktop-app": "Desktop app"}
