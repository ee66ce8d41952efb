"""Install an image's locked packages and files into a folder of its own, and say how far it is."""

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from .catalogue import Image
from .machine import cores

STAMP = "READY"
PASSED_ON = re.compile(
    r"PIP_|NPM_CONFIG_|NODE_EXTRA_CA|SSL_|REQUESTS_|CURL_|XDG_CACHE|(HTTPS?|NO|ALL)_PROXY$|"
    r"(PATH|HOME|LANG|TMPDIR)$",
    re.I,
)
CHATTER = re.compile(r"\[notice\]|npm (http|warn|notice|info)|npm error (A complete log|code|\s|$)")

Say = Callable[..., None]


class PullError(Exception):
    """An image could not be pulled; the text is what the installer said about it."""


class Installation:
    """One installation; every step of it holds the lock too, so that a killed platform is not overtaken."""

    def __init__(self, image: Image, folder: Path, lock: int, say: Say) -> None:
        self._image, self._folder, self._lock, self._say = image, folder, lock, say

    async def run(self) -> None:
        """Begin anew, go through the steps, and stamp what is whole."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        python = self._folder / "bin" / "python"
        ours = importlib.util.find_spec("pip") is not None
        await self._call(sys.executable, "-m", "venv", *["--without-pip"] * ours, str(self._folder))
        await self._python(
            [sys.executable, "-m", "pip", "--python", str(python)] if ours else [str(python), "-m", "pip"]
        )
        if self._image.node:
            await self._node()
        self._files()
        self._say("Compiling", at_once=True)
        await self._call(str(python), "-m", "compileall", "-q", "-j", str(cores()), str(self._folder / "lib"))
        (self._folder / STAMP).write_text(self._image.digest + "\n")
        self._say("Installed and compiled", at_once=True)

    async def _python(self, pip: list[str]) -> None:
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
            *(*pip, "--no-input", "install", "--no-deps"),
            *("--require-hashes", "--no-compile", "--progress-bar", "off", "-r", str(self._image.lock_path)),
            heard=heard,
        )

    async def _node(self) -> None:
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
        await self._call("npm", "ci", "--prefix", str(self._folder), *options, heard=heard)

    def _files(self) -> None:
        for name, text in self._image.files.items():
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_text(text)

    async def _call(self, *command: str, heard: Callable[[str], None] = lambda line: None) -> None:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={key: value for key, value in os.environ.items() if PASSED_ON.match(key)},
            pass_fds=(self._lock,),
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
                raise PullError(
                    re.sub(r"^(ERROR:|npm error) ", "", first or last) or f"{Path(command[0]).name} failed"
                )
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
