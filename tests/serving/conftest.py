"""One served portal for all tests of this folder in a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.served import Served, served


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    people = ("alice", "bob", "carol", "dora", "emil", "fred", "gina", "hugo")
    with served(tmp_path_factory.mktemp("served"), *people) as running:
        yield running
