"""README's examples of the client, each as it stands, and the calls of the released client's documentation."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import webbrowser
from pathlib import Path
from typing import Any

import pytest

from sessions_app.client import AsyncSession, Session
from tests.load.behind import EXAMPLE

from .conftest import Platform

ROOT = Path(__file__).parents[2]
CHAPTER = re.search(
    r"^## The session client\n(.*?)^## ", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M
)
EXAMPLES = re.findall(r"```python\n(.*?)```", CHAPTER[1] if CHAPTER else "", re.S)


@pytest.fixture(autouse=True)
def visited(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sign in as the chapter says, and catch what would open in a browser."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open_new_tab", lambda address: opened.append(address))
    monkeypatch.setenv("CANFAR_URL", platform.url)
    monkeypatch.setenv("CANFAR_TOKEN", "canary-token")
    return opened


def test_the_chapter_has_its_examples() -> None:
    calls = " ".join(EXAMPLES)
    assert len(EXAMPLES) >= 6
    for name in (
        "fetch",
        "stats",
        "info",
        "logs",
        "create",
        "events",
        "destroy",
        "destroy_with",
        "connect",
        "renew",
    ):
        assert f".{name}(" in calls


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
async def test_an_example_of_the_chapter_runs_as_it_stands(
    platform: Platform, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(EXAMPLES[number])
    assert {asked.headers["authorization"] for asked in platform.asked} <= {"Bearer canary-token"}
    assert "Traceback" not in capsys.readouterr().err


async def test_the_examples_ask_what_they_show(platform: Platform, visited: list[str]) -> None:
    for example in EXAMPLES:
        await run(example)
    assert len([line for line in platform.lines if line.startswith("POST session?")]) == 3
    for view in ("view=logs", "view=events", "view=stats", "type=headless&status=Running", "action=renew"):
        assert any(view in line for line in platform.lines)
    assert any(line.startswith("DELETE session/fit00002") for line in platform.lines)


# As the released client's documentation calls it, ids by whatever name it gives them.
DOCUMENTED = [
    ("fetch", {"kind": "notebook"}),
    ("stats", {}),
    ("info", {"session_id": "nb000001"}),
    ("info", {"id": ["nb000001", "fit00003"]}),
    ("logs", {"id": "nb000001"}),
    ("logs", {"id": ["nb000001", "fit00003"]}),
    ("create", EXAMPLE),
    ("events", {"id": "nb000001"}),
    ("events", {"id": ["nb000001", "fit00003"]}),
    ("destroy", {"id": "nb000001"}),
    ("destroy", {"id": ["nb000001", "fit00003"]}),
    ("destroy_with", {"prefix": "test"}),
    ("destroy_with", {"prefix": "test", "kind": "desktop"}),
    ("destroy_with", {"prefix": "car", "kind": "carta", "status": "Running"}),
    ("connect", {"id": "nb000001"}),
    ("connect", {"id": ["nb000001", "fit00003"]}),
]


@pytest.mark.parametrize(
    ("call", "given"), DOCUMENTED, ids=[f"{call}-{number}" for number, (call, _) in enumerate(DOCUMENTED)]
)
async def test_a_call_of_the_documentation_runs_as_it_stands(
    platform: Platform, call: str, given: dict[str, Any]
) -> None:
    session = AsyncSession()
    told = await getattr(session, call)(**given)
    await session.aclose()
    asked = sorted(platform.lines)
    assert asked
    platform.asked.clear()
    with Session() as blocking:
        assert await asyncio.to_thread(getattr(blocking, call), **given) == told
    assert sorted(platform.lines) == asked


@pytest.mark.parametrize(
    "given", [{"ids": "a", "id": "b"}, {"id": "a", "session_id": "b"}, {"name": "a"}, {}]
)
def test_ids_are_given_once_and_by_a_name_of_theirs(platform: Platform, given: Any) -> None:
    with Session() as session, pytest.raises(TypeError):
        session.info(**given)
    assert platform.asked == []


async def run(example: str) -> None:
    """Run an example as a notebook or the asyncio prompt does; a whole program in a thread, as it has its own loop."""
    code = compile(example, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    scope: dict[str, Any] = {"__name__": "__main__"}
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, scope)
    else:
        await asyncio.to_thread(exec, code, scope)
