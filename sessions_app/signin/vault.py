"""Seal secrets for storage and find them again without storing them in the clear.

Fernet with keys of its own (newest first, so that keys can rotate). Fernet carries no associated data,
so the owner is written inside the sealed text: a row copied to somebody else does not open for them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class VaultError(Exception):
    """A sealed text could not be opened: wrong key, damaged, or sealed for somebody else."""


def seal(owner: str, secret: str) -> str:
    """Return ``secret`` sealed for ``owner``."""
    body = json.dumps([owner, secret]).encode()
    return _fernet().encrypt(body).decode()


def unseal(owner: str, sealed: str) -> str:
    """Return what was sealed for ``owner``, or raise ``VaultError``."""
    try:
        found_owner, secret = json.loads(_fernet().decrypt(sealed.encode()))
    except (InvalidToken, ValueError) as error:
        raise VaultError("The stored secret cannot be opened with the present keys.") from error
    if found_owner != owner:
        raise VaultError("The stored secret belongs to somebody else.")
    return str(secret)


def fingerprint(*parts: str) -> str:
    """Return a keyed digest by which a row is found without keeping the secret it stands for."""
    message = "\x1f".join(parts).encode()
    return hmac.new(settings.KEYS.lookup_key.encode(), message, hashlib.sha256).hexdigest()


@lru_cache(maxsize=4)
def _multi(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _fernet() -> MultiFernet:
    return _multi(settings.KEYS.credential_keys)
