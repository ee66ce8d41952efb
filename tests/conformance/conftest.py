"""The platforms that the suite runs against: a served local one, or a real one named in the environment."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.local.harness import Skaha, running


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
