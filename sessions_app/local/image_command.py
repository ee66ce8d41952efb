"""Look after the images without a session: `image list`, `image pull NAME…` and `image prune`."""

import argparse
import asyncio
import os
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from .catalogue import HOST, IMAGES, Image
from .install import STAMP, PullError
from .machine import UnusableError, own_folder
from .pull import Puller, try_lock
from .serve import DEFAULT_DATA

ENVIRONMENT = re.compile(r"[a-z0-9-]+-[0-9a-f]{12}")


def main(arguments: list[str]) -> int:
    """Run one of the three; what could not be done is said in a sentence."""
    given = _parser().parse_args(arguments)
    puller = Puller(own_folder((given.images or given.data / "images").absolute()))
    if given.action == "pull":
        return asyncio.run(_pull(puller, [_named(name) for name in given.names] or _pullable(puller)))
    return _list(puller) if given.action == "list" else _prune(puller)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sessions_app.local image", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, meaning in (
        ("list", "what there is, and how much room it takes"),
        ("pull", "install images now, so that a first launch need not wait"),
        ("prune", "remove what no image of this version needs, and what was left half done"),
    ):
        action = actions.add_parser(name, help=meaning, description=meaning)
        action.add_argument(
            "--data", type=Path, default=DEFAULT_DATA, help="where the platform keeps everything"
        )
        action.add_argument("--images", type=Path, help="where pulled images are kept, if elsewhere")
        if name == "pull":
            action.add_argument("names", nargs="*", metavar="NAME", help="as skaha/desktop; none means all")
    return parser


def _named(name: str) -> Image:
    """Find an image by what people call it: with or without its host and its tag."""
    found = [image for image in IMAGES if name in (image.id, image.name, image.name.partition(":")[0])]
    if not found:
        names = ", ".join(image.name.partition(":")[0] for image in IMAGES)
        raise UnusableError(f"There is no image {name!r}. There are {names}.")
    return found[0]


def _pullable(puller: Puller) -> list[Image]:
    return [image for image in puller.usable() if image.recipe]


# list


def _list(puller: Puller) -> int:
    rows = [("IMAGE", "KINDS", "STATE", "SIZE", "PULLED"), *(_row(puller, image) for image in IMAGES)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    return 0


def _row(puller: Puller, image: Image) -> tuple[str, ...]:
    name, kinds = image.id.removeprefix(f"{HOST}/"), ", ".join(image.kinds)
    folder = puller.folder(image)
    if lacking := image.lacks(folder is not None):
        return name, kinds, lacking, "", ""
    if not image.recipe:
        return name, kinds, "needs no pull", "", ""
    if folder is None:
        return name, kinds, "being pulled" if _busy(puller.root / image.folder) else "not pulled", "", ""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime((folder / STAMP).stat().st_mtime))
    return name, kinds, "here", _size_text(_size(folder)), when


def _busy(folder: Path) -> bool:
    lock = folder.with_suffix(".lock")
    return lock.exists() and not _free(lock)


def _free(lock: Path) -> bool:
    held = try_lock(lock)
    if held is not None:
        os.close(held)
    return held is not None


# pull


async def _pull(puller: Puller, images: list[Image]) -> int:
    return max([await _pull_one(puller, image) for image in images], default=0)


async def _pull_one(puller: Puller, image: Image) -> int:
    here = puller.folder(image)
    if not image.recipe or here:
        return _tell(image, "needs no pull" if not image.recipe else "is here already")
    if lacking := image.lacks(pulled=False):
        return _tell(image, lacking, failed=True)
    began = time.monotonic()
    try:
        folder = await puller.pull(image, lambda text: _progress(image, text))
    except (PullError, OSError) as error:
        return _tell(image, f"could not be pulled: {error}", failed=True)
    return _tell(image, f"pulled in {time.monotonic() - began:.1f} s, {_size_text(_size(folder))}")


def _progress(image: Image, text: str) -> None:
    """Say how far it is: on one line where there is a terminal, else line by line."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{image.name}: {text}")
    else:
        sys.stderr.write(f"{image.name}: {text}\n")
    sys.stderr.flush()


def _tell(image: Image, text: str, failed: bool = False) -> int:
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    (sys.stderr if failed else sys.stdout).write(f"{image.name}: {text}\n")
    return int(failed)


# prune


def _prune(puller: Puller) -> int:
    current = {image.folder for image in IMAGES if image.recipe}
    freed, removed = 0, 0
    for folder in sorted(puller.root.iterdir()):
        whole = folder.name in current and (folder / STAMP).exists()
        if not ENVIRONMENT.fullmatch(folder.name) or not folder.is_dir() or folder.is_symlink() or whole:
            continue
        size = _remove(folder)
        freed, removed = freed + size, removed + (size > 0)
    sys.stdout.write(f"Removed {removed} environments, {_size_text(freed)}.\n")
    return 0


def _remove(folder: Path) -> int:
    """Remove an environment unless somebody pulls or uses it; answer how much room that made."""
    path = folder.with_suffix(".lock")
    lock = try_lock(path)
    if lock is None:
        sys.stdout.write(f"{folder.name}: left alone, it is being pulled\n")
        return 0
    try:
        if _used(folder):
            sys.stdout.write(f"{folder.name}: left alone, a session uses it\n")
            return 0
        size = _size(folder)
        shutil.rmtree(folder)
        path.unlink()
        sys.stdout.write(f"{folder.name}: removed, {_size_text(size)}\n")
        return size
    finally:
        os.close(lock)


def _used(folder: Path) -> bool:
    """Say whether any process runs from it; another platform may share the images."""
    start = f"{folder}/"
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            words = [*process.cmdline(), *process.environ().get("PATH", "").split(":")]
            if any(word.startswith(start) for word in words):
                return True
    return False


def _size(folder: Path) -> int:
    """Sum up the room that a folder takes."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def _size_text(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
