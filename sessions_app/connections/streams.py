"""What a text is that arrives in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class LogText(Protocol):
    """A log as it arrives."""

    @property
    def truncated(self) -> bool:
        """Whether the cap cut it short; known once it is read."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield its pieces."""
