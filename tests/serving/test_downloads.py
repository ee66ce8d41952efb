"""Downloads wait for whoever reads them: nothing is piled up for who does not (M1, M22)."""

from __future__ import annotations

import time

from tests.served import Served, everything, status_of

MEGABYTE = 2**20
KEEP = """
from sessions_app.live.spool import Spool
from sessions_app.models import Record
person = Person.objects.get(name=sys.argv[1])
record = Record.objects.draft(person, "nosuchid")
record.name, record.state = "long", "completed"
record.save()
spool = Spool(settings.DATA_DIR / "spool", record.slug)
for number in range(40):
    spool.append([f"{number} {line} {'x' * 1000}" for line in range(1000)], 1_767_600_000)
spool.save({})
print(record.slug)
"""


def test_a_download_that_nobody_reads_costs_no_memory_and_one_that_is_read_is_whole(portal: Served) -> None:
    slug = portal.run(KEEP, "fred").strip()
    ask = f"GET /s/{slug}/log/kept.txt HTTP/1.1\r\nHost: localhost:{portal.port}\r\nConnection: close\r\n"
    ask += f"Cookie: {portal.cookies['fred']}\r\n\r\n"
    # The first one reads the file; what that costs is not what is looked for.
    with portal.connect() as connection:
        connection.sendall(ask.encode())
        whole = everything(connection)
    assert status_of(whole) == 200
    assert len(whole) > 38 * MEGABYTE
    before = portal.memory
    stalled = [portal.connect(receive_buffer=4096) for _ in range(5)]
    for connection in stalled:
        connection.sendall(ask.encode())
    # The fifth at once is one too many; the others have begun.
    statuses = [status_of(connection.recv(1000)) for connection in stalled]
    assert sorted(statuses) == [200, 200, 200, 200, 429]
    time.sleep(2)  # Long enough for 160 MB, if it was sent to nobody.
    assert portal.memory - before < 16
    for connection in stalled:
        connection.close()
    # Their places are free again once they are gone.
    for _ in range(100):
        status, _answer = portal.request(
            f"GET /s/{slug}/log/kept.txt?from=1&to=1", cookie=portal.cookies["fred"]
        )
        if status == 200:
            break
        time.sleep(0.1)
    assert status == 200
