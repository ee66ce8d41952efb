"""People, signed in on the served local platform, with Django's async client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from django.conf import settings
from django.test import AsyncClient

from sessions_app.models import Credential, Person
from tests.conftest import until
from tests.platforms import RunningPlatform

Enter = Callable[..., Awaitable[AsyncClient]]


@pytest.fixture
def anonymous(transactional_db: None) -> AsyncClient:
    return AsyncClient()


@pytest_asyncio.fixture
async def enter(transactional_db: None, connections_closed: None) -> Enter:
    """Return a way to get a browser in which somebody is signed in."""

    async def entered(name: str, token: str) -> AsyncClient:
        person = await Person.objects.aenter(settings.PLATFORM_KEY, name)
        await Credential.objects.akeep(person, token)
        client = AsyncClient()
        await client.aforce_login(person, backend="django.contrib.auth.backends.ModelBackend")
        client.person = person
        return client

    return entered


@pytest_asyncio.fixture
async def alice(clean_platform: RunningPlatform, enter: Enter) -> AsyncClient:
    """The local platform's first user, with nothing running."""
    return await enter(clean_platform.user, clean_platform.token)


@pytest_asyncio.fixture
async def bob(clean_platform: RunningPlatform, enter: Enter) -> AsyncClient:
    """Somebody else who is signed in to the portal."""
    return await enter("bob", "not-a-token-of-the-platform")


FRAGMENT = {"HX-Request": "true"}


def launch_values(**changes: Any) -> dict[str, Any]:
    """Return what a filled-in launch form sends."""
    values = {
        "key": "form-1",
        "kind": "headless",
        "image": "images.canfar.net/skaha/terminal:latest",
        "name": "fit",
        "resources": "flexible",
        "cmd": "sleep",
        "args": "60",
        "env": "",
        "replicas": "1",
    }
    return {**values, **changes}


async def until_said(client: AsyncClient, address: str, text: str) -> Any:
    """Return the page at an address once it says this."""

    async def said() -> Any:
        page = await client.get(address)
        return page if text in page.text else None

    return await until(said, what=text)
