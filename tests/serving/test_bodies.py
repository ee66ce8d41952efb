"""Requests that are too large or too slow are ended before they cost anything (S56)."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

import pytest

from tests.served import Served, everything, status_of

MEGABYTE = 2**20


def pour(connection: socket.socket, piece: bytes, most: int) -> int:
    """Send until nobody takes it any more; return how much was sent."""
    sent = 0
    connection.settimeout(0.5)
    with suppress(OSError):
        while sent < most:
            sent += connection.send(piece[sent % len(piece) :])
    connection.settimeout(60)
    return sent


@pytest.mark.parametrize("path", ["/signin", "/healthz"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_400_mb_is_refused_after_a_little_of_it(portal: Served, path: str, chunked: bool) -> None:
    before = portal.memory
    with portal.connect(receive_buffer=65536) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {400 * MEGABYTE}"
        head = f"POST {path} HTTP/1.1\r\nHost: localhost:{portal.port}\r\n{size}\r\n"
        connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode())
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if chunked else b"x" * 65536
        sent = pour(connection, piece, 400 * MEGABYTE)
        # What was sent beyond what was read waits in buffers of the system.
        assert sent < 8 * MEGABYTE
        answer = everything(connection)
    assert status_of(answer) == 413
    assert b"larger than the portal takes" in answer
    assert portal.memory - before < 5


def test_who_says_a_size_is_refused_before_any_of_it_is_asked_for(portal: Served) -> None:
    with portal.connect() as connection:
        head = f"POST /signin HTTP/1.1\r\nHost: localhost:{portal.port}\r\nExpect: 100-continue\r\n"
        connection.sendall(f"{head}Content-Length: {2 * MEGABYTE}\r\n\r\n".encode())
        assert status_of(everything(connection)) == 413


def test_a_body_as_large_as_is_taken_comes_through(portal: Served) -> None:
    with portal.connect() as connection:
        head = f"POST /nowhere HTTP/1.1\r\nHost: localhost:{portal.port}\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {MEGABYTE}\r\n\r\n".encode() + b"x" * MEGABYTE)
        assert status_of(everything(connection)) not in {0, 413}


BEGUN = {
    "nothing": (b"", b"", 0),
    "a line": (b"GE", b"T", 408),
    "a header": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"x", 408),
    "a body": (b"POST /signin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", b"x", 408),
    "chunks": (
        b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n",
        408,
    ),
}


def test_what_trickles_in_is_ended_after_15_seconds(portal: Served) -> None:
    began = time.monotonic()
    open_still = {name: portal.connect() for name in BEGUN}
    ended: dict[str, tuple[int, float]] = {}
    for name, connection in open_still.items():
        connection.sendall(BEGUN[name][0])
        connection.settimeout(0.1)
    while open_still and time.monotonic() - began < 40:
        for name, connection in tuple(open_still.items()):
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                with suppress(OSError):
                    connection.send(BEGUN[name][1])
                continue
            except ConnectionError:
                answer = b""
            ended[name] = (status_of(answer), time.monotonic() - began)
            open_still.pop(name).close()
    assert {name: status for name, (status, _) in ended.items()} == {
        name: status for name, (*_, status) in BEGUN.items()
    }
    assert all(seconds > 14 for _, seconds in ended.values()), ended


def test_requests_that_follow_each_other_on_one_connection_each_have_their_time(portal: Served) -> None:
    with portal.connect() as connection:
        request = f"GET /healthz HTTP/1.1\r\nHost: localhost:{portal.port}\r\n\r\n".encode()
        connection.sendall(request + request + request[:20])
        # Both are answered, and what came with them is read.
        answers = b""
        while answers.count(b"ok\n") < 2:
            piece = connection.recv(65536)
            assert piece
            answers += piece
        connection.sendall(request[20:-2] + b"Connection: close\r\n\r\n")
        assert everything(connection).count(b"HTTP/1.1 200") == 1


def parts(count: int, *, files: bool) -> bytes:
    """Return a form of so many small parts."""
    name = b'--x\r\nContent-Disposition: form-data; name="a"'
    one = name + (b'; filename="b"' if files else b"") + b"\r\n\r\n1\r\n"
    return one * count + b"--x--\r\n"


@pytest.mark.parametrize("files", [False, True], ids=["fields", "files"])
@pytest.mark.parametrize("path", ["/signin", "/launch", "/nowhere"])
def test_a_form_of_10_000_parts_is_refused_and_costs_little(
    portal: Served, path: str, *, files: bool
) -> None:
    form = parts(10_000, files=files)
    assert len(form) < MEGABYTE

    def send() -> bytes:
        with portal.connect() as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost:{portal.port}\r\nConnection: close\r\n"
            head += f"Cookie: {portal.cookies['kurt']}\r\nOrigin: http://localhost:{portal.port}\r\n"
            head += f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(form)}\r\n\r\n"
            connection.sendall(head.encode() + form)
            return everything(connection)

    send()  # What the first one loads is not what is looked for.
    memory, computed = portal.memory, portal.computed
    assert 400 <= status_of(send()) < 500
    assert portal.memory - memory < 5
    assert portal.computed - computed < 2
    assert "Traceback" not in portal.written


def test_of_a_body_that_is_longer_than_it_says_only_that_much_is_read(portal: Served) -> None:
    before = portal.memory
    with portal.connect(receive_buffer=65536) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        head = f"POST /signin HTTP/1.1\r\nHost: localhost:{portal.port}\r\nContent-Length: 10\r\n"
        connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode())
        # What follows is no request.
        assert pour(connection, b"x" * 65536, 50 * MEGABYTE) < 8 * MEGABYTE
        answer = everything(connection)
    assert status_of(answer) in {0, 400, 403}
    assert answer.count(b"HTTP/1.1 ") <= 2
    assert portal.memory - before < 5
    assert "Traceback" not in portal.written
