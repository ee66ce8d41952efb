"""Passwords: drawn at random, kept as scrypt hashes, compared in constant time."""

import hashlib
import hmac
import os
import secrets

COST, BLOCK, LANES = 2**14, 8, 1
MEMORY = 64 * 2**20
# No letters and digits that look alike: it is copied by hand.
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
# What a password is compared with where there is none: an unknown name must take as long as a wrong password.
NOBODY = f"{COST}${'00' * 16}${'00' * 64}"


def draw() -> str:
    """Draw a password: four groups of four, 80 bits."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))


def hashed(password: str) -> str:
    """Hash a password with a salt of its own."""
    salt = os.urandom(16)
    return f"{COST}${salt.hex()}${_scrypt(password, salt, COST).hex()}"


def matches(password: str, kept: str) -> bool:
    """Say whether this is the password that was hashed."""
    cost, salt, expected = kept.split("$")
    found = _scrypt(password, bytes.fromhex(salt), int(cost))
    return hmac.compare_digest(found, bytes.fromhex(expected))


def _scrypt(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogateescape"), salt=salt, n=cost, r=BLOCK, p=LANES, maxmem=MEMORY
    )
