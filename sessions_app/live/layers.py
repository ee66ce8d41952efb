"""The channel layer of one process."""

from __future__ import annotations

import time
from typing import Any

from channels.layers import InMemoryChannelLayer

# Seconds between two looks for what has expired.
CLEANING = 5.0


class SparingLayer(InMemoryChannelLayer):  # type: ignore[misc]
    """Channels' own layer in memory, which looks through all channels whenever one begins to listen.

    With some thousand sockets that alone takes the processor, so it looks once in a while.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._cleaned = float("-inf")

    def _clean_expired(self) -> None:
        if time.monotonic() - self._cleaned >= CLEANING:
            self._cleaned = time.monotonic()
            super()._clean_expired()
