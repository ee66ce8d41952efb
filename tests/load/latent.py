"""A platform that answers everything after 20 ms and does next to nothing: what is measured is the client.

Run in a process of its own; prints its port. ``GET /connections`` says how many were opened since it was last asked.
"""

from __future__ import annotations

import asyncio
import json

LATENCY = 0.02
LOG = b"2026-01-05T10:00:00Z a line of a log, as long as they tend to be\n" * 1600
SESSION = json.dumps(
    {
        "id": "nb000001",
        "userid": "ann",
        "runAsUID": "1000",
        "runAsGID": "1000",
        "supplementalGroups": [34241, 34337],
        "image": "images.canfar.net/skaha/base-notebook:latest",
        "type": "notebook",
        "status": "Running",
        "name": "nb",
        "startTime": "2025-04-10T15:45Z",
        "expiryTime": "2025-04-14T15:45:00Z",
        "connectURL": "https://host/session/notebook/nb000001/lab?token=nb000001",
        "requestedRAM": "8.59",
        "requestedCPUCores": "2",
        "requestedGPUCores": "0",
        "isFixedResources": True,
    },
    indent=2,
).encode()


def _answer(body: bytes, kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


CREATED = _answer(b"ab12cd34\n", "text/plain")
DESCRIBED = _answer(SESSION, "application/json")
LOGGED = _answer(LOG[:100_000], "text/plain")


class Latent(asyncio.Protocol):
    """One connection."""

    opened = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        Latent.opened += 1
        self.transport, self.held, self.loop = transport, b"", asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            line, self.held = self.held[: self.held.find(b"\r\n")], self.held[end + 4 :]
            if line.startswith(b"GET /connections"):
                self.transport.write(_answer(str(Latent.opened - 1).encode(), "text/plain"))
                Latent.opened = 0
                continue
            answer = CREATED if line.startswith(b"POST") else LOGGED if b"view=logs" in line else DESCRIBED
            self.loop.call_later(LATENCY, self.say, answer)

    def say(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Latent, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
