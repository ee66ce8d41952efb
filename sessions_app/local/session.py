"""One session as the platform keeps it."""

import secrets
import string
from dataclasses import dataclass, field

PENDING, RUNNING, COMPLETED, FAILED = "Pending", "Running", "Completed", "Failed"
ACTIVE = (PENDING, RUNNING)
FIRST, REST = string.ascii_lowercase, string.ascii_lowercase + string.digits


def new_id() -> str:
    """Draw a session id (contract 4.6)."""
    return secrets.choice(FIRST) + "".join(secrets.choice(REST) for _ in range(7))


def new_app() -> str:
    """Draw the id of a desktop's app (contract 8)."""
    return "".join(secrets.choice(REST) for _ in range(3))


def app_id(desktop: str, app: str) -> str:
    """Name an app among all sessions; the API never shows this."""
    return f"{desktop}-{app}"


def new_slug() -> str:
    """Draw the name of a session's host: not its id, because host names leak into logs."""
    return "".join(secrets.choice(REST) for _ in range(12))


@dataclass(slots=True)
class Session:
    """A session: what was asked for, where it runs and how it ended.

    ``started`` is when it left the queue, none while it waits there. An app of a desktop has the desktop's id as
    ``parent`` and three characters as ``app``; its ``id`` is ours alone. ``log_start`` is the byte at which the log
    that the API shows begins, after the parts that were rotated away.
    """

    user: str
    name: str
    kind: str
    image: str
    created: float
    expires: float
    command: list[str] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    cores: float | None = None
    ram: float | None = None
    id: str = field(default_factory=new_id)
    slug: str = field(default_factory=new_slug)
    status: str = PENDING
    ended: float | None = None
    address: str = ""
    pid: int | None = None
    ticks: int | None = None
    boot: str | None = None
    deleted: bool = False
    started: float | None = None
    parent: str = ""
    app: str = ""
    log_start: int = 0
    gpus: int = 0

    @property
    def active(self) -> bool:
        """Say whether it is waiting or running."""
        return self.status in ACTIVE

    @property
    def queued(self) -> bool:
        """Say whether it waits for room: then it has no time and no deadline (contract 4.6)."""
        return self.active and self.started is None

    @property
    def fixed(self) -> bool:
        """Say whether its resources count as fixed: the memory alone decides (contract 4.5)."""
        return self.ram is not None
