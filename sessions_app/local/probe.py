"""Reach a session's own server: open a connection to it, and ask whether it answers."""

import asyncio
from contextlib import suppress

PATIENCE = 5.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def reach(address: str) -> Streams:
    """Open a connection to where a session listens."""
    way, _, where = address.partition(":")
    if way == "unix":
        return await asyncio.open_unix_connection(where)
    raise OSError("it listens nowhere")


async def answers(address: str, path: str) -> bool:
    """Ask for a page; any answer but a server error counts."""
    with suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(PATIENCE):
            reader, writer = await reach(address)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                return int((await reader.readline()).split()[1]) < 400
            finally:
                writer.close()
    return False
