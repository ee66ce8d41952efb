from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Platform, Skaha, running


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform for the tests of one file."""
    with running(tmp_path_factory.mktemp("platform") / "data", "--grace", "1") as platform:
        yield platform


@pytest.fixture
def alice(platform: Platform) -> Skaha:
    return platform.alice


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"
