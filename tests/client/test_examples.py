"""Every example in a docstring is run: with ``AsyncSession``, and without ``await`` with ``Session``."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import webbrowser
from typing import Any

import pytest

from sessions_app import client
from sessions_app.client import AsyncSession, Session, apps, errors, operations, values

from .conftest import Platform

PURE = [
    "answers",
    "credentials",
    "environment",
    "images",
    "quantities",
    "showing",
    "texts",
    "values",
    "wire",
]
PUBLIC = [
    pytest.param(value, id=f"{module.__name__.rpartition('.')[2]}.{name}")
    for module in (operations, apps)
    for name, value in vars(module).items()
    if inspect.isgeneratorfunction(value) and value.__module__ == module.__name__ and name[0] != "_"
]


@pytest.fixture(autouse=True)
def visited(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open_new_tab", lambda address: opened.append(address))
    return opened


@pytest.fixture(autouse=True)
def named(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANFAR_URL", platform.url)
    monkeypatch.setenv("CANFAR_TOKEN", "canary-token")


def examples(text: str | None) -> list[doctest.Example]:
    found = doctest.DocTestParser().get_examples(inspect.cleandoc(text or ""))
    assert found, "a public call has an example"
    return found


def names(session: Any) -> dict[str, Any]:
    given = {name: getattr(client, name) for name in client.__all__}
    return {**given, "session": session, "values": values, "errors": errors}


async def run(example: doctest.Example, scope: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    mode = "eval" if isinstance(ast.parse(example.source).body[0], ast.Expr) else "exec"
    code = compile(
        example.source.strip() if mode == "eval" else example.source, "<example>", mode, flags=flags
    )
    result = eval(code, scope)
    if inspect.isawaitable(result):
        result = await result
    printed = capsys.readouterr().out
    got = printed if result is None else f"{printed}{result!r}\n"
    assert got == example.want


@pytest.mark.parametrize("operation", PUBLIC)
async def test_the_examples_of_an_operation_hold_for_the_awaited_session(
    operation: Any, session: AsyncSession, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = names(session)
    for example in examples(operation.__doc__):
        await run(example, scope, capsys)


@pytest.mark.parametrize("operation", PUBLIC)
async def test_the_examples_of_an_operation_hold_for_the_blocking_session(
    operation: Any, blocking: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = names(blocking)
    for example in examples(operation.__doc__):
        example.source = example.source.replace("await ", "")
        await run(example, scope, capsys)


@pytest.mark.parametrize(
    "documented",
    [
        AsyncSession,
        AsyncSession.apps,
        AsyncSession.from_environment,
        AsyncSession.stream_logs,
        AsyncSession.within,
        client.AsyncPool,
        Session,
        client.Pool,
    ],
)
async def test_the_examples_of_the_classes_hold(
    documented: Any, session: AsyncSession, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = names(session)
    for example in examples(documented.__doc__):
        await run(example, scope, capsys)


@pytest.mark.parametrize(
    "documented", [Session.apps, Session.from_environment, Session.stream_logs, Session.within]
)
async def test_the_examples_of_the_blocking_methods_hold(
    documented: Any, blocking: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = names(blocking)
    for example in examples(documented.__doc__):
        await run(example, scope, capsys)


@pytest.mark.parametrize("name", PURE)
def test_the_examples_of_the_pure_modules_hold(name: str) -> None:
    module = importlib.import_module(f"sessions_app.client.{name}")
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


async def test_connect_opens_what_has_an_address(session: AsyncSession, visited: list[str]) -> None:
    await session.connect(["nb000001", "fit00003", "gone0000"])
    assert visited == ["https://host/session/notebook/nb000001/lab?token=nb000001"]
