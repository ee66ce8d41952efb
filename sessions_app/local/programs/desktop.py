"""A desktop in the browser: an X server, a window manager, a terminal, and the page that shows them."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import tornado.websocket

from . import display, menu
from .serving import Page, arguments, asked_to_end, files, listen, secret

PIECE = 2**16
TIME_TO_END = 3.0
A_MOMENT = 0.3


class Screen(Page, tornado.websocket.WebSocketHandler):
    """The page, and under the same address the websocket to the screen (contract 2.6).

    The password is asked for by the X server itself; only pages of our own host may open the websocket.
    """

    async def get(self) -> None:
        """Open the websocket, or show the page."""
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await tornado.websocket.WebSocketHandler.get(self)
        else:
            self.show()

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Agree to the one that some viewers offer."""
        return "binary" if "binary" in subprotocols else None

    async def open(self) -> None:
        """Reach the screen."""
        self.reader, self.writer = await asyncio.open_unix_connection(self.more["screen"])
        self.showing = asyncio.create_task(self.pump())

    async def pump(self) -> None:
        """Send on what the screen says, no faster than the viewer takes it."""
        try:
            while piece := await self.reader.read(PIECE):
                await self.write_message(piece, binary=True)
        except (OSError, tornado.websocket.WebSocketClosedError):
            pass
        finally:
            self.close()

    async def on_message(self, message: str | bytes) -> None:
        """Send on what the viewer says."""
        self.writer.write(message if isinstance(message, bytes) else message.encode())
        await self.writer.drain()

    def on_close(self) -> None:
        """Let go of the screen."""
        if hasattr(self, "writer"):
            self.showing.cancel()
            self.writer.close()


async def main() -> int:
    """Run the parts until one ends or we are told to; then end them all."""
    given = arguments("secret-file", "folder")
    told, folder = asked_to_end(), Path(given.folder)
    screen = given.socket.removesuffix(".sock") + ".rfb"
    shown = await display.start(folder, screen, given.name, secret(given))
    # The desktop's apps, which are processes of their own, find it by this.
    (folder / "display").write_text(shown.name)
    menu.write(folder / "jwmrc", given.name)
    manager = await launch(shown, "jwm", "-f", str(folder / "jwmrc"))
    terminal = await launch(shown, *menu.XTERM, "-T", given.name)
    serve(given, screen)
    try:
        return await first_end(told, {"The X server": shown.server, "The window manager": manager})
    finally:
        await end(terminal, manager, shown.server)


async def launch(shown: display.Display, *command: str) -> asyncio.subprocess.Process:
    """Start a program on the display, in the person's home."""
    return await asyncio.create_subprocess_exec(*command, env={**os.environ, **shown.environment})


def serve(given: Any, screen: str) -> None:
    """Serve the page, the viewer's modules and the websocket."""
    words = {"name": "desktop.html", "words": {"name": given.name}, "screen": screen}
    viewer = Path(given.root) / "node_modules" / "@novnc" / "novnc"
    listen([("/", Screen, words), files("/novnc/(.*)", viewer)], given.base, given.socket)


async def first_end(told: asyncio.Event, parts: dict[str, asyncio.subprocess.Process]) -> int:
    """Wait for the first part that ends, and say which and how."""
    stop = asyncio.create_task(told.wait())
    # The server first: where it has ended, it is the reason.
    waits = {asyncio.create_task(process.wait()): name for name, process in parts.items()}
    await asyncio.wait({stop, *waits}, return_when=asyncio.FIRST_COMPLETED)
    if told.is_set():
        return 0
    # Whoever lost its screen ends too, and may be noticed first.
    await asyncio.wait(waits, timeout=A_MOMENT)
    stop.cancel()
    ended = next(task for task in waits if task.done())
    sys.stdout.write(f"{waits[ended]} has ended ({ended.result()}), and the desktop with it.\n")
    return 0 if ended.result() == 0 else 1


async def end(*processes: asyncio.subprocess.Process) -> None:
    """End what still runs, the X server last, so that it clears away its lock."""
    for process in processes:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), TIME_TO_END)
            except TimeoutError:
                process.kill()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except display.NoDisplayError as problem:
        sys.exit(str(problem))
