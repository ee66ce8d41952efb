"""What several test folders share: a served local platform and people who are signed in on it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from django.conf import settings

from tests.platforms import RunningPlatform, start_platform, wait_until_gone

ROOT = Path(__file__).parents[1]

# A shell starts what it puts in the background with Ctrl-C ignored, and what is started here would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The tests say what is told where there is no GPU, wherever they run.
os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(scope="session")
def platform_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("platform")


@pytest.fixture(scope="session")
def platform(platform_data: Path) -> Iterator[RunningPlatform]:
    """The local platform on the port that the portal of the tests speaks to."""
    running = start_platform(settings.PLATFORM_PORT, platform_data)
    yield running
    if running.process.poll() is not None:
        running.start_again()
    destroy_all(running)
    running.stop()
    left = wait_until_gone(platform_data)
    assert left == [], f"Processes were left behind: {left}"


def destroy_all(platform: RunningPlatform) -> None:
    """End every session of the platform's first user."""
    headers = {"Authorization": f"Bearer {platform.token}"}
    with httpx.Client(base_url=platform.url, headers=headers, timeout=30, trust_env=False) as client:
        for row in client.get("/session").json():
            client.delete(f"/session/{row['id']}")


@pytest.fixture
def clean_platform(platform: RunningPlatform) -> RunningPlatform:
    """The platform with no session on it."""
    if platform.process.poll() is not None:
        platform.start_again()
    destroy_all(platform)
    return platform


async def until(
    look: Callable[[], Awaitable[Any]], *, seconds: float = 60.0, interval: float = 0.1, what: str = "it"
) -> Any:
    """Wait until ``look`` returns something true and return it; fail with the last answer after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert time.monotonic() < end, f"Waited {seconds} s for {what}; the last look gave {found!r}."
        await asyncio.sleep(interval)


@pytest_asyncio.fixture
async def connections_closed() -> AsyncIterator[None]:
    """Close the pools of this test's event loop behind it."""
    from sessions_app import connections
    from sessions_app.connections import redaction

    yield
    await connections.close_all()
    # The next test's people may have the same keys.
    redaction.forget_all()
