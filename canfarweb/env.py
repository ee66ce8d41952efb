"""Read settings from the environment, by type, naming the variable when a value is wrong."""

from __future__ import annotations

import ctypes
import os
import re
import ssl
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]", re.IGNORECASE)
_FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """Return the variable's text, or what the file named by ``<name>_FILE`` holds."""
    if name in os.environ:
        return os.environ[name].strip()
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return default
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from error


def forget(names: Iterable[str]) -> None:
    """Take secrets that were read out of the environment of this process and of all that it starts.

    Sessions of the local platform run as the same user, who may read `/proc/<pid>/environ`: what the process was
    started with stays there whatever is unset, so it is overwritten where it stands.
    """
    for name in names:
        if os.environ.pop(name, None) is not None:
            _wipe(name)


def _wipe(name: str) -> None:
    try:
        begun_with = Path("/proc/self/environ").read_bytes()
        # Fields 50 of the whole line; the second one is a name that may hold blanks.
        start = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[47])
    except (OSError, ValueError, IndexError):
        return
    for entry in begun_with.split(b"\0"):
        if entry.startswith(name.encode() + b"="):
            at = (b"\0" + begun_with).index(b"\0" + entry)
            skipped = len(name) + 1
            ctypes.memset(start + at + skipped, 0, len(entry) - skipped)


def flag(name: str, default: bool = False) -> bool:
    """Return true or false; anything else stops the start."""
    value = text(name, str(default)).lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")


def number(name: str, default: float, *, low: float, high: float) -> float:
    """Return a number between ``low`` and ``high``."""
    value = text(name)
    if not value:
        return default
    try:
        found = float(value)
    except ValueError:
        found = float("nan")
    if not low <= found <= high:
        raise ImproperlyConfigured(f"{name} must be a number from {low:g} to {high:g}, not {value!r}.")
    return found


def words(name: str) -> list[str]:
    """Return the comma-separated words of a variable."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def hosts(name: str) -> list[str]:
    """Return full host names: none for whatever comes, none with a port, no address instead of a name."""
    found = words(name)
    for host in found:
        if not _HOST.fullmatch(host):
            raise ImproperlyConfigured(
                f"{name} must hold whole host names, such as portal.example.org, not {host!r}."
            )
    return found


def origins(name: str, *, schemes: set[str]) -> list[str]:
    """Return full origins: scheme, host and perhaps a port, nothing behind it."""
    found = words(name)
    for origin in found:
        scheme, _, rest = origin.partition("://")
        host, _, port = rest.partition(":")
        if scheme not in schemes or not _HOST.fullmatch(host) or not (port.isdecimal() or ":" not in rest):
            raise ImproperlyConfigured(
                f"{name} must hold whole origins ({' or '.join(sorted(schemes))}), "
                f"such as https://portal.example.org, not {origin!r}."
            )
    return found


def way(authorities: str, proxy: str) -> dict[str, str]:
    """Return the file of trusted authorities and the proxy, where there are any; SSL_CERT_FILE is minded, too."""
    found = {}
    if path := text(authorities) or os.environ.get("SSL_CERT_FILE", ""):
        name = authorities if text(authorities) else "SSL_CERT_FILE"
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name} must name a PEM file with certificates of authorities: {error.strerror or path}."
            ) from error
        found["authorities"] = path
    if value := text(proxy):
        parts = urlsplit(value)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.path.strip("/")
            or parts.query
        ):
            # It may hold a password.
            raise ImproperlyConfigured(
                f"{proxy} must be the address of a proxy, such as http://proxy.example.org:3128."
            )
        found["proxy"] = value.rstrip("/")
    return found


def http_url(name: str) -> str:
    """Return an http or https address without a trailing slash, or an empty string."""
    value = text(name).rstrip("/")
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise ImproperlyConfigured(f"{name} must be an http or https address, without user or query.")
    return value
