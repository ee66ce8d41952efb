"""An image to look at when there is none yet: an invented galaxy among stars, as a FITS file."""

import array
import math
import random
import sys
from functools import cache

SIDE = 384
BLOCK = 2880
STARS = 140


@cache
def galaxy() -> bytes:
    """Draw the galaxy; the same one each time."""
    drawn = array.array("f", (light(x, y) for y in range(SIDE) for x in range(SIDE)))
    chance = random.Random(31)  # noqa: S311 - a picture, not a secret
    for _ in range(STARS):
        add_star(
            drawn,
            chance.randrange(8, SIDE - 8),
            chance.randrange(8, SIDE - 8),
            40 * chance.paretovariate(1.1),
        )
    for place in range(len(drawn)):
        drawn[place] += chance.gauss(100, 1.5)
    if sys.byteorder == "little":
        drawn.byteswap()
    return header() + padded(drawn.tobytes(), b"\0")


def light(x: int, y: int) -> float:
    """Answer how bright two spiral arms around a core are at one place."""
    across, up = (x - SIDE / 2) / (SIDE * 0.18), (y - SIDE / 2) / (SIDE * 0.11)
    across, up = across * 0.86 + up * 0.5, up * 0.86 - across * 0.5
    distance = math.hypot(across, up)
    arms = 0.5 + 0.5 * math.cos(2 * math.atan2(up, across) - 5.5 * math.log(distance + 0.25))
    return 900 * math.exp(-9 * distance * distance) + 170 * math.exp(-distance * 1.15) * (0.25 + arms * arms)


def add_star(drawn: "array.array[float]", x: int, y: int, brightness: float) -> None:
    """Add a star, a little blurred."""
    for row in range(-5, 6):
        for column in range(-5, 6):
            drawn[(y + row) * SIDE + x + column] += min(brightness, 3000) * math.exp(
                -(row * row + column * column) / 3.2
            )


def header() -> bytes:
    """Compose the header, with coordinates on the sky."""
    cards: list[tuple[str, object]] = [
        *(("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", SIDE), ("NAXIS2", SIDE)),
        *(
            ("OBJECT", "An invented galaxy"),
            ("CTYPE1", "RA---TAN"),
            ("CTYPE2", "DEC--TAN"),
            ("EQUINOX", 2000.0),
        ),
        *(("CRPIX1", SIDE / 2), ("CRPIX2", SIDE / 2), ("CRVAL1", 10.6847), ("CRVAL2", 41.269)),
        *(("CDELT1", -0.0004), ("CDELT2", 0.0004), ("CUNIT1", "deg"), ("CUNIT2", "deg")),
    ]
    text = "".join(card(key, value) for key, value in cards) + "END".ljust(80)
    return padded(text.encode("ascii"), b" ")


def card(key: str, value: object) -> str:
    """Write one line of a header."""
    if isinstance(value, bool):
        shown = ("T" if value else "F").rjust(20)
    elif isinstance(value, str):
        shown = f"'{value:<8}'"
    else:
        shown = str(value).rjust(20)
    return f"{key:<8}= {shown}".ljust(80)


def padded(content: bytes, filler: bytes) -> bytes:
    """Fill up to a whole number of blocks."""
    return content + filler * (-len(content) % BLOCK)
