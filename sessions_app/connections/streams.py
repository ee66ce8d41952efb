"""Texts that arrive in pieces: they may take long, but not be silent for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from sessions_app.client import errors


class LogText(Protocol):
    """A log as it arrives."""

    @property
    def truncated(self) -> bool:
        """Whether the cap cut it short; known once it is read."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield its pieces."""


class Lively:
    """A text that ends with an error when nothing came for too long."""

    def __init__(self, text: LogText, silence: float) -> None:
        self._text, self._silence = text, silence

    @property
    def truncated(self) -> bool:
        """Whether the cap cut it short."""
        return self._text.truncated

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield its pieces."""
        pieces = aiter(self._text)
        while True:
            try:
                async with asyncio.timeout(self._silence):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise errors.TooSlowError("The platform fell silent in the middle of a log.") from None
            if piece is None:
                return
            yield piece


@asynccontextmanager
async def opened_soon(
    opening: AbstractAsyncContextManager[LogText], silence: float
) -> AsyncIterator[LogText]:
    """Open a text; its beginning, and each piece of it, must come before long."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(silence):
                text = await stack.enter_async_context(opening)
        except TimeoutError:
            raise errors.TooSlowError from None
        yield Lively(text, silence)
