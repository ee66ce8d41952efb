"""What may be asked for: the checks of a create request, in the contract's order and words (4.2, 4.3)."""

import math
import re
from typing import Protocol

from . import machine
from .catalogue import HOST
from .engine import Wanted
from .kinds import DESKTOP_APP, HEADLESS, MOST_GPUS, SET_SIZES, WORDS, Limits

NAME = re.compile(r"[A-Za-z0-9\-]+")
NUMBER = re.compile(r"[0-9]{1,3}")
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class RefusedError(Exception):
    """The request is refused with this status and this text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Parameters(Protocol):
    """The parameters of a request."""

    def first(self, name: str) -> str | None:
        """Answer the first value of a parameter."""

    def every(self, name: str) -> list[str]:
        """Answer all values of a parameter."""


def wanted(parameters: Parameters, user: str, active: int, limits: Limits) -> Wanted:
    """Check a create request; the first thing that is wrong is what is said."""
    image = _image(parameters)
    kind = _kind(parameters)
    cores, ram = resources(parameters)
    cores, ram = SET_SIZES.get(kind, (cores, ram))
    name = _name(parameters)
    if kind != HEADLESS and active >= limits.sessions:
        raise RefusedError(400, f"User {user} has reached the maximum of {limits.sessions} active sessions.")
    gpus = _gpus(parameters, limits.offered_gpus)
    command = _command(parameters) if kind == HEADLESS else []
    env = _env(parameters) if kind == HEADLESS else []
    return Wanted(user, name, kind, image, command, env, cores, ram, gpus=gpus)


def _image(parameters: Parameters) -> str:
    image = (parameters.first("image") or "").strip()
    if not image:
        raise RefusedError(400, "Missing parameter 'image'")
    if not image.startswith(f"{HOST}/"):
        raise RefusedError(400, f"session image '{image}' must come from one of [{HOST}]")
    return image


def _kind(parameters: Parameters) -> str:
    given = parameters.first("type")
    kind = (given or HEADLESS).lower()
    if kind == DESKTOP_APP:
        raise RefusedError(500, "unexpected exception: desktop-app is started inside a desktop session")
    if kind not in WORDS:
        raise RefusedError(400, f"Invalid session type: {given}")
    return kind


def resources(parameters: Parameters) -> tuple[float | None, float | None]:
    """Check the cores and the memory that are asked for."""
    cores = _option(parameters, "cores", machine.core_options())
    return cores, _option(parameters, "ram", machine.memory_options())


def _option(parameters: Parameters, name: str, options: list[int]) -> float | None:
    """Read a number whose whole part must be on offer: 1.5 passes, 0.5 does not."""
    given = parameters.first(name)
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or int(value) not in options:
        raise RefusedError(400, f"Invalid value for '{name}': {given}")
    return value


def _gpus(parameters: Parameters, offered: int) -> int:
    """Read a number of GPUs: one of those on offer, or any where there are none, as the real platform does."""
    given = parameters.first("gpus")
    if not given:
        return 0
    if not NUMBER.fullmatch(given) or int(given) > (offered or MOST_GPUS):
        raise RefusedError(400, f"Invalid value for 'gpus': {given}")
    return int(given)


def _name(parameters: Parameters) -> str:
    name = (parameters.first("name") or "").strip()
    if not name:
        raise RefusedError(400, "Missing parameter 'name'")
    if not NAME.fullmatch(name):
        raise RefusedError(400, "name can only contain alpha-numeric chars and '-'")
    if name.startswith("-"):
        raise RefusedError(400, "canfar.net/name label value cannot be blank")
    return name.lower()[:63].rstrip("-")


def _command(parameters: Parameters) -> list[str]:
    """Compose the command: `cmd` whole, `args` cut at each single space; nothing is ever read by a shell."""
    cmd, args = parameters.first("cmd"), parameters.first("args")
    return [*([cmd] if cmd else []), *(args.split(" ") if args is not None else [])]


def _env(parameters: Parameters) -> list[str]:
    """Take the variables whole: the real platform loses values with `=`, by accident; this one does not."""
    return [pair for pair in parameters.every("env") if pair.partition("=")[0] and "=" in pair]


def check_id(session: str) -> None:
    """Check a session id as a label value (contract 1.7)."""
    if len(session) > 63:
        raise RefusedError(400, "canfar.net/id label value exceeds 63 characters")
    if not LABEL.fullmatch(session):
        raise RefusedError(400, "canfar.net/id label value must match Kubernetes label value syntax")
