"""What fails half-way is noticed by who waits for it: a handshake is answered, an answer does not seem whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.served import Served, close_code, everything, frame, served, status_of
from tests.serving.test_downloads import KEEP, ask

# Who asks for a socket cannot be told; downloads fail behind their first piece; messages of sockets fail.
FAILING = """
from sessions_app.live import consumers, downloads, handshake
async def nobody(key):
    raise RuntimeError("The handshake fails.")
async def half(*arguments):
    async for stretch in pieces_of(*arguments):
        yield stretch
        raise RuntimeError("The answer fails.")
async def deaf(self, said):
    raise RuntimeError("The message fails.")
pieces_of = downloads.pieces_of
downloads.pieces_of = half
person_of = handshake.person_of
handshake.person_of = lambda key: nobody(key) if key.startswith(BROKEN) else person_of(key)
consumers.LiveConsumer._answer = deaf
"""


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    first = FAILING.replace("BROKEN", '"broken"')
    with served(tmp_path_factory.mktemp("failing"), "alice", first=first) as running:
        yield running


def test_a_handshake_that_fails_is_answered(failing: Served) -> None:
    name, _, _ = failing.cookies["alice"].partition("=")
    status, connection = failing.shake_hands(f"{name}=broken")
    with connection:
        assert status == 500
        everything(connection)
    # The next one is none the worse for it.
    status, connection = failing.shake_hands(failing.cookies["alice"])
    connection.close()
    assert status == 101


def test_a_socket_that_fails_is_closed_with_a_code(failing: Served) -> None:
    status, connection = failing.shake_hands(failing.cookies["alice"])
    assert status == 101
    with connection:
        connection.sendall(frame(1, b'{"t":"ping"}'))
        assert (close_code(everything(connection)) or 0) >= 4000


def test_an_answer_that_fails_half_way_is_broken_off_and_gives_its_place_back(failing: Served) -> None:
    slug = failing.run(KEEP, "4", "alice").strip()
    # More than may be under way at once, so each has given its place back.
    for _ in range(6):
        with ask(failing, "alice", slug) as connection:
            answer = everything(connection)
        assert status_of(answer) == 200
        assert len(answer) > 100_000
        assert not answer.endswith(b"0\r\n\r\n")
