"""Pull images: install each once, however many wait for it."""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from .catalogue import IMAGES, Image, find
from .install import STAMP, Installation, PullError

__all__ = ["PullError", "Puller"]

SAY_EVERY = 2.0

Listener = Callable[[str], None]


class Puller:
    """The images that are here, and the pulls under way: one for each image, however many wait for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._pulls: dict[str, _Pull] = {}

    def folder(self, image: Image) -> Path | None:
        """Answer the environment of an image if it is here."""
        folder = self.root / image.folder
        return folder if (folder / STAMP).exists() else None

    def has(self, reference: str, kind: str) -> bool:
        """Say whether a session of this kind could start now, without a pull."""
        image = find(reference)
        if image is None or kind not in image.kinds:
            return False
        here = self.folder(image) is not None
        return (here or not image.recipe) and not image.lacks(here)

    def usable(self) -> list[Image]:
        """List the images that are here, or can be pulled here, and can then run."""
        return [image for image in IMAGES if not image.lacks(self.folder(image) is not None)]

    async def pull(self, image: Image, say: Listener) -> Path:
        """Pull an image, or wait for the pull that is under way."""
        pull = self._pulls.get(image.id)
        if pull is None:
            pull = self._pulls[image.id] = _Pull(image, self.root / image.folder)
            pull.task.add_done_callback(lambda _: self._pulls.pop(image.id, None))
        return await pull.follow(say)

    async def stop(self) -> None:
        """Stop every pull; what is half done is thrown away by the next one."""
        tasks = [pull.task for pull in self._pulls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Pull:
    """One pull under way and the sessions that wait for it."""

    def __init__(self, image: Image, folder: Path) -> None:
        self._image, self._folder = image, folder
        self._listeners: list[Listener] = []
        self._said_at = 0.0
        self.task = asyncio.create_task(self._run())

    async def follow(self, say: Listener) -> Path:
        """Wait for the end; one who gives up does not stop it for the others."""
        self._listeners.append(say)
        try:
            await asyncio.shield(self.task)
        finally:
            self._listeners.remove(say)
        return self._folder

    async def _run(self) -> None:
        async with alone(self._folder.with_suffix(".lock")) as lock:
            # Another platform that shares the images may have pulled it while we waited.
            if not (self._folder / STAMP).exists():
                await Installation(self._image, self._folder, lock, self._say).run()

    def _say(self, text: str, at_once: bool = False) -> None:
        now = time.monotonic()
        if at_once or now - self._said_at >= SAY_EVERY:
            self._said_at = now
            for say in self._listeners:
                say(text)


@contextlib.asynccontextmanager
async def alone(path: Path) -> AsyncIterator[int]:
    """Hold a lock file; waiting for it does not block the loop."""
    while (lock := try_lock(path)) is None:  # noqa: ASYNC110 - another process holds it
        await asyncio.sleep(0.2)
    try:
        yield lock
    finally:
        os.close(lock)


def try_lock(path: Path) -> int | None:
    """Take a lock file if nobody holds it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it before may have removed it, and then it is nobody's lock any more.
        if os.fstat(lock).st_ino == path.stat().st_ino:
            return lock
    os.close(lock)
    return None
