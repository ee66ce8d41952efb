"""Sockets against who does not behave: closed whatever it takes, and nobody else notices (S53, S54)."""

from __future__ import annotations

import json
import socket
import time
import zlib
from contextlib import suppress

import pytest

from tests.served import Served, close_code, everything, frame, until


def pour(connection: socket.socket, data: bytes) -> None:
    """Send it all, as far as it is taken."""
    with suppress(OSError):
        connection.sendall(data)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"x" * 9000), 4009),
        (frame(1, b"{"), 4003),
        (frame(2, b"{}"), 4003),
        (frame(1, b'{"type":"websocket.disconnect"}'), 4008),
        (frame(1, b'{"t":"follow","s":"\\ud800","w":"log"}'), 4008),
        (frame(1, json.dumps({"t": "ping"}).encode()) * 200, 4008),
    ],
    ids=["long", "no-json", "bytes", "unknown", "half-a-character", "many"],
)
def test_what_is_no_message_closes_the_socket_with_a_code(portal: Served, sent: bytes, code: int) -> None:
    status, connection = portal.shake_hands(portal.cookies["alice"])
    assert status == 101
    with connection:
        pour(connection, sent)
        assert close_code(everything(connection)) == code


@pytest.mark.parametrize(
    "flood",
    [
        frame(1, b"x", fin=False) + frame(0, b"x", fin=False) * 300_000,
        frame(9, b"x" * 100) * 100_000,
        frame(10) * 100_000,
        frame(1, b"x" * 900_000) * 30,
        frame(1, zlib.compress(b"\0" * 20_000_000, 9), rsv=4),
    ],
    ids=["fragments", "pings", "pongs", "long-frames", "deflate"],
)
def test_a_flood_ends_its_own_socket_and_costs_nothing(portal: Served, flood: bytes) -> None:
    before = portal.memory
    status, connection = portal.shake_hands(portal.cookies["bob"])
    assert status == 101
    with connection:
        began = time.monotonic()
        pour(connection, flood)
        everything(connection)
        assert time.monotonic() - began < 10
    assert portal.memory - before < 32
    assert "Traceback" not in portal.written


def test_sockets_beyond_the_limit_are_really_closed(portal: Served) -> None:
    before = portal.sockets_open()
    held = [portal.shake_hands(portal.cookies["carol"])[1] for _ in range(20)]
    beyond = [portal.shake_hands(portal.cookies["carol"]) for _ in range(10)]
    codes = [close_code(everything(connection)) for _, connection in beyond]
    assert codes == [4429] * 10
    until(lambda: portal.sockets_open() <= before + 20)
    for connection in held:
        connection.close()
    # Once they are gone there is room again; those that are still on their way count.
    until(lambda: portal.sockets_open() <= before)
    status, connection = portal.shake_hands(portal.cookies["carol"])
    with connection:
        connection.sendall(frame(1, b'{"t":"ping"}'))
        assert status == 101
        assert b'{"t":"pong"}' in connection.recv(4096)


def test_handshakes_that_come_too_often_are_refused_at_once(portal: Served) -> None:
    statuses = []
    for _ in range(80):
        status, connection = portal.shake_hands(portal.cookies["dora"])
        connection.close()
        statuses.append(status)
    assert statuses[:30] == [101] * 30
    assert statuses.count(429) > 20


def test_a_socket_at_an_unknown_path_is_not_found_in_one_bounded_line(portal: Served) -> None:
    before = len(portal.written)
    status, connection = portal.shake_hands(path=f"/nowhere/{'x' * 5000}")
    connection.close()
    assert status == 404
    until(lambda: "where there is none" in portal.written[before:])
    said = portal.written[before:]
    assert len(said.splitlines()) == 1
    assert len(said) < 400
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "headers",
    [{"Sec_WebSocket_Version": "99"}, {"Sec_WebSocket_Key": "short"}, {"Origin": "http://evil.example"}],
    ids=["version", "key", "origin"],
)
def test_a_handshake_that_is_none_leaves_no_traceback(portal: Served, headers: dict[str, str]) -> None:
    status, connection = portal.shake_hands(portal.cookies["alice"], **headers)
    connection.close()
    assert 400 <= status < 500
    assert "Traceback" not in portal.written


def test_others_are_served_while_one_floods(portal: Served) -> None:
    """One socket after the other is flooded; what that costs the portal is all that others wait for."""
    flood = frame(9, b"x" * 100) * 20_000
    before = portal.computed
    for _ in range(12):
        _, connection = portal.shake_hands(portal.cookies["emil"])
        pour(connection, flood)
        status, _ = portal.request("GET /signin")
        assert status == 200
        connection.close()
    assert (portal.computed - before) / 12 < 0.5


def test_a_browser_that_asks_without_end_is_refused_before_anything_is_looked_up(portal: Served) -> None:
    statuses = [portal.request("GET /nothing", cookie=portal.cookies["gina"])[0] for _ in range(150)]
    assert set(statuses[:20]) == {404}
    assert statuses.count(429) > 20
    assert portal.request("GET /nothing", cookie=portal.cookies["hugo"])[0] == 404
