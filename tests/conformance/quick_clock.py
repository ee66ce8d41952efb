"""Let the clock of the released clients' own tests run faster: some go on for a minute after they have what they want.

A plugin for the pytest of their environments, so it knows nothing of this repository. It changes `sleep`, `time` and
`monotonic` as the test modules have them, and nothing inside the client. ``RELEASED_CLOCK=1`` leaves them as they are.
"""

import asyncio
import os
import time

import pytest

SPEED = float(os.environ.get("RELEASED_CLOCK", "4"))
BEGAN = time.time()
QUICKER = {
    time.sleep: lambda seconds: time.sleep(seconds / SPEED),
    asyncio.sleep: lambda seconds: asyncio.sleep(seconds / SPEED),
    time.time: lambda: BEGAN + (time.time() - BEGAN) * SPEED,
    time.monotonic: lambda: time.monotonic() * SPEED,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for module in {item.module for item in items}:  # type: ignore[attr-defined]
        for name, value in list(vars(module).items()):
            if callable(value) and value.__hash__ and value in QUICKER:
                setattr(module, name, QUICKER[value])
        if getattr(module, "asyncio", None) is asyncio:
            module.asyncio = Asyncio()


class Asyncio:
    """The module, with its sleep made shorter."""

    def __getattr__(self, name: str) -> object:
        return QUICKER[asyncio.sleep] if name == "sleep" else getattr(asyncio, name)
