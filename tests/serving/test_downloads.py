"""Downloads wait for whoever reads them: nothing is piled up for who does not, nor kept from others (M1, M22)."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import Served, everything, served, status_of, until

MEGABYTE = 2**20
KEEP = """
from sessions_app.live.spool import Spool
from sessions_app.models import Record
for name in sys.argv[2:]:
    record = Record.objects.draft(Person.objects.get(name=name), f"{name:x<8}")
    record.name, record.state = "long", "completed"
    record.save()
    spool = Spool(settings.DATA_DIR / "spool", record.slug)
    for number in range(int(sys.argv[1])):
        spool.append([f"{number} {line} {'x' * 1000}" for line in range(1000)], 1_767_600_000)
    spool.save({})
    print(record.slug)
"""
# Fewer places than people would have, and less patience.
SHORT = """
from canfarweb.serving import limits
from sessions_app.live import downloads, places, staying
downloads.EACH, downloads.IN_ALL = 2, 4
limits.STALLED = {stalled}
places.STALE = {stale}
staying.FAREWELL = 0.5
"""


def ask(portal: Served, name: str, slug: str) -> socket.socket:
    """Begin a download and read none of it."""
    connection = portal.connect(receive_buffer=4096)
    head = f"GET /s/{slug}/log/kept.txt HTTP/1.1\r\nHost: localhost:{portal.port}\r\nConnection: close\r\n"
    connection.sendall(f"{head}Cookie: {portal.cookies[name]}\r\n\r\n".encode())
    return connection


def status_of_begun(connection: socket.socket) -> int:
    return status_of(connection.recv(1000))


def at_rest(portal: Served) -> None:
    """Wait until the portal has nothing more to do for now."""
    before = -1.0
    while portal.computed - before > 0.02:
        before = portal.computed
        time.sleep(0.3)


def test_a_download_that_nobody_reads_costs_no_memory_and_one_that_is_read_is_whole(portal: Served) -> None:
    slug = portal.run(KEEP, "40", "fred").strip()
    # The first one reads the file; what that costs is not what is looked for.
    with ask(portal, "fred", slug) as connection:
        whole = everything(connection)
    assert status_of(whole) == 200
    assert len(whole) > 38 * MEGABYTE
    before = portal.memory
    stalled = [ask(portal, "fred", slug) for _ in range(5)]
    # The fifth at once is one too many; the others have begun.
    assert sorted(map(status_of_begun, stalled)) == [200, 200, 200, 200, 429]
    # Was it sent to nobody, it would be at work until 160 MB are.
    at_rest(portal)
    assert portal.memory - before < 16
    for connection in stalled:
        connection.close()
    # Their places are free again once they are gone.
    one_line = f"GET /s/{slug}/log/kept.txt?from=1&to=1"
    until(lambda: portal.request(one_line, cookie=portal.cookies["fred"])[0] == 200)


PEOPLE = ("alice", "bob", "carol")


@pytest.fixture
def short_of_places(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Served, dict[str, str]]]:
    """A portal with four places for downloads, and the kept logs of three people."""
    times: dict[str, float] = {"stalled": 600, "stale": 600, **request.param}
    with served(
        tmp_path, *PEOPLE, first=SHORT.format(**times), CANFARWEB_REQUESTS_PER_SECOND="100"
    ) as running:
        yield running, dict(zip(PEOPLE, running.run(KEEP, "12", *PEOPLE).split(), strict=True))


@pytest.mark.parametrize("short_of_places", [{"stale": 0.5}], indirect=True)
def test_who_reads_nothing_makes_room_for_who_has_no_place(
    short_of_places: tuple[Served, dict[str, str]],
) -> None:
    portal, slugs = short_of_places
    stalled = [ask(portal, name, slugs[name]) for name in ("alice", "bob") for _ in range(2)]
    assert list(map(status_of_begun, stalled)) == [200] * 4

    def carol_has_all() -> bool:
        with ask(portal, "carol", slugs["carol"]) as connection:
            answer = everything(connection)
        return status_of(answer) == 200 and len(answer) > 11 * MEGABYTE

    until(carol_has_all)
    # Whoever made room is told by a broken connection, not by what looks like its end; the others have theirs whole.
    is_whole = [everything(connection).endswith(b"0\r\n\r\n") for connection in stalled]
    assert set(is_whole) == {True, False}
    for connection in stalled:
        connection.close()


@pytest.mark.parametrize("short_of_places", [{"stalled": 1}], indirect=True)
def test_who_reads_nothing_for_long_is_cut_off_and_has_places_again(
    short_of_places: tuple[Served, dict[str, str]],
) -> None:
    portal, slugs = short_of_places
    before = portal.sockets_open()
    stalled = [ask(portal, "alice", slugs["alice"]) for _ in range(2)]
    assert list(map(status_of_begun, stalled)) == [200, 200]
    until(lambda: portal.sockets_open() <= before)
    one_line = f"GET /s/{slugs['alice']}/log/kept.txt?from=1&to=1"
    until(lambda: portal.request(one_line, cookie=portal.cookies["alice"])[0] == 200)
    for connection in stalled:
        connection.close()


@pytest.mark.parametrize("short_of_places", [{}], indirect=True)
def test_signing_out_ends_downloads_also_those_that_nobody_reads(
    short_of_places: tuple[Served, dict[str, str]],
) -> None:
    portal, slugs = short_of_places
    # What asked whether it runs is gone.
    until(lambda: portal.sockets_open() == 0)
    cookie = portal.cookies["bob"]
    stalled = [ask(portal, name, slugs[name]) for name in ("bob", "bob", "alice")]
    assert list(map(status_of_begun, stalled)) == [200] * 3
    _, page = portal.request("GET /launch", cookie=cookie)
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    form = f"csrfmiddlewaretoken={token[1].decode()}"
    asked = (
        f"POST /signout\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
    )
    status, _ = portal.request(f"{asked}Origin: http://localhost:{portal.port}\r\n\r\n{form}", cookie=cookie)
    assert status == 302
    # Alice's stays.
    until(lambda: portal.sockets_open() == 1)
    for connection in stalled:
        connection.close()
