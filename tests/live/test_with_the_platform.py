"""The whole way: a process on the local platform writes, a tab reads."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings

from sessions_app import connections
from sessions_app.client import AsyncSession
from sessions_app.models import Credential, Person, Record
from tests.live.test_consumers import Tab, key_of
from tests.platforms import RunningPlatform

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("connections_closed")]


async def launched(platform: RunningPlatform, script: str) -> str:
    """Launch a headless session that runs a shell script, return its id; the platform splits words at spaces."""
    async with AsyncSession(url=platform.url, token=platform.token) as session:
        images = await session.image_details()
        image = next(image.id for image in images if "headless" in image.types)
        [found] = await session.create(
            "live", image, kind="headless", cmd="sh", args=f"-c {script.replace(' ', '${IFS}')}"
        )
    return found


async def test_a_processs_lines_and_end_reach_the_tab(
    clean_platform: RunningPlatform, settings: object
) -> None:
    settings.PORTAL_ORIGINS = ["http://localhost:8000"]  # type: ignore[attr-defined]
    found = await launched(clean_platform, "seq 1 5;sleep 2;seq 6 9;exit 3")
    person = await Person.objects.aenter(django_settings.PLATFORM_KEY, "somebody")
    await Credential.objects.akeep(person, clean_platform.token)
    await (await connections.connection_for(person)).rows(patience=10)
    record = await Record.objects.aget(owner=person)
    tab = Tab(await key_of(person))
    assert await tab.open()
    await tab.follow_log(record)
    await tab.say("follow", s=record.slug, w="events")
    states = [(await tab.hear("session"))["state"]]
    while states[-1] != "failed":
        states.append((await tab.hear("session"))["state"])
    await tab.hear("state", w="log", state="ended")
    assert tab.lines() == [str(n) for n in range(1, 10)]
    assert any(
        "3" in row["message"] for message in tab.seen if message["t"] == "events" for row in message["rows"]
    )
    assert found not in str(tab.seen)
    await tab.leave()
