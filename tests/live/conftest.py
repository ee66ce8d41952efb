"""Feeds at the pace of a test, with a data folder of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from django.conf import settings

from sessions_app.live import events_feed, feeds, list_feed, log_feed, rhythm, shared
from sessions_app.models import Person, Record
from tests.live.fakes import FakeSource


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: object) -> Path:
    """Keep spools out of the real data folder."""
    settings.DATA_DIR = tmp_path  # type: ignore[attr-defined]
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second pass in a few milliseconds."""
    for module, name, value in (
        (rhythm, "NEWS", 0.01),
        (rhythm, "QUIET", 0.02),
        (feeds, "TICK", 0.01),
        (feeds, "TICK_WHILE_PENDING", 0.01),
        (shared, "LINGER", 0.05),
        (list_feed, "PAUSE", 0.01),
        (log_feed, "PROVISIONAL_AFTER", 0.05),
        (events_feed, "PAUSE_RUNNING", 0.01),
        (events_feed, "PAUSE_WAITING", 0.01),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(rhythm.Rhythm, "after_failure", lambda self, retry_after=None: 0.01)


@pytest.fixture
def source() -> FakeSource:
    """Return one session on a platform."""
    return FakeSource()


@pytest.fixture
async def registry(source: FakeSource) -> AsyncIterator[feeds.Registry]:
    """Return a registry of feeds that ask the fake."""
    made = feeds.Registry(source.connect)
    yield made
    await made.close()


@pytest.fixture
async def platform_source(source: FakeSource) -> AsyncIterator[FakeSource]:
    """Put the fake behind this loop's feeds."""
    loop = asyncio.get_running_loop()
    feeds._registries[loop] = feeds.Registry(source.connect)
    yield source
    await feeds._registries[loop].close()


@pytest.fixture
async def alice(transactional_db: None) -> Person:
    return await Person.objects.aenter(settings.PLATFORM_KEY, "alice")


@pytest.fixture
async def alices(alice: Person, platform_source: FakeSource) -> Record:
    record = Record.objects.draft(alice, "k3xv9q2a")
    record.state, record.slug = "running", platform_source.slug
    await record.asave()
    return record
