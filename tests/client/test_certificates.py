"""TLS: what is not trusted is told, and a client's certificate may live in memory."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sessions_app.client import AsyncPool, AsyncSession, Pool, Session, errors
from sessions_app.client.credentials import load_certificate


def make_pem(password: bytes | None = None) -> bytes:
    """Return a certificate that nobody vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ann")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    until = now + datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, until)
    certificate = builder.add_extension(address, critical=False)
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    return certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private


@pytest.fixture(scope="module")
def pem() -> bytes:
    return make_pem()


@pytest.fixture
async def untrusted(pem: bytes, tmp_path: Path) -> AsyncIterator[str]:
    """A platform with that certificate."""
    (tmp_path / "server.pem").write_bytes(pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/skaha/v1"


async def test_a_certificate_that_nobody_vouches_for_is_refused(untrusted: str) -> None:
    async with AsyncPool(url=untrusted) as pool:
        [lost] = await AsyncSession(pool=pool).outcomes.create("n", "a/b")
    assert isinstance(lost.error, errors.PlatformUnreachableError)
    assert "secure connection" in str(lost.error)
    assert not lost.error.sent


async def test_the_blocking_session_refuses_it_too(untrusted: str) -> None:
    with Pool(url=untrusted) as pool:
        [lost] = await asyncio.to_thread(Session(pool=pool).outcomes.create, "n", "a/b")
    assert "secure connection" in str(lost.error)
    assert not lost.error.sent


def test_a_certificate_is_taken_from_memory_or_from_a_path(pem: bytes, tmp_path: Path) -> None:
    path = tmp_path / "client.pem"
    path.write_bytes(pem)
    for given in (pem, path, str(path)):
        load_certificate(ssl.create_default_context(), given)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", [Session, AsyncSession, Pool, AsyncPool])
def test_a_missing_certificate_is_a_missing_file(kind: Any, scheme: str, tmp_path: Path) -> None:
    for missing in (tmp_path / "none.pem", str(tmp_path), "~/none-of-that-name.pem", ""):
        with pytest.raises(FileNotFoundError, match="There is no certificate at"):
            kind(url=f"{scheme}://host/v1", certificate=missing)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_is_no_certificate_is_told_at_once(scheme: str, pem: bytes, tmp_path: Path) -> None:
    path = tmp_path / "client.pem"
    path.write_text("nonsense")
    for wrong in (path, b"nonsense", b"", pem.partition(b"-----BEGIN CERT")[0]):
        with pytest.raises(ValueError, match="There is no certificate with its key"):
            Session(url=f"{scheme}://host/v1", certificate=wrong)


def test_a_certificate_is_found_in_the_home_folder(
    pem: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "client.pem").write_bytes(pem)
    assert Session(url="https://host/v1", certificate="~/client.pem")._manner.by_certificate


def test_a_certificate_that_http_will_not_show_is_warned_about(pem: bytes) -> None:
    with pytest.warns(UserWarning, match="only shown over https") as told:
        Session(url="http://host/v1", certificate=pem)
    assert told[0].filename == __file__


def test_an_encrypted_key_is_refused_without_a_prompt() -> None:
    with pytest.raises(ValueError, match="encrypted"):
        load_certificate(ssl.create_default_context(), make_pem(b"password"))


def test_token_and_certificate_together_are_warned_about(pem: bytes) -> None:
    with pytest.warns(UserWarning, match="token"):
        Session(url="https://host/v1", token="secret", certificate=pem)


@pytest.fixture
async def vouched(pem: bytes, tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A platform with that certificate that answers, and a file that vouches for it."""
    (tmp_path / "server.pem").write_bytes(pem)
    (tmp_path / "authorities.pem").write_bytes(pem.partition(b"-----BEGIN PRIVATE")[0])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/skaha/v1"
        yield address, tmp_path / "authorities.pem"


class Proxy:
    """An http proxy that hands on bytes, and remembers the heads of what it was asked."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.refuses = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        if self.refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        host, _, port = head.split()[1].rpartition(":")
        up = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pass(reader, up[1]), _pass(up[0], writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[tuple[str, Proxy]]:
    made = Proxy()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", made
    server.close()


async def fetched(blocking: bool, **options: Any) -> Any:
    if blocking:
        with Pool(**options) as pool:
            return await asyncio.to_thread(Session(pool=pool).fetch)
    async with AsyncPool(**options) as pool:
        return await AsyncSession(pool=pool).fetch()


@pytest.mark.parametrize("blocking", [False, True])
async def test_an_authority_of_ones_own_is_taken_at_its_word(vouched: Any, blocking: bool) -> None:
    url, authorities = vouched
    assert await fetched(blocking, url=url, authorities=authorities) == []
    with pytest.raises(errors.PlatformUnreachableError) as refused:
        await fetched(blocking, url=url)
    assert str(refused.value).endswith("its certificate vouches for itself only.")
    assert "Trying again changes nothing" in refused.value.advice


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_certificate_for_another_name_is_said_to_be(vouched: Any, blocking: bool) -> None:
    url, authorities = vouched
    with pytest.raises(errors.PlatformUnreachableError, match="its certificate is for another name"):
        await fetched(blocking, url=url.replace("127.0.0.1", "localhost"), authorities=authorities)


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_platform_is_reached_through_a_proxy(vouched: Any, proxy: Any, blocking: bool) -> None:
    (url, authorities), (address, asked) = vouched, proxy
    way = {"url": url, "authorities": authorities, "proxy": f"http://ann:canary@{address}"}
    assert await fetched(blocking, **way) == []
    assert asked.heads[0].startswith(f"CONNECT {url.split('/')[2]} HTTP/1.1")
    assert "Proxy-Authorization: Basic YW5uOmNhbmFyeQ==" in asked.heads[0]
    asked.refuses = True
    with pytest.raises(errors.PlatformUnreachableError, match="The proxy on the way") as refused:
        await fetched(blocking, **way)
    assert "canary" not in f"{refused.value!r} {refused.value.advice}"


@pytest.mark.parametrize("kind", [Pool, AsyncPool])
def test_authorities_that_are_none_are_told_at_once(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no file of authorities"):
        kind(url="https://host/v1", authorities=tmp_path / "none.pem")
    (tmp_path / "empty.pem").write_text("nonsense")
    with pytest.raises(ValueError, match="holds no certificate of an authority"):
        kind(url="https://host/v1", authorities=tmp_path / "empty.pem")
