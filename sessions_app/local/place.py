"""The surroundings of a session: its folders, its variables, its cores and where it listens."""

import asyncio
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import machine
from .catalogue import Place, Program
from .kinds import DESKTOP_APP, HEADLESS, Limits, base_path
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
        return self.sessions / session.id

    @property
    def sessions(self) -> Path:
        """Answer where the folders of all sessions are."""
        return self.data / "sessions"

    def home(self, user: str) -> Path:
        """Answer a person's home, shared by their sessions as on the real platform."""
        return self.data / "home" / user


def settle_in(site: Site, session: Session, program: Program | None, root: Path | None) -> Place:
    """Choose where a program listens, and write down what it needs to know."""
    folder = site.folder(session)
    path = str(site.runtime / f"{session.id}.sock")
    if program and program.probe:
        Path(path).unlink(missing_ok=True)
        session.address = f"unix:{path}"
        write_secret(folder / "secret", session.id)
    return Place(
        id=session.id,
        name=session.name,
        host=f"s-{session.slug}.localhost",
        base=base_path(session.kind, session.id),
        socket=path,
        home=str(site.home(session.user)),
        folder=str(folder),
        root=str(root or ""),
        secret_file=str(folder / "secret"),
    )


def environment(site: Site, session: Session, root: Path | None) -> dict[str, str]:
    """Compose the variables: some of the machine's, the person's, then ours, which win (contract 2.6)."""
    folder, home = site.folder(session), site.home(session.user)
    path = machine.search_path()
    variables = {key: os.environ[key] for key in INHERITED if key in os.environ}
    # Else what a program of Python prints is seen when it ends. Whoever wants that can still say so.
    variables["PYTHONUNBUFFERED"] = "1"
    variables["PATH"] = f"{root}/bin:{path}" if root else path
    variables |= dict(pair.split("=", 1) for pair in session.env if session.kind == HEADLESS)
    variables |= dict.fromkeys(THREADS, str(max(1, int(session.cores or machine.cores()))))
    variables |= {
        "skaha_hostname": site.hostname,
        "skaha_username": session.user,
        "skaha_sessionid": session.parent or session.id,
        "HOME": str(home),
        "PWD": str(home),
        "USER": session.user,
        MARKER: f"{site.platform}/{session.id}",
    }
    if session.kind == "notebook":
        own = {f"JUPYTER_{name}_DIR": str(folder / "jupyter" / name.lower()) for name in JUPYTER_FOLDERS}
        variables |= {"JUPYTER_TOKEN": session.id, **own}
    if session.kind == "desktop":
        variables["VNC_PW"] = session.id
    if session.kind == DESKTOP_APP:
        variables |= screen(site.sessions / session.parent)
    return variables


def screen(desktop: Path) -> dict[str, str]:
    """Say where the screen of a desktop is; nothing if that desktop is gone."""
    with suppress(OSError):
        return {"DISPLAY": (desktop / "display").read_text(), "XAUTHORITY": str(desktop / "authority")}
    return {}


def tidy(site: Site, session: Session) -> None:
    """Remove what an ended session, killed perhaps, could not: its sockets, and that of its display."""
    for ending in ("sock", "rfb"):
        (site.runtime / f"{session.id}.{ending}").unlink(missing_ok=True)
    if session.kind != "desktop" or not (name := screen(site.folder(session)).get("DISPLAY")):
        return
    path = Path(f"/tmp/.X11-unix/X{name[1:]}")  # noqa: S108 - where every X server listens
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(str(path))  # Another server may have the number by now.
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            pass


def write_secret(path: Path, secret: str) -> None:
    """Hand a program its token in a file: a command line can be read by everybody on the machine."""
    path.touch(mode=0o600)
    path.write_text(secret)
