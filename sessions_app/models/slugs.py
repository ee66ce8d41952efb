"""Our own opaque handles."""

import secrets

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
LENGTH = 12


def new_slug() -> str:
    """Return 12 random characters (60 bits) without the ones that look alike."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
