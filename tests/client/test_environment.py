"""What a session without arguments makes of variables and of the released client's configuration file."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sessions_app.client import AsyncSession, Pool, Session, errors
from sessions_app.client.credentials import registry_header
from sessions_app.client.environment import surroundings

from .conftest import Platform

OIDC = """
    version: {version}
    active: {{authentication: srcnet, server: local}}
    authentication:
      srcnet: {{mode: oidc, token: {{access: canary-token}}, expiry: {{access: {expiry}}}}}
    servers:
      local: {{idp: srcnet, uri: "ivo://localhost/skaha", url: "{server}", version: v1}}
    registry: {{username: ann, secret: canary-secret}}
"""
X509 = """
    version: 2
    active: {{authentication: cadc, servers: {{cadc: local}}}}
    authentication:
      cadc: {{mode: x509, path: "{path}", expiry: 0.0}}
    servers:
      local: {{url: "http://host/skaha", version: v0}}
"""
ACTIVE = "version: 2\nactive: {{authentication: a, server: b}}\n"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in (
        "URL",
        "TOKEN",
        "CERTIFICATE",
        "TIMEOUT",
        "CONCURRENCY",
        "REGISTRY__USERNAME",
        "REGISTRY__SECRET",
    ):
        monkeypatch.delenv(f"CANFAR_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def configured(home: Path, text: str, **given: Any) -> None:
    """Write the configuration file, as the released client keeps it."""
    (home / ".canfar").mkdir()
    filled = {"version": 2, "expiry": 9999999999.0, "server": "http://host/skaha", **given}
    (home / ".canfar" / "config.yaml").write_text(textwrap.dedent(text).format(**filled))


def test_the_variables_name_a_platform_and_who_is_calling(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"URL": "http://host/skaha/v1", "TOKEN": "canary", "TIMEOUT": "2.5", "CONCURRENCY": "7"}
    for name, value in given.items():
        monkeypatch.setenv(f"CANFAR_{name}", value)
    for session in (Session(), AsyncSession(), Session.from_environment(), AsyncSession.from_environment()):
        assert "http://host/skaha/v1" in repr(session)
        assert session._pool.concurrency == 7
        assert session._manner.timeout == 2.5
        assert not session._manner.raising
    assert Session.from_environment(errors="raise")._manner.raising
    assert Session(errors="raise")._manner.raising


@pytest.mark.parametrize("kind", [Session, AsyncSession])
def test_what_is_given_goes_before_what_the_surroundings_say(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"URL": "http://host/skaha/v1", "TOKEN": "canary", "TIMEOUT": "2.5", "CONCURRENCY": "7"}
    for name, value in {**given, "REGISTRY__USERNAME": "ann", "REGISTRY__SECRET": "s3cret"}.items():
        monkeypatch.setenv(f"CANFAR_{name}", value)
    session = kind(timeout=30, concurrency=32, registry=("bob", "other"))
    assert (session._manner.timeout, session._pool.concurrency) == (30, 32)
    assert session._manner.registry == registry_header(("bob", "other"))
    assert kind()._manner.registry == registry_header(("ann", "s3cret"))


@pytest.mark.parametrize("kind", [Session, AsyncSession])
def test_a_credential_alone_goes_to_the_platform_of_the_surroundings(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TypeError, match="CANFAR_URL"):
        kind(token="mine")
    monkeypatch.setenv("CANFAR_URL", "http://host/skaha/v1")
    monkeypatch.setenv("CANFAR_TOKEN", "canary")
    session = kind(token="mine")
    assert "http://host/skaha/v1" in repr(session)
    assert session._manner.tokens._token == "mine"


@pytest.mark.parametrize("given", [{"token": ""}, {"certificate": "/nowhere.pem"}])
def test_a_credential_that_is_none_is_not_replaced_by_another(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANFAR_URL", "http://host/skaha/v1")
    monkeypatch.setenv("CANFAR_TOKEN", "canary")
    for kind in (Session, AsyncSession):
        with pytest.raises((ValueError, FileNotFoundError)):
            kind(**given)


def test_a_certificate_of_the_surroundings_has_to_be_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANFAR_URL", "http://host/skaha/v1")
    monkeypatch.setenv("CANFAR_CERTIFICATE", str(home / "none.pem"))
    with pytest.raises(FileNotFoundError, match=r"none\.pem"):
        Session()
    monkeypatch.delenv("CANFAR_URL")
    monkeypatch.delenv("CANFAR_CERTIFICATE")
    configured(home, X509, path=home / "none.pem")
    with pytest.raises(FileNotFoundError, match=r"none\.pem"):
        AsyncSession()


def test_a_certificate_and_a_registry_may_be_named() -> None:
    variables = {
        "CANFAR_URL": "https://host/skaha/v1",
        "CANFAR_CERTIFICATE": "/a/cert.pem",
        "CANFAR_REGISTRY__USERNAME": "ann",
        "CANFAR_REGISTRY__SECRET": "s3cret",
    }
    found = surroundings(variables, Path("/nowhere"))
    assert (found.certificate, found.registry, found.token) == (Path("/a/cert.pem"), ("ann", "s3cret"), None)
    assert surroundings({**variables, "CANFAR_TOKEN": "t"}, Path("/nowhere")).certificate is None
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"CANFAR_TOKEN": "canary"}, "CANFAR_URL"),
        ({"CANFAR_CERTIFICATE": "canary"}, "CANFAR_URL"),
        ({"CANFAR_URL": "http://h/v1"}, "CANFAR_TOKEN"),
        ({"CANFAR_URL": "http://h/v1", "CANFAR_TOKEN": ""}, "CANFAR_TOKEN"),
        ({"CANFAR_URL": "http://h/v1", "CANFAR_TOKEN": "t", "CANFAR_TIMEOUT": "canary"}, "CANFAR_TIMEOUT"),
        (
            {"CANFAR_URL": "http://h/v1", "CANFAR_TOKEN": "t", "CANFAR_CONCURRENCY": "2.5"},
            "CANFAR_CONCURRENCY",
        ),
        ({}, "config.yaml"),
    ],
)
def test_what_is_missing_or_wrong_is_named_without_its_value(
    variables: dict[str, str], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        surroundings(variables, tmp_path)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("version", [1, 2])
def test_the_released_clients_file_names_a_platform_and_a_token(home: Path, version: int) -> None:
    configured(home, OIDC, version=version)
    found = surroundings({}, home)
    assert (found.server, found.version, found.token) == ("http://host/skaha", "v1", "canary-token")
    assert found.registry == ("ann", "canary-secret")
    assert "canary" not in repr(found)


async def test_a_session_of_the_file_reaches_its_platform(home: Path, platform: Platform) -> None:
    configured(home, OIDC, server=platform.url.removesuffix("/v1"))
    async with AsyncSession() as session:
        await session.fetch()
    with Session() as blocking:
        await asyncio.to_thread(blocking.fetch)
    assert [asked.line for asked in platform.asked] == ["GET /skaha/v1/session"] * 2
    assert {asked.headers["authorization"] for asked in platform.asked} == {"Bearer canary-token"}


def test_the_file_may_name_a_certificate_and_remember_the_server_of_a_sign_in(home: Path) -> None:
    configured(home, X509, path=home / "cert.pem")
    found = surroundings({}, home)
    assert (found.certificate, found.token, found.version) == (home / "cert.pem", None, "v0")


def test_the_variables_are_used_whatever_the_file_says(home: Path) -> None:
    (home / ".canfar").mkdir()
    (home / ".canfar" / "config.yaml").write_text("nonsense: [")
    found = surroundings({"CANFAR_URL": "http://other/v1", "CANFAR_TOKEN": "mine"}, home)
    assert (found.url, found.server, found.token) == ("http://other/v1", None, "mine")


def test_an_expired_sign_in_is_told(home: Path) -> None:
    configured(home, OIDC, expiry=1.0)
    with pytest.raises(errors.NotSignedInError, match="expired") as caught:
        surroundings({}, home)
    assert "canfar login" in caught.value.advice


@pytest.mark.parametrize(
    "text",
    [
        "canary: [",
        "- canary",
        "canary",
        "",
        "active: default\ncontexts: {{}}",
        "version: 3",
        "version: 2",
        "version: 2\nactive: {{authentication: nobody}}\nauthentication: {{}}\nservers: {{}}",
        ACTIVE + "authentication: {{a: {{mode: oidc}}}}\nservers: {{b: 7}}",
        ACTIVE + "authentication: {{a: {{mode: oidc}}}}\nservers: {{b: {{url: u}}}}",
        ACTIVE + "authentication: {{a: {{mode: canary}}}}\nservers: {{b: {{url: u}}}}",
        "!!python/object/apply:os.system ['canary']",
        "\\0",
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_not_quoted(home: Path, text: str) -> None:
    configured(home, text)
    with pytest.raises((ValueError, errors.NotSignedInError), match=r"config\.yaml") as caught:
        surroundings({}, home)
    assert "canary" not in str(caught.value)


def test_without_a_parser_it_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".canfar").mkdir()
    (home / ".canfar" / "config.yaml").write_text("version: 2")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match="PyYAML"):
        Session.from_environment()


def test_a_credential_of_the_surroundings_goes_to_no_platform_that_is_named_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANFAR_URL", "http://other/v1")
    monkeypatch.setenv("CANFAR_TOKEN", "canary")
    configured(home, OIDC)
    named = [{"url": "http://host/v1"}, {"server": "http://host"}, {"pool": Pool(url="http://host/v1")}]
    for given in named:
        session = Session(**given)
        assert repr(session) == "Session(url='http://host/v1')"
        assert session._manner.tokens.current() is None
        assert session._manner.registry is None
