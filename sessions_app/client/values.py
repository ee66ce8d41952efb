"""What the platform's answers mean: typed records that forgive whatever any era of the platform has sent.

Nothing in here raises for what a platform sent; a member that cannot be understood is None or empty, and ``raw``
keeps it as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from . import tables
from .quantities import NOTHING, PLACEHOLDERS, cores, gigabytes, largest_gib, moment, whole, whole_gib
from .texts import plain
from .wire import is_session_id

__all__ = [
    "Context",
    "Event",
    "Image",
    "SessionInfo",
    "Sessions",
    "State",
    "Stats",
    "parse_events",
    "parse_images",
    "parse_sessions",
    "whole_gib",
]

State: TypeAlias = Literal["pending", "running", "completed", "failed", "ending", "unknown"]

_STATES: dict[str, State] = {
    "pending": "pending",
    "running": "running",
    "completed": "completed",
    "succeeded": "completed",
    "failed": "failed",
    "error": "failed",
    "terminating": "ending",
}
_MOST_OPTIONS = 1000


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session. Memory is in decimal gigabytes, times are in UTC. Its ``repr`` keeps the session's secrets."""

    id: str = field(repr=False)
    name: str
    kind: str
    image: str
    status: str
    state: State
    user: str
    started: datetime | None
    expires: datetime | None
    connect_url: str = field(repr=False)
    requested_cores: float | None
    requested_ram_gb: float | None
    cores_in_use: float | None
    ram_in_use_gb: float | None
    gpus: float | None
    fixed: bool
    app_id: str
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, raw: Any) -> SessionInfo:
        """Read a session as the platform describes it.

        >>> SessionInfo.parse({"id": "hgd7k2mq", "status": "Failed (DeadlineExceeded)"}).state
        'failed'
        """
        given = _mapping(raw)
        session_id = given.get("id")
        status = _text(given.get("status"), 100)
        return cls(
            id=session_id if isinstance(session_id, str) and is_session_id(session_id) else "",
            name=_free_text(given.get("name"), 253),
            kind=_text(given.get("type"), 60),
            image=_free_text(given.get("image"), 500),
            status=status,
            state=state_of(status),
            user=_free_text(given.get("userid"), 253),
            started=moment(given.get("startTime")),
            expires=moment(given.get("expiryTime")),
            connect_url=_text(given.get("connectURL"), 4000),
            requested_cores=cores(given.get("requestedCPUCores")),
            requested_ram_gb=gigabytes(given.get("requestedRAM")),
            cores_in_use=cores(given.get("cpuCoresInUse")),
            ram_in_use_gb=gigabytes(given.get("ramInUse")),
            gpus=cores(given.get("requestedGPUCores")),
            # As in the released client: platforms before flexible sessions knew nothing but fixed ones.
            fixed=_flag(given.get("isFixedResources"), absent=True),
            app_id=_text(given.get("appid"), 63),
            raw=given,
        )

    @property
    def requested_ram_gib(self) -> int | None:
        """The memory as it was asked for, where it can be told."""
        return whole_gib(self.requested_ram_gb)


class Sessions(list[SessionInfo]):
    """Sessions as listed, and in ``not_understood`` the rows that could not be read."""

    not_understood: list[Any]

    def __init__(self, sessions: Iterable[SessionInfo] = (), not_understood: Iterable[Any] = ()) -> None:
        super().__init__(sessions)
        self.not_understood = list(not_understood)


def parse_sessions(raw: Any) -> Sessions:
    """Read a list of sessions. Rows without an id that can be one go to ``not_understood``, as do repeated ones.

    >>> sessions = parse_sessions([{"id": "hgd7k2mq"}, "nonsense"])
    >>> len(sessions), sessions.not_understood
    (1, ['nonsense'])
    """
    found: dict[tuple[str, str], SessionInfo] = {}
    strange: list[Any] = []
    for row in raw if isinstance(raw, list) else [raw]:
        info = SessionInfo.parse(row)
        # The apps of a desktop are listed under its id.
        key = info.id, info.app_id
        if not info.id or key in found:
            strange.append(row)
        else:
            found[key] = info
    return Sessions(found.values(), strange)


def state_of(status: str) -> State:
    """Return the state that a status stands for; composites count by how they begin.

    >>> state_of("Terminating"), state_of("Sleeping")
    ('ending', 'unknown')
    """
    lowered = status.lower()
    return next((state for word, state in _STATES.items() if lowered.startswith(word)), "unknown")


@dataclass(frozen=True, slots=True)
class Stats:
    """The platform's load. ``*_capacity`` is the whole, not what is free; ``max_*`` is the largest single session."""

    cores_requested: float | None
    cores_capacity: float | None
    ram_requested_gb: float | None
    ram_capacity_gb: float | None
    max_cores: float | None
    max_ram_gib: float | None
    gpus_requested: float | None
    gpus_capacity: float | None
    instances: Mapping[str, int]
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, raw: Any) -> Stats:
        """Read the figures of any era.

        >>> Stats.parse({"cores": {"coresInUse": 370, "coresAvailable": 1200}}).cores_capacity
        1200.0
        """
        given = _mapping(raw)
        cpu, ram, gpu = (_mapping(given.get(part)) for part in ("cores", "ram", "gpu"))
        largest_cpu = _mapping(_first(cpu, "maxCPUCores", "maxCores"))
        largest_ram = _mapping(ram.get("maxRAM"))
        instances = {str(name): whole(count) for name, count in _mapping(given.get("instances")).items()}
        return cls(
            cores_requested=cores(_first(cpu, "requestedCPUCores", "coresInUse")),
            cores_capacity=cores(_first(cpu, "cpuCoresAvailable", "coresAvailable")),
            ram_requested_gb=gigabytes(_first(ram, "requestedRAM", "ramInUse")),
            ram_capacity_gb=gigabytes(ram.get("ramAvailable")),
            max_cores=cores(_first(largest_cpu, "cpuCores", "cores")),
            max_ram_gib=largest_gib(_first(largest_ram, "ram") or _first(largest_cpu, "withRam", "withRAM")),
            gpus_requested=cores(gpu.get("requestedGPU")),
            gpus_capacity=cores(gpu.get("gpuAvailable")),
            instances={name: count for name, count in instances.items() if count is not None},
            raw=given,
        )


@dataclass(frozen=True, slots=True)
class Image:
    """An image that can be launched, and the kinds that it serves."""

    id: str
    types: tuple[str, ...]
    digest: str

    @classmethod
    def parse(cls, raw: Any) -> Image:
        """Read one image.

        >>> Image.parse({"id": "images.canfar.net/skaha/base:1", "types": ["notebook"]}).types
        ('notebook',)
        """
        given = _mapping(raw)
        listed = given.get("types")
        types = (_text(kind, 60) for kind in (listed if isinstance(listed, list) else [listed]))
        return cls(
            id=_free_text(given.get("id"), 500),
            types=tuple(dict.fromkeys(kind for kind in types if kind)),
            digest=_text(given.get("digest"), 200),
        )


def parse_images(raw: Any) -> list[Image]:
    """Read a list of images, leaving out what has no name.

    >>> parse_images([{"id": "h/p/i:1"}, 7])
    [Image(id='h/p/i:1', types=(), digest='')]
    """
    images = (Image.parse(row) for row in (raw if isinstance(raw, list) else []))
    return [image for image in images if image.id]


@dataclass(frozen=True, slots=True)
class Context:
    """The resources that can be asked for, memory in GiB, and how many interactive sessions a person may have."""

    core_options: tuple[int, ...]
    ram_options: tuple[int, ...]
    gpu_options: tuple[int, ...]
    default_cores: int | None
    default_ram: int | None
    max_interactive: int | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, raw: Any) -> Context:
        """Read what a platform offers, from a file's or a cluster's limits.

        >>> Context.parse({"cores": {"options": [1, 2]}, "maxInteractiveSessions": "5"}).default_cores
        1
        """
        given = _mapping(raw)
        cpu, ram, gpu = (_mapping(given.get(part)) for part in ("cores", "memoryGB", "gpus"))
        return cls(
            core_options=_options(cpu),
            ram_options=_options(ram),
            gpu_options=_options(gpu),
            default_cores=_usual(cpu),
            default_ram=_usual(ram),
            max_interactive=whole(given.get("maxInteractiveSessions")),
            raw=given,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a session, as the cluster tells it."""

    type: str
    reason: str
    message: str
    first: datetime | None
    last: datetime | None


def parse_events(table: str) -> list[Event]:
    """Read the platform's table of events, in its order, which need not be that of time.

    >>> parse_events("<none>")
    []
    """
    return [Event(row.type, row.reason, row.text, row.first, row.last) for row in tables.rows(table)]


def _mapping(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def _first(given: Mapping[str, Any], *names: str) -> Any:
    return next((given[name] for name in names if given.get(name) is not None), None)


def _text(raw: Any, limit: int) -> str:
    if not isinstance(raw, str) or raw.strip().lower() in NOTHING:
        return ""
    return plain(raw, limit)


def _free_text(raw: Any, limit: int) -> str:
    """Return a text in which people write what they like: ``none`` and ``null`` are names as good as others."""
    if not isinstance(raw, str) or raw.strip().lower() in PLACEHOLDERS:
        return ""
    return plain(raw, limit)


def _flag(raw: Any, *, absent: bool) -> bool:
    if isinstance(raw, bool):
        return raw
    word = raw.strip().lower() if isinstance(raw, str) else ""
    return {"true": True, "false": False}.get(word, absent)


def _options(part: Mapping[str, Any]) -> tuple[int, ...]:
    listed = part.get("options")
    numbers = [whole(option) for option in listed[:_MOST_OPTIONS]] if isinstance(listed, list) else []
    return tuple(dict.fromkeys(number for number in numbers if number))


def _usual(part: Mapping[str, Any]) -> int | None:
    """Return the amount to offer first."""
    named = (whole(part.get(name)) for name in ("default", "defaultLimit", "defaultRequest"))
    return next((number for number in (*named, *_options(part)) if number), None)
