"""Where a connect link may lead: an address taken from the platform, checked and put together anew."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

LONGEST = 2048
_PLAIN = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


class BadLinkError(ValueError):
    """The platform gave an address that we do not send anybody to; ``code`` says in a word why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def checked(address: object) -> str:
    """Return ``address`` rebuilt from its parts, or raise ``BadLinkError`` with the reason.

    It must be plain ASCII without user or backslash, https (http only where the platform itself is reached by http on
    loopback), and on a host of ``CANFARWEB_SESSION_HOSTS`` or below the platform's own parent domain.
    """
    if not isinstance(address, str) or not _PLAIN.fullmatch(address) or len(address) > LONGEST:
        code = "missing" if not address else "long" if len(str(address)) > LONGEST else "not_plain"
        raise BadLinkError(code, "The platform gave no usable address for this session.")
    if "\\" in address:
        raise BadLinkError("backslash", "The address of this session holds a backslash.")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadLinkError("not_read", "The address of this session cannot be read.") from error
    if "@" in parts.netloc or not _HOST.fullmatch(host):
        raise BadLinkError("host_not_plain", "The address of this session names no plain host.")
    if not _scheme_allowed(parts.scheme):
        raise BadLinkError("scheme", "The address of this session is not https.")
    if not _host_allowed(host, port):
        raise BadLinkError(
            "host", f"The address of this session is on {host[:80]}, which this portal does not know."
        )
    netloc = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, parts.fragment))


def by_number(address: str) -> str:
    """Return a checked address on this machine with the number in place of the name: not every browser knows those
    below `.localhost`, and the local platform takes both."""
    parts = urlsplit(address)
    if not (parts.hostname or "").endswith(".localhost"):
        return address
    return urlunsplit(parts._replace(netloc=f"127.0.0.1:{parts.port}" if parts.port else "127.0.0.1"))


def _scheme_allowed(scheme: str) -> bool:
    platform = urlsplit(settings.PLATFORM_URL)
    return scheme == "https" or (
        scheme == "http" and platform.scheme == "http" and _on_loopback(platform.hostname)
    )


def _host_allowed(host: str, port: int | None) -> bool:
    if host in settings.SESSION_HOSTS or (port and f"{host}:{port}" in settings.SESSION_HOSTS):
        return True
    platform = urlsplit(settings.PLATFORM_URL)
    own = platform.hostname or ""
    if _on_loopback(own):
        # The local platform serves its sessions on its own port, each under a name of its own.
        return _on_loopback(host) and port == platform.port
    # An address of numbers has no parent domain.
    parent = "" if own.rpartition(".")[2].isdigit() else own.partition(".")[2]
    return port in {None, 443} and (host == own or ("." in parent and host.endswith(f".{parent}")))


def _on_loopback(host: str | None) -> bool:
    return host is not None and (host in {"localhost", "127.0.0.1"} or host.endswith(".localhost"))
