"""One served portal for all tests of this folder in a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.served import Served, served


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    people = ("alice", "bob", "carol", "dora", "emil", "fred", "gina", "hugo", "ivan", "jane", "kurt")
    # Few enough that a slow machine comes beyond it, too.
    with served(tmp_path_factory.mktemp("served"), *people, CANFARWEB_REQUESTS_PER_SECOND="5") as running:
        yield running
