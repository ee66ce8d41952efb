"""The portal's own keys: from the environment in production, else from a file made on the first run."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from canfarweb import env

SECRET, CREDENTIALS, LOOKUP = "CANFARWEB_SECRET_KEY", "CANFARWEB_CREDENTIAL_KEYS", "CANFARWEB_LOOKUP_KEY"
# Characters that a key needs at least, and how many different ones.
LEAST = {SECRET: 50, LOOKUP: 32}
LEAST_LETTERS = 10
MAKE_ONE = "Make one with `python -c 'import secrets; print(secrets.token_urlsafe(48))'`."
MAKE_FERNET = "`Fernet.generate_key()` of Python's cryptography makes one."


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
    """Read every key from the environment; one that is missing or guessable stops the start and is named."""
    found = {name: env.text(name) for name in (SECRET, CREDENTIALS, LOOKUP)}
    for name, value in found.items():
        if not value:
            raise ImproperlyConfigured(f"{name} (or {name}_FILE) must be set in production.")
    for name in (SECRET, LOOKUP):
        _check_length(name, found[name])
    keys = tuple(part.strip() for part in found[CREDENTIALS].split(",") if part.strip())
    if not keys:
        raise ImproperlyConfigured(f"{CREDENTIALS} must hold at least one Fernet key.")
    for key in keys:
        _check_fernet(key)
    if len({found[SECRET], found[LOOKUP], *keys}) < len(keys) + 2:
        raise ImproperlyConfigured(f"{SECRET}, {LOOKUP} and each of {CREDENTIALS} must differ. {MAKE_ONE}")
    return Keys(found[SECRET], keys, found[LOOKUP])


def from_file(path: Path) -> Keys:
    """Read the keys of this data folder, making them on the first run."""
    try:
        return _read(path)
    except FileNotFoundError:
        _write(path)
        return _read(path)


def _check_length(name: str, key: str) -> None:
    """Refuse what can be guessed: Django's own measure for a secret key."""
    if len(key) < LEAST[name] or len(set(key)) < LEAST_LETTERS or key.startswith("django-insecure-"):
        raise ImproperlyConfigured(
            f"{name} can be guessed: it needs {LEAST[name]} characters by chance or more. {MAKE_ONE}"
        )


def _check_fernet(key: str) -> None:
    try:
        Fernet(key)
    except ValueError as error:
        raise ImproperlyConfigured(f"{CREDENTIALS} must hold Fernet keys. {MAKE_FERNET}") from error
    if len(set(base64.urlsafe_b64decode(key))) < LEAST_LETTERS:
        raise ImproperlyConfigured(f"{CREDENTIALS} holds a key that can be guessed. {MAKE_FERNET}")


def _read(path: Path) -> Keys:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = Keys(str(raw["secret_key"]), tuple(raw["credential_keys"]), str(raw["lookup_key"]))
        _check_length(SECRET, found.secret_key)
        _check_length(LOOKUP, found.lookup_key)
        if not found.credential_keys:
            raise ValueError("There is no key for credentials.")
        for key in found.credential_keys:
            _check_fernet(key)
        return found
    except (ValueError, KeyError, TypeError, ImproperlyConfigured) as error:
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
