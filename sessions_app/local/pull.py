"""Pull an image: install its locked packages into an environment of its own, once, and say how far it is."""

import asyncio
import contextlib
import fcntl
import importlib.util
import logging
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from .catalogue import IMAGES, Image
from .machine import cores

log = logging.getLogger("sessions_app.local")

STAMP = "READY"
PASSED_ON = re.compile(
    r"PIP_|NPM_CONFIG_|NODE_EXTRA_CA|SSL_|REQUESTS_|CURL_|XDG_CACHE|(HTTPS?|NO|ALL)_PROXY$|"
    r"(PATH|HOME|LANG|TMPDIR)$",
    re.I,
)
CHATTER = re.compile(r"\[notice\]|npm (http|warn|notice|info)|npm error (A complete log|code|\s|$)")
SAY_EVERY = 2.0

Say = Callable[[str], None]


class PullError(Exception):
    """An image could not be pulled; the text is the last thing that the installer said about it."""


class Puller:
    """The images that are here, and the pulls under way: one for each image, however many wait for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._pulls: dict[str, _Pull] = {}

    def folder(self, image: Image) -> Path | None:
        """Answer the environment of an image if it is here."""
        folder = self.root / image.folder
        return folder if (folder / STAMP).exists() else None

    def usable(self) -> list[Image]:
        """List the images that are here, or can be pulled here, and can then run."""
        return [image for image in IMAGES if not image.lacks(self.folder(image) is not None)]

    async def pull(self, image: Image, say: Say) -> Path:
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
        self._listeners: list[Say] = []
        self._said_at = 0.0
        self.task = asyncio.create_task(self._run())

    async def follow(self, say: Say) -> Path:
        """Wait for the end; one who gives up does not stop it for the others."""
        self._listeners.append(say)
        try:
            await asyncio.shield(self.task)
        finally:
            self._listeners.remove(say)
        return self._folder

    async def _run(self) -> None:
        async with _alone(self._folder.with_suffix(".lock")) as lock:
            # Another platform that shares the images may have pulled it while we waited.
            if not (self._folder / STAMP).exists():
                await self._build(lock)

    async def _build(self, lock: int) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        python = self._folder / "bin" / "python"
        ours = importlib.util.find_spec("pip") is not None
        await self._call(lock, sys.executable, "-m", "venv", *["--without-pip"] * ours, str(self._folder))
        pip = [sys.executable, "-m", "pip", "--python", str(python)] if ours else [str(python), "-m", "pip"]
        await self._install(lock, pip)
        if self._image.node:
            await self._install_node(lock)
        for name, text in self._image.files.items():
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_text(text)
        self._say("Compiling", at_once=True)
        await self._call(
            lock, str(python), "-m", "compileall", "-q", "-j", str(cores()), str(self._folder / "lib")
        )
        (self._folder / STAMP).write_text(self._image.digest + "\n")
        self._say("Installed and compiled", at_once=True)

    async def _install(self, lock: int, pip: list[str]) -> None:
        total, got = self._image.packages, 0

        def heard(line: str) -> None:
            nonlocal total, got
            if line.startswith("Ignoring "):
                total -= 1
            elif line.startswith("Collecting "):
                got += 1
                self._say(f"Downloaded {got} of {total} packages", at_once=got == total)
            elif line.startswith("Installing "):
                self._say(f"Installing {total} packages", at_once=True)

        await self._call(
            lock,
            *(*pip, "--no-input", "install", "--no-deps"),
            *("--require-hashes", "--no-compile", "--progress-bar", "off", "-r", str(self._image.lock_path)),
            heard=heard,
        )

    async def _install_node(self, lock: int) -> None:
        """Install the locked npm packages; none of them may run anything while it is installed."""
        for path in self._image.node_files:
            shutil.copyfile(path, self._folder / path.name)
        got, total = 0, self._image.node_packages

        def heard(line: str) -> None:
            nonlocal got
            if line.startswith("npm http fetch GET 200") and ".tgz" in line:
                got += 1
                self._say(f"Downloaded {got} of {total} npm packages", at_once=got == total)

        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "http")
        self._say(f"Downloading {total} npm packages", at_once=True)
        await self._call(lock, "npm", "ci", "--prefix", str(self._folder), *options, heard=heard)

    def _say(self, text: str, at_once: bool = False) -> None:
        now = time.monotonic()
        if at_once or now - self._said_at >= SAY_EVERY:
            self._said_at = now
            for say in self._listeners:
                say(text)

    async def _call(self, lock: int, *command: str, heard: Say = lambda line: None) -> None:
        """Run one step; it holds the lock too, so that a killed platform is not overtaken by the next one."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={key: value for key, value in os.environ.items() if PASSED_ON.match(key)},
            pass_fds=(lock,),
            start_new_session=True,
        )
        assert process.stdout
        last, first = "", ""
        try:
            async for raw in process.stdout:
                line = raw.decode(errors="replace").strip()
                if line and not CHATTER.match(line):
                    first, last = first or (line if line.startswith("npm error ") else ""), line
                heard(line)
            if await process.wait():
                raise PullError(re.sub(r"^(ERROR:|npm error) ", "", first or last) or f"{command[2]} failed")
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


@contextlib.asynccontextmanager
async def _alone(path: Path) -> AsyncIterator[int]:
    """Hold a lock file; waiting for it does not block the loop."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.2)
        yield lock
    finally:
        os.close(lock)
