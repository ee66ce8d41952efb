"""The portal's own keys: from the environment in production, else from a file made on the first run."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from canfarweb import env


@dataclass(frozen=True)
class Keys:
    """What signs cookies, seals credentials (newest first) and finds a record by its session's id."""

    secret_key: str
    credential_keys: tuple[str, ...]
    lookup_key: str

    def mark(self, place: str) -> str:
        """Return a few letters that tell the portal with these keys, at this place, from every other."""
        return hashlib.sha256(f"mark\0{self.lookup_key}\0{place}".encode()).hexdigest()[:8]


def from_environment() -> Keys:
    """Read every key from the environment; a missing one stops the start and is named."""
    found = {
        name: env.text(name)
        for name in ("CANFARWEB_SECRET_KEY", "CANFARWEB_CREDENTIAL_KEYS", "CANFARWEB_LOOKUP_KEY")
    }
    for name, value in found.items():
        if not value:
            raise ImproperlyConfigured(f"{name} (or {name}_FILE) must be set in production.")
    keys = tuple(part.strip() for part in found["CANFARWEB_CREDENTIAL_KEYS"].split(",") if part.strip())
    for key in keys:
        _check_fernet(key)
    return Keys(found["CANFARWEB_SECRET_KEY"], keys, found["CANFARWEB_LOOKUP_KEY"])


def from_file(path: Path) -> Keys:
    """Read the keys of this data folder, making them on the first run."""
    try:
        return _read(path)
    except FileNotFoundError:
        _write(path)
        return _read(path)


def _check_fernet(key: str) -> None:
    try:
        Fernet(key)
    except ValueError as error:
        raise ImproperlyConfigured("CANFARWEB_CREDENTIAL_KEYS must hold Fernet keys.") from error


def _read(path: Path) -> Keys:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Keys(raw["secret_key"], tuple(raw["credential_keys"]), raw["lookup_key"])
    except (ValueError, KeyError, TypeError) as error:
        raise ImproperlyConfigured(f"The key file {path} is damaged; restore it or remove it.") from error


def _write(path: Path) -> None:
    """Write the file once, whole: two processes starting together must agree on one."""
    body = {
        "secret_key": secrets.token_urlsafe(48),
        "credential_keys": [Fernet.generate_key().decode()],
        "lookup_key": secrets.token_urlsafe(32),
    }
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(body, file)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
