"""The two sessions are one: same words, same signatures. And how they are made."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
from typing import Any

import httpx
import pytest

from sessions_app.client import AsyncPool, AsyncSession, Outcome, Pool, Session, errors
from sessions_app.client.facets import AppOutcomes, Apps, AsyncAppOutcomes, AsyncApps, AsyncOutcomes, Outcomes

# The documented signatures; the platform's own words, in their order.
DOCUMENTED = {
    "fetch": ["kind", "status", "view"],
    "stats": [],
    "info": ["ids"],
    "logs": ["ids", "verbose", "max_bytes"],
    "create": ["name", "image", "cores", "ram", "kind", "gpu", "cmd", "args", "env", "replicas"],
    "events": ["ids", "verbose"],
    "destroy": ["ids"],
    "destroy_with": ["prefix", "kind", "status", "pattern"],
    "connect": ["ids"],
    "renew": ["ids"],
}
TWINS = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}


def words(kind: type) -> dict[str, Any]:
    own = {name: value for name, value in vars(kind).items() if not name.startswith("_") or name in TWINS}
    return {TWINS.get(name, name): value for name, value in own.items()}


TWO = [
    (AsyncSession, Session),
    (AsyncOutcomes, Outcomes),
    (AsyncApps, Apps),
    (AsyncAppOutcomes, AppOutcomes),
]


@pytest.mark.parametrize(("awaited", "blocking"), [*TWO, (AsyncPool, Pool)])
def test_both_kinds_have_the_same_words(awaited: type, blocking: type) -> None:
    assert words(awaited).keys() == words(blocking).keys() | (TWINS.values() & words(awaited).keys())


@pytest.mark.parametrize(("awaited", "blocking"), TWO)
def test_both_kinds_have_the_same_signatures_and_docstrings(awaited: type, blocking: type) -> None:
    for name, method in inspect.getmembers(awaited, inspect.iscoroutinefunction):
        if name.startswith("_") or name in TWINS:
            continue
        twin = getattr(blocking, name)
        assert inspect.signature(method) == inspect.signature(twin)
        assert method.__doc__ == twin.__doc__
        assert not inspect.iscoroutinefunction(twin)
        assert (method.__name__, twin.__name__) == (name, name)


def test_both_are_made_of_the_same_arguments() -> None:
    assert list(inspect.signature(AsyncSession).parameters) == list(inspect.signature(Session).parameters)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_call_takes_what_is_documented(name: str) -> None:
    for kind in (AsyncSession, Session):
        assert list(inspect.signature(getattr(kind, name)).parameters) == ["self", *DOCUMENTED[name]]


def test_the_documented_defaults_hold() -> None:
    defaults = {name: one.default for name, one in inspect.signature(Session.create).parameters.items()}
    assert defaults["kind"] == "headless"
    assert defaults["replicas"] == 1
    assert defaults["cores"] is defaults["ram"] is defaults["env"] is None
    assert inspect.signature(Session.destroy_with).parameters["status"].default == "Completed"


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://h/skaha/v1"},
        {"url": "http://h/skaha/v1/"},
        {"server": "http://h/skaha"},
        {"server": "http://h/skaha/", "version": "v1"},
    ],
)
def test_both_spellings_of_the_address_mean_the_same(given: Any) -> None:
    assert repr(Session(**given)) == "Session(url='http://h/skaha/v1')"


@pytest.mark.parametrize(
    "given",
    [
        {"token": "nowhere"},
        {"certificate": b"nowhere"},
        {"url": "http://h/v1", "server": "http://h"},
        {"url": "http://h/v1", "unknown": 1},
        {"url": "http://h/v1", "timeout": "five"},
        {"url": "http://h/v1", "timeout": ""},
        {"url": "http://h/v1", "timeout": "301"},
        {"url": "http://h/v1", "timeout": True},
        {"url": "http://h/v1", "timeout": [5]},
        {"url": "http://h/v1", "timeout": 0},
        {"url": "http://h/v1", "timeout": 301},
        {"url": "http://h/v1", "timeout": float("nan")},
        {"url": "http://h/v1", "concurrency": 0},
        {"url": "http://h/v1", "concurrency": 129},
        {"url": "http://h/v1", "concurrency": "many"},
        {"url": "http://h/v1", "concurrency": "129"},
        {"url": "http://h/v1", "errors": "warn"},
        {"url": "http://h/v1", "loglevel": 99},
        {"url": "http://h/v1", "loglevel": "bogus"},
        {"url": "http://h/v1", "token": ""},
        {"url": "http://h/v1", "token": "\n"},
        {"pool": Pool(url="http://h/v1"), "token": ""},
        {"url": "http://h/v1", "token": "two\r\nlines"},
        {"url": "http://h/v1", "token": "caf\u00e9"},
        {"url": "http://h/v1", "registry": ("a:b", "c")},
        {"pool": Pool(url="http://h/v1"), "url": "http://h/v1"},
        {"pool": Pool(url="http://h/v1"), "concurrency": 3},
    ],
)
def test_a_session_that_cannot_be_is_refused_at_once(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANFAR_URL", raising=False)
    with pytest.raises((TypeError, ValueError)) as caught:
        Session(**given)
    assert "lines" not in str(caught.value)


def test_numbers_may_be_texts_as_in_the_released_client() -> None:
    session = Session(url="http://h/v1", timeout="5", concurrency="100", loglevel="40")
    assert (session._manner.timeout, session._pool.concurrency) == (5, 100)
    assert logging.getLogger("sessions_app.client").level == logging.ERROR
    usual = Session(url="http://h/v1", loglevel=0)
    assert (usual._manner.timeout, usual._pool.concurrency) == (30, 32)


def test_nothing_shows_the_token() -> None:
    session = Session(url="http://h/v1", token="canary", registry=("ann", "canary"))
    shown = f"{session!r} {session.__dict__!r} {session._manner.credential('canary')!r}"
    assert "canary" not in shown


def test_the_log_level_is_our_loggers_and_no_other() -> None:
    root = logging.getLogger().level
    Session(url="http://h/v1", loglevel="debug")
    assert logging.getLogger("sessions_app.client").level == logging.DEBUG
    assert logging.getLogger().level == root
    Session(url="http://h/v1", loglevel=0)
    assert logging.getLogger("sessions_app.client").level == logging.NOTSET
    assert logging.getLogger("sessions_app.client").handlers == []


def test_an_outcome_is_a_value_or_an_error() -> None:
    assert Outcome("a", 1).ok
    assert not Outcome("a", None, errors.NotFoundError()).ok


def in_a_fresh_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_the_client_imports_no_django_and_nothing_else_of_the_portal() -> None:
    code = """
import sys
from sessions_app.client import *
from sessions_app.client.drivers import asynchronous, blocking
print([name for name in sys.modules if name.split(".")[0] in {"django", "channels", "canfarweb"}
       or name.startswith("sessions_app.") and not name.startswith("sessions_app.client")])
"""
    assert in_a_fresh_python(code) == "[]"


def test_the_package_is_imported_without_its_transport_and_quickly() -> None:
    code = """
import sys, time
begun = time.process_time()
from sessions_app.client import AsyncSession, AsyncPool, Session, errors, values
print(time.process_time() - begun, {"httpx", "aiohttp", "asyncio"} & set(sys.modules))
"""
    runs = [in_a_fresh_python(code).split(maxsplit=1) for _ in range(3)]
    assert {loaded for _, loaded in runs} == {"set()"}
    # The quickest counts: on a busy machine the others tell of their neighbours.
    assert min(float(seconds) for seconds, _ in runs) < 0.3


def test_another_transport_may_stand_in_for_the_network() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=[{"path": request.url.path}]))
    with Session(url="http://h/skaha/v1", transport=transport) as session:
        assert session.fetch() == [{"path": "/skaha/v1/session"}]


async def test_what_a_stand_in_raises_is_told_in_our_words() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise (
            httpx.ConnectError("canary in the library's words")
            if "a1" in str(request.url)
            else httpx.ReadError("x")
        )

    session = AsyncSession(url="http://h/skaha/v1", transport=httpx.MockTransport(refuse))
    refused, lost = await session.outcomes.renew(["a1", "b2"])
    assert (refused.error.sent, lost.error.sent) == (False, True)
    assert "canary" not in str(refused.error)
