"""Connections in crowds: they wait to be taken, idle ones make room, and floods lead to fewer sockets."""

from __future__ import annotations

import socket

from canfarweb.serving import limits
from tests.served import Served, everything, frame, status_of, until


def test_connections_wait_for_a_portal_that_is_busy_instead_of_being_dropped(portal: Served) -> None:
    """Beyond the line the system drops them: a browser tries again after a second, then after three."""
    portal.process.suspend()
    held: list[socket.socket] = []
    try:
        held.extend(portal.connect() for _ in range(300))
    finally:
        portal.process.resume()
    with held[-1] as last:
        last.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert status_of(everything(last)) == 200
    for connection in held:
        connection.close()


def test_of_connections_on_which_nothing_is_asked_the_oldest_make_room(portal: Served) -> None:
    before = portal.sockets_open()
    answered = portal.connect()
    answered.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert status_of(answered.recv(65536)) == 200
    held = [portal.connect() for _ in range(limits.IDLE_OF_ONE_ADDRESS + 50)]
    assert everything(answered) == b""
    assert [everything(connection) for connection in held[:50]] == [b""] * 50
    until(lambda: portal.sockets_open() <= before + limits.IDLE_OF_ONE_ADDRESS)
    # Those that came last are there still.
    held[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert status_of(everything(held[-1])) == 200
    for connection in [answered, *held]:
        connection.close()


def test_who_floods_sockets_is_refused_further_ones_early(portal: Served) -> None:
    flood = frame(9, b"x" * 100) * 1000
    statuses = []
    for _ in range(12):
        status, connection = portal.shake_hands(portal.cookies["ivan"])
        statuses.append(status)
        if status == 101:
            connection.sendall(flood)
            everything(connection)
        connection.close()
    assert statuses[0] == 101
    assert 429 in statuses[:8]
    other, connection = portal.shake_hands(portal.cookies["alice"])
    connection.close()
    assert other == 101


def test_a_refused_handshake_says_when_to_try_again_and_closes(portal: Served) -> None:
    for _ in range(200):
        status, connection = portal.shake_hands(portal.cookies["jane"])
        if status == 429:
            break
        connection.close()
    with connection:
        assert status == 429
        assert b"opens more sockets than the portal takes" in everything(connection)
