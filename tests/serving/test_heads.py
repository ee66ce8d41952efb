"""HEAD as it goes over the wire: a head, and the connection goes on with the next request."""

from __future__ import annotations

import pytest

from tests.served import Served


def exchange(portal: Served, method: str, path: str) -> bytes:
    """Ask, and ask for a page that is known on the same connection; return all of both answers."""
    head = f"Host: localhost:{portal.port}\r\n"
    cookie = f"Cookie: {portal.cookies['hugo']}\r\n"
    with portal.connect() as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}{cookie}\r\n".encode())
        # Of nobody, as one browser may not ask much at once here.
        connection.sendall(f"GET /healthz HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        answer = bytearray()
        while piece := connection.recv(65536):
            answer += piece
    return bytes(answer)


@pytest.mark.parametrize(
    "path", ["/", "/signin", "/healthz", "/launch", "/nowhere", "/static/nothing.css", "/destroy"]
)
def test_a_head_has_the_status_of_get_and_nothing_behind_it(portal: Served, path: str) -> None:
    head, get = exchange(portal, "HEAD", path), exchange(portal, "GET", path)
    assert head.split(b"\r\n")[0] == get.split(b"\r\n")[0]
    first, body, rest = head.partition(b"\r\n\r\n")
    assert body
    # The next answer stands right behind the first head.
    assert rest.startswith(b"HTTP/1.1 200"), rest[:200]
    assert b"HTTP/1.1" not in first[8:]
