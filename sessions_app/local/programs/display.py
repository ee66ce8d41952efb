"""The X server of a desktop: a display of its own that only this session can reach."""

import asyncio
import os
import secrets
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

SIZE = "1280x720"
PATIENCE = 20.0
WILD = 0xFFFF  # The family of an authority that holds for every address.


class NoDisplayError(Exception):
    """The X server did not come up."""


@dataclass(frozen=True)
class Display:
    """A display that is up."""

    name: str
    authority: Path
    server: asyncio.subprocess.Process

    @property
    def environment(self) -> dict[str, str]:
        """Compose the variables by which a program finds it."""
        return {"DISPLAY": self.name, "XAUTHORITY": str(self.authority)}


async def start(folder: Path, screen: str, title: str, password: str) -> Display:
    """Start the server; it finds a free display by itself and says which."""
    authority, key = folder / "authority", folder / "vnc-password"
    write_private(authority, authority_entry(secrets.token_bytes(16)))
    write_private(key, await obscured(password))
    heard, says = os.pipe()
    server = await asyncio.create_subprocess_exec(
        *("Xtigervnc", "-displayfd", str(says), "-auth", str(authority), "-nolisten", "tcp"),
        *("-rfbport", "-1", "-rfbunixpath", screen, "-rfbunixmode", str(0o600)),
        *("-SecurityTypes", "VncAuth", "-PasswordFile", str(key), "-AlwaysShared"),
        *("-desktop", title, "-geometry", SIZE, "-depth", "24", "-Log", "*:stderr:0"),
        pass_fds=(says,),
    )
    os.close(says)
    number = await first_line(heard)
    if not number:
        raise NoDisplayError("The X server did not come up.")
    return Display(f":{number}", authority, server)


async def first_line(heard: int) -> str:
    """Read one line from a pipe, or nothing if none comes in time."""
    reader = asyncio.StreamReader()
    with os.fdopen(heard, "rb") as pipe:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            return (await asyncio.wait_for(reader.readline(), PATIENCE)).decode().strip()
        except TimeoutError:
            return ""
        finally:
            transport.close()


async def obscured(password: str) -> bytes:
    """Write a password in the form that the server reads."""
    program = shutil.which("vncpasswd") or "tigervncpasswd"
    process = await asyncio.create_subprocess_exec(
        *(program, "-f"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    written, _ = await process.communicate(password.encode() + b"\n")
    if process.returncode or len(written) < 8:
        raise NoDisplayError("The password of the X server could not be written.")
    return written


def authority_entry(cookie: bytes) -> bytes:
    """Compose a line of an X authority file, good for any address and display."""
    fields = (b"", b"", b"MIT-MAGIC-COOKIE-1", cookie)
    return struct.pack(">H", WILD) + b"".join(struct.pack(">H", len(field)) + field for field in fields)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only we can read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
