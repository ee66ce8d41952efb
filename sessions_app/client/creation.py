"""What a launch is made of: its rules, its defaults and the order of its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .errors import InvalidArgumentError
from .images import full_image

Kind = Literal["desktop", "notebook", "carta", "headless", "firefly", "desktop-app", "contributed"]
Status = Literal["Pending", "Running", "Terminating", "Succeeded", "Completed", "Error", "Failed"]
View = Literal["all"]

KINDS: tuple[str, ...] = get_args(Kind)
STATUSES: tuple[str, ...] = get_args(Status)
VIEWS: tuple[str, ...] = get_args(View)

MOST_CORES, MOST_RAM, MOST_GPUS, MOST_REPLICAS = 256, 512, 28, 512
# These exist once for a person, so there is no such thing as a second replica.
SINGLE_KINDS = frozenset({"desktop", "firefly"})


@dataclass(frozen=True, slots=True)
class Creation:
    """A checked launch. Its ``repr`` shows no command and no variable."""

    name: str
    image: str
    kind: str
    cores: int | None = None
    ram: int | None = None
    gpus: int | None = None
    cmd: str | None = field(default=None, repr=False)
    args: str | None = field(default=None, repr=False)
    env: Mapping[str, Any] = field(default_factory=dict, repr=False)
    replicas: int = 1

    def parameters(self) -> Iterator[tuple[tuple[str, str], ...]]:
        """Yield the parameters of each replica, in the order in which the platform has always been sent them."""
        for number in range(1, self.replicas + 1):
            name = self.name if self.replicas == 1 else f"{self.name}-{number}"
            env = {**self.env, "REPLICA_ID": number, "REPLICA_COUNT": self.replicas}
            yield (*self._plain(name), *(("env", f"{key}={value}") for key, value in env.items()))

    def _plain(self, name: str) -> Iterator[tuple[str, str]]:
        pairs = {
            "name": name,
            "image": self.image,
            "cores": self.cores,
            "ram": self.ram,
            "type": self.kind,
            "gpus": self.gpus,
            "cmd": self.cmd,
            "args": self.args,
        }
        return ((key, str(value)) for key, value in pairs.items() if value is not None)


def creation(
    name: str,
    image: str,
    cores: int | None,
    ram: int | None,
    kind: str,
    gpu: int | None,
    cmd: str | None,
    args: str | None,
    env: Mapping[str, Any] | None,
    replicas: int,
) -> Creation:
    """Check what a launch is asked with; ``InvalidArgumentError`` names what is wrong."""
    made = Creation(
        name=text("name", name),
        image=full_image(text("image", image)),
        cores=optional_whole("cores", cores, MOST_CORES),
        ram=optional_whole("ram", ram, MOST_RAM),
        kind=one_of("kind", kind, KINDS),
        gpus=optional_whole("gpu", gpu, MOST_GPUS),
        cmd=_optional_text("cmd", cmd),
        args=_optional_text("args", args),
        env=_variables(env),
        replicas=_whole("replicas", replicas, MOST_REPLICAS),
    )
    _check_together(made)
    return made


def one_of(field_name: str, value: object, known: tuple[str, ...]) -> str:
    """Return the value if it is one of the known words."""
    if not isinstance(value, str) or value not in known:
        raise InvalidArgumentError(f"{field_name}: must be one of {', '.join(known)}.")
    return value


def _check_together(made: Creation) -> None:
    if made.kind != "headless" and (made.cmd or made.args or made.env):
        raise InvalidArgumentError("cmd, args, env: only headless sessions take these.")
    if made.kind in SINGLE_KINDS and made.replicas > 1:
        raise InvalidArgumentError(
            f"replicas: a {made.kind} session cannot be launched more than once at a time."
        )


def text(field_name: str, value: object) -> str:
    """Return the value if it is a text that can be sent."""
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{field_name}: must be a text.")
    _check_unicode(field_name, value)
    return value


def _optional_text(field_name: str, value: object) -> str | None:
    return None if value is None else text(field_name, value)


def _variables(env: object) -> Mapping[str, Any]:
    if env is None:
        return {}
    if not isinstance(env, Mapping) or not all(isinstance(key, str) for key in env):
        raise InvalidArgumentError("env: must map names to values.")
    for key, value in env.items():
        _check_unicode("env", f"{key}={value}")
    return dict(env)


def _check_unicode(field_name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"{field_name}: holds a character that cannot be sent.") from None


def optional_whole(field_name: str, value: object, most: int) -> int | None:
    """Return the whole number from 1 to ``most`` that the value stands for, or None."""
    return None if value is None else _whole(field_name, value, most)


def _whole(field_name: str, value: object, most: int) -> int:
    number = _as_int(value)
    if number is None or not 1 <= number <= most:
        raise InvalidArgumentError(f"{field_name}: must be a whole number from 1 to {most}.")
    return number


def _as_int(value: object) -> int | None:
    """Return the number that ``"2"``, ``2.0`` and ``True`` stand for, as the released client takes them."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and value.strip().isdecimal() and value.isascii():
        return int(value.strip()[:9])
    return None
