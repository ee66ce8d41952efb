"""What this machine has, and where the platform may keep things on it."""

import fcntl
import os
import shutil
import stat
import sys
from functools import cache
from itertools import takewhile
from pathlib import Path

import psutil

GIB = 2**30
SOCKET_PATH_LIMIT = 107


class UnusableError(Exception):
    """The platform cannot run like this; the text says why, for a person."""


@cache
def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


@cache
def drivers() -> int:
    """Count the GPUs whose driver is here, as it names them."""
    return sum(1 for path in Path("/dev").glob("nvidia[0-9]*") if path.is_char_device())


def gpus() -> int:
    """Count the GPUs of this machine, or those of them that ``CUDA_VISIBLE_DEVICES`` leaves to us."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return drivers()
    # The list ends at the first that is none, so "-1" leaves nothing (CUDA C++ Programming Guide, environment).
    names = takewhile(lambda name: name and not name.startswith("-"), visible.replace(" ", "").split(","))
    return min(drivers(), sum(1 for _ in names))


@cache
def memory() -> int:
    """Answer this machine's memory in bytes."""
    return int(psutil.virtual_memory().total)


@cache
def page_size() -> int:
    """Answer the size of a page of memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE")


@cache
def boot_id() -> str:
    """Name this boot of the machine: pids and start times mean nothing in another one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def core_options() -> list[int]:
    """List the numbers of cores that can be asked for."""
    return list(range(1, cores() + 1))


def memory_options() -> list[int]:
    """List the GiB that can be asked for: 1, 2, then even steps."""
    whole = max(1, memory() // GIB)
    return [1, *range(2, min(whole, 16) + 1, 2), *range(20, whole + 1, 4)]


def search_path() -> str:
    """Answer the PATH that sessions get: the machine's own, without the environment that we run in."""
    ours = {sys.prefix + "/bin", sys.exec_prefix + "/bin"} if sys.prefix != sys.base_prefix else set()
    found = [part for part in os.environ.get("PATH", os.defpath).split(":") if part and part not in ours]
    if not shutil.which("python3", path=":".join(found)):
        found.append(sys.base_prefix + "/bin")
    return ":".join(found)


def own_folder(path: Path) -> Path:
    """Make a folder that only we can enter, or refuse one that is not ours."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise UnusableError(f"The folder {path} cannot be used: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode):
        raise UnusableError(f"{path} is not a folder of its own (a link, or a file), so it is not used.")
    if found.st_uid != os.getuid():
        raise UnusableError(f"The folder {path} belongs to somebody else, so it is not used.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise UnusableError(f"The folder {path} cannot be written to.")
    return path


def runtime_folder(data: Path, label: str) -> Path:
    """Choose the private folder for sockets: in the data folder, unless its path is too long for a socket."""
    inside = data / "run"
    if len(os.fsencode(inside / "12345678.sock")) < SOCKET_PATH_LIMIT:
        return own_folder(inside)
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 - checked to be ours
    return own_folder(base / f"skaha-{os.getuid()}-{label}")


def hold(path: Path) -> int:
    """Take the lock that makes us the only platform on a data folder."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UnusableError(f"Another local platform is already running on {path.parent}.") from error
    return lock
