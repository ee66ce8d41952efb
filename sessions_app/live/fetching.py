"""A text of the platform, fetched to disk at its pace and read from there at the reader's.

The platform is let go of as soon as it has said everything, however slowly a browser reads, and nothing of the text
waits in memory.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

from sessions_app.connections.streams import LogText

PIECE = 256 * 1024


class Fetched:
    """A text that is being fetched; ``truncated`` says, once it was read, whether there was more."""

    def __init__(self, opening: AbstractAsyncContextManager[LogText], folder: Path) -> None:
        self._opening, self._folder = opening, folder
        self._size = 0
        self._grown = asyncio.Event()
        self.truncated = False
        # It has no name, so that nothing of it stays whatever happens.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._task = asyncio.create_task(self._fetch())

    async def begun(self) -> bool:
        """Wait for the first of it; false when it is empty. Raises what went wrong before."""
        await self._more_than(0)
        return self._size > 0

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield it from its beginning, and close it."""
        at = 0
        try:
            while await self._more_than(at):
                piece = await asyncio.to_thread(os.pread, self._file.fileno(), PIECE, at)
                at += len(piece)
                yield piece
        finally:
            await self.close()

    async def close(self) -> None:
        """Fetch no more, and let go of the file."""
        self._task.cancel()
        with suppress(BaseException):
            await asyncio.wait({self._task})
        self._file.close()

    async def _more_than(self, at: int) -> bool:
        """Wait until there is more than this; false when there is no more. Raises what ended the fetching."""
        while self._size <= at and not self._task.done():
            self._grown.clear()
            await asyncio.wait(
                {self._task, grown := asyncio.ensure_future(self._grown.wait())},
                return_when=asyncio.FIRST_COMPLETED,
            )
            grown.cancel()
        if self._size <= at:
            self._task.result()
        return self._size > at

    async def _fetch(self) -> None:
        waiting = bytearray()
        async with self._opening as text:
            async for piece in text:
                waiting += piece
                # Small pieces are not kept from whoever waits for the first.
                if len(waiting) >= PIECE or not self._size:
                    await self._write(waiting)
            await self._write(waiting)
            self.truncated = text.truncated

    async def _write(self, waiting: bytearray) -> None:
        if not waiting:
            return
        data = bytes(waiting)
        waiting.clear()
        # Asked to stop in the middle of it, the thread still has the file.
        await asyncio.shield(asyncio.to_thread(os.pwrite, self._file.fileno(), data, self._size))
        self._size += len(data)
        self._grown.set()
