"""The surroundings of a session: its folders, its variables, its cores and where it listens."""

import asyncio
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from . import machine
from .catalogue import Place, Program
from .kinds import HEADLESS, Limits, base_path
from .limits import Cores, Enforcement
from .process import MARKER
from .pull import Puller
from .session import Session

INHERITED = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM")
JUPYTER_FOLDERS = ("CONFIG", "DATA", "RUNTIME")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Site:
    """Where this platform keeps things, what it is called, and what starts may take at a time."""

    platform: str
    data: Path
    runtime: Path
    hostname: str
    limits: Limits
    puller: Puller
    starts: asyncio.Semaphore
    heavy_starts: asyncio.Semaphore
    enforcement: Enforcement
    cores: Cores

    def folder(self, session: Session) -> Path:
        """Answer the folder that holds a session's log and status."""
        return self.data / "sessions" / session.id

    def home(self, user: str) -> Path:
        """Answer a person's home, shared by their sessions as on the real platform."""
        return self.data / "home" / user


def settle_in(site: Site, session: Session, program: Program | None) -> Place:
    """Choose where a program listens, and write down what it needs to know."""
    port, folder = 0, site.folder(session)
    path = str(site.runtime / f"{session.id}.sock")
    if program:
        port = 0 if program.unix else free_port()
        session.address = f"unix:{path}" if program.unix else f"tcp:{port}"
        write_secret(folder / "secret", session.id)
    return Place(
        id=session.id,
        host=f"s-{session.slug}.localhost",
        base=base_path(session.kind, session.id),
        socket=path,
        port=port,
        home=str(site.home(session.user)),
        secret_file=str(folder / "secret"),
    )


def environment(site: Site, session: Session, root: Path | None) -> dict[str, str]:
    """Compose the variables: some of the machine's, the person's, then ours, which win (contract 2.6)."""
    folder, home = site.folder(session), site.home(session.user)
    path = machine.search_path()
    variables = {key: os.environ[key] for key in INHERITED if key in os.environ}
    variables["PATH"] = f"{root}/bin:{path}" if root else path
    variables |= dict(pair.split("=", 1) for pair in session.env if session.kind == HEADLESS)
    variables |= dict.fromkeys(THREADS, str(int(session.cores or machine.cores())))
    variables |= {
        "skaha_hostname": site.hostname,
        "skaha_username": session.user,
        "skaha_sessionid": session.id,
        "HOME": str(home),
        "PWD": str(home),
        "USER": session.user,
        MARKER: f"{site.platform}/{session.id}",
    }
    if session.kind == "notebook":
        own = {f"JUPYTER_{name}_DIR": str(folder / "jupyter" / name.lower()) for name in JUPYTER_FOLDERS}
        variables |= {"JUPYTER_TOKEN": session.id, **own}
    return variables


def write_secret(path: Path, secret: str) -> None:
    """Hand a program its token in a file: a command line can be read by everybody on the machine."""
    path.touch(mode=0o600)
    path.write_text(secret)


def free_port() -> int:
    """Find a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
