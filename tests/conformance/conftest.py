"""The platforms that the suite runs against: a served local one, or a real one named in the environment."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from sessions_app.client import AsyncSession, Session
from tests.local.harness import TERMINAL, Skaha, running

from .facade import Facade


@dataclass
class Under:
    """A platform under test: two people if it has them, and whether it is our own."""

    alice: Skaha
    bob: Skaha | None
    own: bool


@pytest.fixture(scope="package")
def under(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Under]:
    url, token, other = (os.environ.get(f"CANFAR_{name}") for name in ("URL", "TOKEN", "OTHER_TOKEN"))
    if url and token:
        yield Under(Skaha(url, token), Skaha(url, other) if other else None, own=False)
        return
    with running(tmp_path_factory.mktemp("conformance") / "data", "--grace", "1") as platform:
        yield Under(platform.alice, platform.person("bob"), own=True)


@pytest.fixture
def alice(under: Under) -> Skaha:
    return under.alice


@pytest.fixture
def bob(under: Under) -> Skaha:
    return under.bob or pytest.skip("needs a second person (CANFAR_OTHER_TOKEN)")


@pytest.fixture
def own(under: Under) -> None:
    if not under.own:
        pytest.skip("a promise of the local platform")


@pytest.fixture(params=[AsyncSession, Session], ids=["AsyncSession", "Session"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def seen_by(kind: Any) -> Iterator[Callable[[Skaha], Facade]]:
    with ExitStack() as stack:
        yield lambda person: Facade(kind, person, stack)


@pytest.fixture
def mine(seen_by: Any, alice: Skaha) -> Facade:
    return seen_by(alice)


@pytest.fixture
def theirs(seen_by: Any, bob: Skaha) -> Facade:
    return seen_by(bob)


@pytest.fixture
def launched(mine: Facade) -> Iterator[Callable[..., list[str]]]:
    """Launch, and end afterwards what is left of it."""
    made: list[str] = []

    def launch(**given: Any) -> list[str]:
        ids = mine.call("create", **{"name": "test", "image": TERMINAL, **given})
        made.extend(ids)
        return ids

    yield launch
    assert all(mine.call("destroy", made).values())
