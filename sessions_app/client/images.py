"""Names of images: as people write them, and in whole as a registry takes them."""

from __future__ import annotations

import re
import unicodedata

from .errors import InvalidArgumentError

USUAL_REGISTRY = "images.canfar.net"
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PART = re.compile(r"[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]+")


def full_image(image: str, registry: str = USUAL_REGISTRY) -> str:
    """Return an image's whole name: the usual registry in front, the usual tag behind, where they are missing.

    What stands around the name is trimmed; what can be no name is refused, as no platform could start it.

    >>> full_image(" skaha/terminal ")
    'images.canfar.net/skaha/terminal:latest'
    >>> full_image("localhost:5000/x@sha256:ab")
    'localhost:5000/x@sha256:ab'
    """
    image = image.strip()
    if why := problem_of(image):
        raise InvalidArgumentError(f"image: {why}")
    parts = image.split("/")
    full = image if len(parts) > 2 or _names_a_host(parts[0]) else f"{registry}/{image}"
    return full if ":" in parts[-1] else f"{full}:latest"


def problem_of(image: str) -> str:
    """Return why this can be no image's name, in a sentence for whoever wrote it; nothing if it can be one.

    >>> problem_of("skaha/x:")
    'The tag after “:” is missing.'
    """
    if strange := _strange_character(image):
        return strange
    if "://" in image:
        return "An image's name has no “https://”; begin with the registry or the project."
    name, at, digest = image.partition("@")
    parts = name.split("/")
    parts[-1], colon, tag = parts[-1].partition(":")
    if at and not _DIGEST.fullmatch(digest):
        return "What follows “@” must be a digest, such as sha256: and its digits."
    if len(parts) < 2 or not all(parts):
        return "Write an image as project/name or registry/project/name, with a tag or without."
    if colon and not tag:
        return "The tag after “:” is missing."
    if colon and not _TAG.fullmatch(tag):
        return "A tag has letters, digits, dots, hyphens and underscores only, 128 of them at most."
    return _problem_of_parts(parts)


def _problem_of_parts(parts: list[str]) -> str:
    has_host = len(parts) > 2 or _names_a_host(parts[0])
    if has_host and not _HOST.fullmatch(parts[0]):
        return f"“{parts[0][:60]}” is not the name of a registry."
    for part in parts[has_host:]:
        if not _PART.fullmatch(part):
            return f"“{part[:60]}” has a character that no image's name has there."
    return ""


def _names_a_host(part: str) -> bool:
    """Whether the first of two parts is a registry and not a project: as container engines tell them apart."""
    return "." in part or ":" in part or part == "localhost"


def _strange_character(image: str) -> str:
    """Say which character has no place in a name, and where; invisible ones by their number."""
    for place, character in enumerate(image):
        if "!" <= character <= "~" and character not in "\"'`,;":
            continue
        where = f" after “{image[:place][-30:]}”" if place else " at the beginning"
        if character.isspace():
            return f"An image's name has no blanks; there is one{where}."
        if unicodedata.category(character)[0] in "CZ":
            return f"There is an invisible character (U+{ord(character):04X}){where}; take it away."
        return f"“{character}” has no place in an image's name; it stands{where}."
    return ""
