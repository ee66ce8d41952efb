"""What a launch is checked against: what the platform offers, and what a person has there already."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sessions_app.client import errors, images, values

_REFERENCE = re.compile(
    r"(?P<repository>[^\s:@]+(?::\d+/[^\s:@]+)?)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>\S+))?"
)


@dataclass(frozen=True, slots=True)
class Fit:
    """What the platform's list says of an image: whether it is on it, and which kinds it serves then.

    ``listed`` is the image on the list that was taken for it: itself, or one that only differs in its tag.
    """

    listed: str = ""
    kinds: tuple[str, ...] = ()
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a launch is checked against; None where it is not known."""

    images: list[values.Image] | None = None
    context: values.Context | None = None
    hosts: list[str] | None = None
    names: frozenset[str] = frozenset()
    interactive: tuple[str, ...] | None = None
    # Whether this is the local platform, of which more is known than its answers say.
    is_local: bool = False

    def images_of(self, kind: str) -> list[values.Image]:
        """Return the images that say they serve this kind."""
        return [image for image in self.images or [] if kind in image.types]

    def fit(self, image: str) -> Fit | None:
        """Return what the platform's list says of an image, or None where there is no list."""
        if self.images is None:
            return None
        if found := next((each for each in self.images if each.id == image), None):
            return Fit(found.id, found.types, is_exact=True)
        wanted, digest = repository_of(image), image.partition("@")[2]
        alike = [each for each in self.images if repository_of(each.id) == wanted]
        # A digest says more than a tag: it is this very image, by whatever tag it is listed.
        if found := next((each for each in alike if digest and each.digest == digest), None):
            return Fit(found.id, found.types, is_exact=True)
        return Fit(alike[0].id, alike[0].types) if alike else Fit()

    def whole(self, image: str) -> str:
        """Return an image's full name: with a host in front and a tag behind, where they are missing."""
        try:
            return images.full_image(image, self.hosts[0] if self.hosts else images.USUAL_REGISTRY)
        except errors.InvalidArgumentError:
            # Not a name yet, or none at all: the form says what is wrong with it.
            return image.strip()


def repository_of(image: str) -> str:
    """Return an image's name without its tag and digest.

    >>> repository_of("images.canfar.net/skaha/terminal:1.1.2")
    'images.canfar.net/skaha/terminal'
    """
    found = _REFERENCE.fullmatch(image)
    return found["repository"] if found else image
