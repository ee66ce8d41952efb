"""A program that computes and keeps its output to itself: the page says what is going on, also without scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient

from sessions_app.live import silence
from tests.conftest import until
from tests.portal.conftest import launch_values

pytestmark = pytest.mark.django_db(transaction=True)

# Whatever the image says, this one writes only when its buffer is full or it ends; until it is told to, it computes.
PROGRAM = """
import io, os, sys
sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w")))
print("held back")
while not os.path.exists("ENOUGH"):
    sum(range(10000))
sys.stdout.flush()
while not os.path.exists("END"):
    sum(range(10000))
"""
HINT = '<p class="log__silent" role="status" data-log-silent>'
NO_HINT = '<p class="log__silent" role="status" data-log-silent hidden>'


async def test_a_program_that_buffers_is_explained_until_it_writes(
    alice: AsyncClient, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(silence, "AFTER", 1.0)
    enough, end, program = (tmp_path / name for name in ("enough", "end", "program.py"))
    program.write_text(PROGRAM.replace("ENOUGH", str(enough)).replace("END", str(end)))
    answer = await alice.post("/launch", launch_values(name="fit", cmd="python3", args=str(program)))
    address = answer.url.partition("?")[0]

    async def shows(words: str) -> bool:
        return words in (await alice.get(address)).text

    assert await shows(NO_HINT)
    await until(lambda: shows(HINT), what="the hint on the page")
    text = (await alice.get(address)).text
    assert "PYTHONUNBUFFERED=1" in text
    assert "Nothing is lost" in text
    [state] = [frame for frame in await frames(alice, address) if frame["t"] == "state"]
    assert (state["state"], state["silent"]) == ("live", True)
    # A head finds nothing out.
    assert (await alice.head(address)).status_code == 200
    # What it writes is there at once, and the hint is gone.
    monkeypatch.setattr(silence, "AFTER", 3600.0)
    enough.touch()

    async def wrote() -> bool:
        told = await frames(alice, address)
        lines = [line for frame in told if frame["t"] == "log" for line in frame["lines"]]
        return lines == ["held back"] and not any("silent" in frame for frame in told)

    await until(wrote, what="the line")
    assert await shows(NO_HINT)
    end.touch()


async def frames(client: AsyncClient, address: str) -> list[dict[str, Any]]:
    """Return all that a page which follows the log anew is told."""
    found: list[dict[str, Any]] = (await client.get(f"{address}/log/since")).json()["frames"]
    return found
