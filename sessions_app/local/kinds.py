"""The kinds of session: how long each lives and stays listed, and where it is reached (contract 2.5, 2.6)."""

from dataclasses import dataclass
from types import MappingProxyType

from . import machine

HEADLESS = "headless"
DESKTOP_APP = "desktop-app"
# The word that stands for the kind in a session's path.
WORDS = MappingProxyType(
    {
        "notebook": "notebook",
        "desktop": "desktop",
        "carta": "carta",
        "contributed": "contrib",
        "firefly": "firefly",
        HEADLESS: "",
    }
)
MOST_GPUS = 28  # As many as the released client lets one ask for.
IMAGE_KINDS = (*WORDS, DESKTOP_APP)
# The page of a session whose image says nothing about it (contract 2.6).
USUAL_PAGES = MappingProxyType({"firefly": "/firefly/"})
# Cores and GiB of the kinds that get the same whatever was asked for (contract 4.5).
SET_SIZES: "MappingProxyType[str, tuple[float | None, float | None]]" = MappingProxyType(
    {"desktop": (None, None), "firefly": (0.1, 4.0)}
)


@dataclass(frozen=True)
class Limits:
    """How much and how long; the defaults are the real platform's, but for the number of sessions."""

    sessions: int = 3
    lifetime: float = 345_600.0
    headless_lifetime: float = 1_209_600.0
    keep: float = 86_400.0
    headless_keep: float = 3_600.0
    grace: float = 5.0
    backoff: float = 10.0
    log_size: int = 10_000_000
    capacity_cores: float = 0.0
    capacity_ram: float = 0.0
    # None means those that the machine has.
    gpus: int | None = None
    passing: float = 60.0

    @property
    def offered_gpus(self) -> int:
        """Answer how many GPUs can be asked for, and may be had together."""
        return min(MOST_GPUS, machine.gpus() if self.gpus is None else max(0, self.gpus))

    def lifetime_of(self, kind: str) -> float:
        """Answer how long a session of this kind may run."""
        return self.headless_lifetime if kind == HEADLESS else self.lifetime

    def keep_of(self, kind: str) -> float:
        """Answer how long a finished session of this kind stays listed."""
        return self.headless_keep if kind == HEADLESS else self.keep


def base_path(kind: str, session: str) -> str:
    """Answer the path under which a session's own server is reached."""
    return f"/session/{WORDS[kind]}/{session}" if WORDS.get(kind) else ""
