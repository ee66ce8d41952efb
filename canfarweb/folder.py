"""The data folder, judged before anything in it is used: whoever can write there can sign in as anybody."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

DATABASE, KEYS = "portal.sqlite3", "keys.json"
# What of the folder is the portal's. The local platform judges its own, and pulled images are shared on purpose.
FILES = (
    KEYS,
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    f"{DATABASE}-journal",
    "started.json",
    "started.json.new",
    "up.lock",
)
FOLDERS = ("spool", "static")
# By these a folder is known as a data folder; any other that already holds something is not made private unasked.
MARKS = {*FILES, *FOLDERS, "platform", "released", "test-images"}
# The owner of what a container does not know the owner of.
NOBODY = 65534


def judged(wanted: Path) -> Path:
    """Return the folder once it is ours alone: private where it can be made so, else refused by name."""
    path = Path(os.path.abspath(wanted))
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _judge_whose(path)
        _judge(path, folder=True)
        _judge_the_way(path)
        for name in FILES:
            _judge_if_there(path / name)
        for name in FOLDERS:
            _judge_all(path / name)
        # SQLite would make it readable by everybody; what it puts beside it has the same mode.
        os.close(os.open(path / DATABASE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise ImproperlyConfigured(f"The data folder {path} cannot be used: {error.strerror}.") from error
    return path


def _judge_whose(path: Path) -> None:
    """Refuse what others use, such as a home or /tmp: nobody wants it closed to them."""
    held = {each.name for each in path.iterdir()}
    if stat.S_IMODE(path.lstat().st_mode) & 0o077 and held and not held & MARKS:
        raise ImproperlyConfigured(
            f"The data folder {path} is open to other users and holds other things, so it is not used. "
            f"Name an empty one, or close it with `chmod 700 {path}`."
        )


def _judge_the_way(path: Path) -> None:
    """Refuse a folder that somebody else could exchange for another."""
    for above in path.resolve().parents:
        found = above.stat()
        open_to_all = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
        if open_to_all or found.st_uid not in {0, os.geteuid(), NOBODY}:
            raise ImproperlyConfigured(
                f"The data folder {path} is not used: other users of this machine can exchange what is in {above}."
            )


def _judge_all(folder: Path) -> None:
    if not os.path.lexists(folder):
        return
    _judge(folder, folder=True)
    for path in _below(folder):
        _judge(path, folder=path.is_dir() and not path.is_symlink())


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        yield from (Path(root, name) for name in (*folders, *files))


def _judge_if_there(path: Path) -> None:
    if os.path.lexists(path):
        _judge(path, folder=False)


def _judge(path: Path, *, folder: bool) -> None:
    found = path.lstat()
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(found.st_mode):
        kind = "folder" if folder else "file"
        raise ImproperlyConfigured(f"{path} is a link, or no {kind} at all, so it is not used.")
    if found.st_uid != os.geteuid():
        raise ImproperlyConfigured(f"{path} belongs to another user of this machine, so it is not used.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700 if folder else 0o600)
