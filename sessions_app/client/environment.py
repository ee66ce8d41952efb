"""What the environment and the released client's configuration file say. Read where nothing else is said."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import InvalidArgumentError, NotSignedInError

CONFIGURATION = Path(".canfar") / "config.yaml"
KNOWN_VERSIONS = (1, 2)
_MOST_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A platform and who is calling, as somebody set them up. Nothing secret in its ``repr``."""

    url: str | None = None
    server: str | None = None
    version: str = "v1"
    token: str | None = field(default=None, repr=False)
    certificate: Path | None = field(default=None, repr=False)
    registry: tuple[str, str] | None = field(default=None, repr=False)
    timeout: float | None = None
    concurrency: int | None = None


def surroundings(variables: Mapping[str, str], home: Path) -> Surroundings:
    """Read the variables; where they name no platform, the configuration file in the home folder.

    >>> found = surroundings({"CANFAR_URL": "https://host/skaha/v1", "CANFAR_TOKEN": "t"}, Path("/nowhere"))
    >>> found.url, found.timeout
    ('https://host/skaha/v1', None)
    """
    given = {name: value for name, value in variables.items() if name.startswith("CANFAR_") and value}
    named = _named(given)
    found = named if named else _configured(home / CONFIGURATION)
    registry = (given.get("CANFAR_REGISTRY__USERNAME"), given.get("CANFAR_REGISTRY__SECRET"))
    if registry[0] and registry[1]:
        found["registry"] = registry
    timeout = _number(given, "CANFAR_TIMEOUT")
    concurrency = _number(given, "CANFAR_CONCURRENCY")
    if concurrency is None:
        return Surroundings(**found, timeout=timeout)
    if not concurrency.is_integer():
        raise InvalidArgumentError("CANFAR_CONCURRENCY must be a whole number.")
    return Surroundings(**found, timeout=timeout, concurrency=int(concurrency))


def _named(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the platform that the variables name. Its address and its credential belong together."""
    url, token = given.get("CANFAR_URL"), given.get("CANFAR_TOKEN")
    certificate = given.get("CANFAR_CERTIFICATE")
    if not url and not token and not certificate:
        return {}
    if not url:
        name = "CANFAR_TOKEN" if token else "CANFAR_CERTIFICATE"
        raise InvalidArgumentError(f"{name} is set, but CANFAR_URL, which says where to use it, is not.")
    if not token and not certificate:
        # A credential that was kept for another platform is not sent to this one.
        raise InvalidArgumentError("CANFAR_URL is set, but neither CANFAR_TOKEN nor CANFAR_CERTIFICATE is.")
    # The token wins, as in the released client.
    return {"url": url, "token": token, "certificate": None if token else Path(certificate or "")}


def _number(given: Mapping[str, str], name: str) -> float | None:
    try:
        return float(given[name]) if name in given else None
    except ValueError:
        raise InvalidArgumentError(f"{name} must be a number.") from None


def _configured(path: Path) -> dict[str, Any]:
    """Return the active platform of a configuration file of version 1 or 2."""
    file = _read(path)
    if file.get("version") not in KNOWN_VERSIONS:
        raise _unfit(path, "must say `version: 1` or `version: 2`; files of other versions are not read")
    active = _part(path, file, "active")
    authentication = str(active.get("authentication"))
    credential = _part(path, _part(path, file, "authentication"), authentication)
    server = active.get("server") or _mapping(active.get("servers")).get(authentication)
    found = _address(path, _part(path, _part(path, file, "servers"), server))
    found |= _credential(path, credential)
    registry = _mapping(file.get("registry"))
    if registry.get("username") and registry.get("secret"):
        found["registry"] = (str(registry["username"]), str(registry["secret"]))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES)
    except OSError as problem:
        why = problem.strerror or "It cannot be read."
        raise InvalidArgumentError(
            f"CANFAR_URL and CANFAR_TOKEN are not set, and there is no configuration to use at {path}: {why}."
        ) from None
    try:
        import yaml
    except ImportError:
        raise ImportError(
            f"Reading {path} needs PyYAML, which is not installed: pip install pyyaml."
        ) from None
    try:
        return _mapping(yaml.safe_load(text))
    except (yaml.YAMLError, RecursionError, ValueError):
        # The parser's own words quote the file, which holds the token.
        raise _unfit(path, "is no sound YAML") from None


def _address(path: Path, server: Mapping[str, Any]) -> dict[str, Any]:
    address, version = server.get("url"), server.get("version") or "v1"
    if not isinstance(address, str) or not isinstance(version, str):
        raise _unfit(path, "names no address for its active server")
    return {"server": address, "version": version}


def _credential(path: Path, credential: Mapping[str, Any]) -> dict[str, Any]:
    if credential.get("mode") == "oidc":
        token = _mapping(credential.get("token")).get("access")
        _check_expiry(path, _mapping(credential.get("expiry")).get("access"))
        if not isinstance(token, str) or not token:
            raise NotSignedInError(f"{path} holds no access token.", advice="Sign in with `canfar login`.")
        return {"token": token}
    if credential.get("mode") == "x509" and isinstance(credential.get("path"), str):
        _check_expiry(path, credential.get("expiry"))
        return {"certificate": Path(credential["path"]).expanduser()}
    raise _unfit(path, "holds neither a token nor a certificate for its active authentication")


def _check_expiry(path: Path, expiry: object) -> None:
    # Nothing and 0 mean that it is not known.
    if isinstance(expiry, int | float) and 0 < expiry < time.time():
        raise NotSignedInError(f"The sign-in in {path} has expired.", advice="Sign in with `canfar login`.")


def _part(path: Path, given: Mapping[str, Any], name: object) -> dict[str, Any]:
    found = given.get(name) if isinstance(name, str) else None
    if not isinstance(found, dict):
        raise _unfit(path, f"has no entry {name!r} where one is named or needed")
    return found


def _mapping(given: object) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _unfit(path: Path, why: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"The configuration file {path} {why}.")
