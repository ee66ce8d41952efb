"""What a session is made with: as it is given or, where nothing is said, as environment and configuration file say."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from warnings import warn

if TYPE_CHECKING:
    from .pools import AsyncPool, Pool

TokenT = TypeVar("TokenT")
USUAL_TIMEOUT = 30.0
LONGEST_TIMEOUT = 300.0


@dataclass(frozen=True, slots=True)
class Given(Generic[TokenT]):
    """What a session without a pool is made with. Nothing secret in its ``repr``."""

    server: str | None
    version: str
    url: str | None
    token: TokenT | str | None = field(repr=False)
    certificate: str | Path | bytes | None = field(repr=False)
    registry: tuple[str, str] | None = field(repr=False)
    timeout: float | str | None
    concurrency: int | str | None

    def completed(self) -> Given[TokenT]:
        """Read the surroundings where neither a platform nor a credential was given; of a credential alone, where to.

        A credential that somebody set up never goes to a platform that was named here.
        """
        if self.url is not None or self.server is not None:
            return self
        if self.token is not None or self.certificate is not None:
            return replace(self, url=_address())
        from .environment import surroundings

        found = surroundings(os.environ, Path.home())
        return Given(
            found.server,
            found.version,
            found.url,
            found.token,
            found.certificate,
            self.registry or found.registry,
            found.timeout if self.timeout is None else self.timeout,
            found.concurrency if self.concurrency is None else self.concurrency,
        )


def check_pool(pool: object, *wiring: object, version: str) -> None:
    """See that a session with a pool is given nothing that the pool has already."""
    if pool is not None and (any(part is not None for part in wiring) or version != "v1"):
        raise TypeError("A pool brings its address, certificate, transport and concurrency with it.")


def checked_timeout(timeout: float | str | None) -> float:
    """Return a timeout that may be; as a text too, as the released client takes it."""
    if timeout is None:
        return USUAL_TIMEOUT
    if isinstance(timeout, bool) or not isinstance(timeout, int | float | str):
        raise TypeError("timeout must be a number of seconds.")
    try:
        found = float(timeout)
    except (ValueError, OverflowError):
        raise ValueError("timeout must be a number of seconds.") from None
    if not 0 < found <= LONGEST_TIMEOUT:
        raise ValueError(f"timeout must be above 0 and at most {LONGEST_TIMEOUT:.0f} seconds.")
    return found


def is_raising(errors: str) -> bool:
    """Whether calls over many items raise when some failed."""
    if errors not in {"ignore", "raise"}:
        raise ValueError('errors must be "ignore" or "raise".')
    return errors == "raise"


def by_certificate(token: object, certificate: object, pool: AsyncPool | Pool) -> bool:
    """Whether there is a certificate; a warning where it is not what the platform will see."""
    if token is not None and certificate is not None:
        warn("A token and a certificate were given; requests carry the token.", UserWarning, stacklevel=3)
    elif certificate is not None and not pool.url.startswith("https:"):
        warn(
            "A certificate is only shown over https: this platform will not see who is calling.",
            UserWarning,
            stacklevel=3,
        )
    return pool.has_certificate


def set_level(loglevel: int | str | None) -> None:
    """Set the level of our own logger, and of no other."""
    if loglevel is None:
        return
    level = loglevel.strip().upper() if isinstance(loglevel, str) else loglevel
    if isinstance(level, str) and level.isdecimal():
        level = int(level)
    known = logging.getLevelNamesMapping()
    if level not in known and level not in {0, 10, 20, 30, 40, 50}:
        raise ValueError("loglevel must be one of 0, 10, 20, 30, 40, 50 or the name of one.")
    logging.getLogger("sessions_app.client").setLevel(level)


def _address() -> str:
    address = os.environ.get("CANFAR_URL")
    if not address:
        raise TypeError(
            "Give the platform's address as url=, or as server= and version=, or set CANFAR_URL to it."
        )
    return address
