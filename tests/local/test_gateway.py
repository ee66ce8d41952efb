"""The public port: who is let through to what."""

import socket
import time

import httpx
import pytest

from .harness import Platform, Skaha


def ask(platform: Platform, raw: bytes) -> bytes:
    """Send raw bytes and read to the end."""
    with socket.create_connection(("127.0.0.1", platform.port), timeout=60) as connection:
        connection.sendall(raw)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "s-x.localhost.evil.example", "127.0.0.2", ""]
)
def test_a_strange_host_name_is_turned_away(platform: Platform, host: str) -> None:
    answer = ask(platform, f"GET /skaha/v1/session HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_a_malformed_request_is_turned_away(platform: Platform, raw: bytes) -> None:
    assert ask(platform, raw).startswith(b"HTTP/1.1 400 ")


def test_an_endless_head_is_turned_away(platform: Platform) -> None:
    assert ask(platform, b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 70_000).startswith(b"HTTP/1.1 431 ")


def test_a_later_request_of_a_connection_is_looked_at_too(platform: Platform) -> None:
    first = b"GET /skaha/availability HTTP/1.1\r\nHost: localhost\r\n\r\n"
    second = b"GET /skaha/availability HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    answer = ask(platform, first + second)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 421 " in answer


def test_an_unknown_session_host_is_not_found(platform: Platform) -> None:
    answer = ask(platform, b"GET / HTTP/1.1\r\nHost: s-abcdefghijkl.localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")


def test_a_session_that_does_not_listen_is_not_answering(platform: Platform, alice: Skaha) -> None:
    session = alice.create("sleep", "60", image="images.canfar.net/skaha/nothing:1", type="notebook")
    url = httpx.URL(alice.info(session)["connectURL"])
    head = f"GET {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n\r\n"
    assert ask(platform, head.encode()).startswith(b"HTTP/1.1 503 ")
    assert b"not answering yet" in ask(platform, head.encode())
    by_path = f"GET {url.raw_path.decode()} HTTP/1.1\r\nHost: 127.0.0.1:{platform.port}\r\n\r\n"
    assert ask(platform, by_path.encode()).startswith(b"HTTP/1.1 503 ")
    alice.delete(session)


def test_sessions_are_not_served_under_the_name_localhost(platform: Platform) -> None:
    answer = ask(platform, b"GET /session/notebook/abcdefgh/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")


def test_silent_connections_do_not_keep_others_waiting(platform: Platform, alice: Skaha) -> None:
    silent = [socket.create_connection(("127.0.0.1", platform.port)) for _ in range(100)]
    began = time.monotonic()
    assert alice.get("/context").status_code == 200
    assert time.monotonic() - began < 10
    for connection in silent:
        connection.close()
