"""Logs that grow without end: what the API shows of them, and what stays on the disk."""

import itertools
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Platform, Skaha, eventually, running

SIZE = 200_000
# Writes as fast as it is let until it is enough, never in whole lines, so that a look hardly ever meets the end of one.
WRITER = """
import os, time
text, n = b"", 0
while not os.path.exists("ENOUGH"):
    text += b"%012d\\n" * 400 % tuple(range(n, n + 400))
    n += 400
    text = text[os.write(1, text[:len(text) - 5]):]
    time.sleep(PAUSE)
os.write(1, text + b"end\\n")
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform whose logs are small."""
    with running(
        tmp_path_factory.mktemp("logs") / "data", "--grace", "1", "--log-size", str(SIZE)
    ) as platform:
        yield platform


def writer(alice: Skaha, enough: Path, pause: float = 0) -> str:
    """Start a session that writes until the file ``enough`` is there."""
    return alice.python(WRITER.replace("ENOUGH", str(enough)).replace("PAUSE", str(pause)))


def file_of(platform: Platform, session: str) -> Path:
    return platform.data / "sessions" / session / "log"


def stored_start(platform: Platform, session: str) -> int:
    with sqlite3.connect(platform.data / "state.sqlite3") as db:
        return int(db.execute("SELECT log_start FROM sessions WHERE id = ?", (session,)).fetchone()[0])


def first_line(text: str) -> int:
    """Check that a log is whole lines in a row, but for the last one; answer the first one's number."""
    lines = text.removesuffix("end\n").split("\n")
    assert all(len(line) == 12 for line in lines[:-1])
    first = int(lines[0])
    assert [int(line) for line in lines[:-1]] == list(range(first, first + len(lines) - 1))
    assert lines[-1] == f"{first + len(lines) - 1:012}"[: len(lines[-1])]
    return first


@pytest.fixture
def enough(tmp_path: Path) -> Iterator[Path]:
    """The file that ends a writer; it is there in the end, whatever became of the test."""
    path = tmp_path / "enough"
    yield path
    path.touch()


def test_a_client_that_polls_meets_whole_lines_and_each_rotation(
    platform: Platform, alice: Skaha, enough: Path
) -> None:
    session = writer(alice, enough)
    starts: list[int] = []
    answers: list[str] = []
    while alice.info(session)["status"] in ("Pending", "Running"):
        answer = alice.http.get(
            f"/session/{session}", params={"view": "logs"}, headers={"Accept-Encoding": "identity"}
        )
        assert int(answer.headers["content-length"]) == len(answer.content)
        answers.append(answer.text)
        starts.append(stored_start(platform, session))
        if len(set(starts)) > 6:
            enough.touch()
    texts = [text for text in answers if text]
    firsts = [first_line(text) for text in texts]
    assert firsts == sorted(firsts)
    assert len(set(firsts)) >= 4
    # A line has 13 bytes: what is shown begins exactly where it was written down to begin.
    assert {first * 13 for first in firsts} <= {0, *starts, stored_start(platform, session)}
    # Nothing between two starts is missing from the file, as far as it is kept.
    whole = file_of(platform, session).read_bytes()
    kept = whole.lstrip(b"\0").decode()
    assert len(kept) < len(whole)
    # The first line may be what the hole left of one.
    assert first_line(kept[kept.index("\n") + 1 :]) <= firsts[-1] + 1
    assert kept.endswith("end\n")


def test_the_disk_holds_little_more_than_two_parts(platform: Platform, alice: Skaha, enough: Path) -> None:
    session = writer(alice, enough, pause=0.01)
    path, most = eventually(lambda: (f := file_of(platform, session)).exists() and f), 0
    while alice.info(session)["status"] in ("Pending", "Running"):
        most = max(most, path.stat().st_blocks * 512)
        if path.stat().st_size > 24 * SIZE:
            enough.touch()
    assert path.stat().st_size > 20 * SIZE
    assert most < path.stat().st_size / 2


def test_a_slow_reader_gets_the_old_part_to_its_end_without_holes(data: Path, enough: Path) -> None:
    with running(data, "--log-size", "12000000") as platform:
        alice = platform.alice
        session = writer(alice, enough)
        path = file_of(platform, session)
        eventually(lambda: path.exists() and path.stat().st_size > 11_000_000, every=0.001)
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", platform.port))
        head = (
            f"GET /skaha/v1/session/{session}?view=logs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        )
        connection.sendall(f"{head}Authorization: Bearer {alice.token}\r\n\r\n".encode())
        answer = connection.makefile("rb")
        length = re.search(rb"content-length: (\d+)", b"".join(iter(answer.readline, b"\r\n")))
        starts = {0}
        eventually(lambda: starts.add(stored_start(platform, session)) or len(starts) > 3)
        body = answer.read()
        connection.close()
        assert length
        assert len(body) == int(length[1]) > 10_000_000
        assert first_line(body.decode()) == 0
        # Once it is read, nothing holds that part any more.
        eventually(lambda: path.open("rb").read(100) == bytes(100))
        alice.delete(session)


def test_where_a_log_begins_outlives_the_platform(data: Path, enough: Path) -> None:
    with running(data, "--log-size", str(SIZE)) as platform:
        session = writer(platform.alice, enough)
        for _ in range(3):
            start = stored_start(platform, session)
            seen = eventually(lambda: (now := stored_start(platform, session)) > start and now)  # noqa: B023
            alice = platform.again(signal.SIGKILL).alice
            assert first_line(alice.view(session, "logs")) * 13 >= seen
        enough.touch()
        alice.finished(session)
        # It may have begun anew behind its very last line.
        assert alice.view(session, "logs")[-4:] in ("", "end\n")
        assert file_of(platform, session).read_bytes().endswith(b"end\n")


def test_one_endless_line_is_cut_too(platform: Platform, alice: Skaha) -> None:
    session = alice.python("import os, time\nwhile True: os.write(1, b'x' * 5000); time.sleep(.001)")
    eventually(lambda: stored_start(platform, session) > 0)
    assert set(alice.view(session, "logs")) <= {"x"}
    alice.delete(session)


def test_a_log_below_its_size_stays_whole(platform: Platform, alice: Skaha) -> None:
    session = alice.python("import time\nfor n in range(15000): print(f'{n:012}')\ntime.sleep(2.5)")
    alice.finished(session)
    assert alice.view(session, "logs") == "".join(
        f"{n:012}\n" for n in itertools.islice(itertools.count(), 15000)
    )
