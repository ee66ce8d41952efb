"""A session's log to keep: from the platform while it has it, else from what the portal kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient

from sessions_app import access
from sessions_app.connections import connection_for
from sessions_app.live import downloads
from sessions_app.live.spool import Spool
from sessions_app.live.staying import ENDS_HERE
from sessions_app.models import Record
from tests.conftest import until
from tests.portal.conftest import launch_values

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = 1_767_600_000


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: Any) -> Path:
    """Keep spools out of the real data folder."""
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
async def gone(alice: AsyncClient) -> Record:
    """A session that the platform has forgotten."""
    record = Record.objects.draft(alice.person, "nosuchid")
    record.name, record.state = "Fit-1", "completed"
    await record.asave()
    return record


def keep(record: Record, folder: Path, lines: list[str], **options: Any) -> Spool:
    """Keep these lines of its log."""
    spool = Spool(folder / "spool", record.slug, **options)
    spool.append(lines, SECOND)
    spool.save({})
    return spool


async def text_of(answer: Any) -> str:
    """Return what is downloaded; nothing in it may ever act."""
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="fit-1-')
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer.headers["Cache-Control"]
    pieces: AsyncIterator[bytes] = answer.streaming_content
    return b"".join([piece async for piece in pieces]).decode()


async def test_what_the_platform_has_forgotten_is_handed_over_as_it_was_kept(
    alice: AsyncClient, gone: Record, data_folder: Path
) -> None:
    assert await text_of(await alice.get(f"/s/{gone.slug}/log.txt")) == ""
    assert not (data_folder / "spool").exists()
    spool = keep(gone, data_folder, ["<script>alert(1)</script>", "=cmd()", "\x1b[31mred\x1b[0m"])
    answer = await alice.get(f"/s/{gone.slug}/log.txt")
    assert await text_of(answer) == "<script>alert(1)</script>\n=cmd()\n\x1b[31mred\x1b[0m\n"
    spool.begin_epoch()
    spool.append(["second"], SECOND)
    spool.save({})
    text = await text_of(await alice.get(f"/s/{gone.slug}/log.txt"))
    assert text.endswith("\x1b[0m\n[The log began anew here.]\nsecond\n")


async def test_what_is_missing_at_its_beginning_is_said_first(
    alice: AsyncClient, gone: Record, data_folder: Path
) -> None:
    spool = keep(gone, data_folder, [f"line {n}" for n in range(1, 2001)], cap=8000)
    first = spool.extents[0].first
    lines = (await text_of(await alice.get(f"/s/{gone.slug}/log.txt"))).splitlines()
    assert lines[0] == f"[Lines before line {first:,} of this log are no longer kept.]"
    assert lines[1:] == [f"line {n}" for n in range(first, 2001)]


async def test_while_the_platform_may_have_more_the_kept_part_is_not_taken_for_all(
    alice: AsyncClient, gone: Record, data_folder: Path, clean_platform: Any
) -> None:
    keep(gone, data_folder, ["one"])
    clean_platform.kill()
    assert (await alice.get(f"/s/{gone.slug}/log.txt")).status_code == 502
    await gone.note_log(1, 3, complete=True)
    assert await text_of(await alice.get(f"/s/{gone.slug}/log.txt")) == "one\n"


LINES = [f"{'even' if n % 2 == 0 else 'odd'} {n}" for n in range(1, 101)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, LINES),
        ({"from": "98"}, LINES[97:]),
        ({"from": "0", "to": "2"}, LINES[:2]),
        ({"from": "99", "to": "5000"}, LINES[98:]),
        ({"from": "3", "to": "4", "numbers": "1"}, ["3\todd 3", "4\teven 4"]),
        ({"q": "even 9"}, [line for line in LINES if "even 9" in line]),
        ({"q": "Even"}, []),
        ({"q": "Even", "case": "0", "to": "4"}, ["even 2", "even 4"]),
        ({"q": r"^odd \d$", "regex": "1", "numbers": "1", "from": "6"}, ["7\todd 7", "9\todd 9"]),
    ],
)
async def test_a_part_of_what_is_kept_can_be_had(
    alice: AsyncClient, gone: Record, data_folder: Path, query: dict[str, str], expected: list[str]
) -> None:
    keep(gone, data_folder, LINES)
    answer = await alice.get(f"/s/{gone.slug}/log/kept.txt", query)
    assert (await text_of(answer)).splitlines() == expected


async def test_a_long_log_is_searched_to_its_end(alice: AsyncClient, gone: Record, data_folder: Path) -> None:
    keep(gone, data_folder, [f"{n} {'x' * 990}" for n in range(1, 12_001)])
    answer = await alice.get(f"/s/{gone.slug}/log/kept.txt", {"q": "000 "})
    numbers = [int(line.split()[0]) for line in (await text_of(answer)).splitlines()]
    assert numbers == list(range(1000, 12_001, 1000))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"from": "101"}, "there are lines 1 to 100."),
        ({"from": "9", "to": "8"}, "None of these lines is kept"),
        ({"from": "x"}, "must be a whole number"),
        ({"e": "7"}, "Nothing of this log is kept here"),
        ({"q": "(", "regex": "1"}, "missing )"),
        ({"numbers": "on"}, "must be 1 or 0"),
    ],
)
async def test_what_cannot_be_had_is_said_on_a_page(
    alice: AsyncClient, gone: Record, data_folder: Path, query: dict[str, str], said: str
) -> None:
    keep(gone, data_folder, LINES)
    answer = await alice.get(f"/s/{gone.slug}/log/kept.txt", query)
    assert (answer.status_code, said in answer.text) == (422, True)
    assert "Content-Disposition" not in answer.headers


@pytest.mark.parametrize("address", ["log.txt", "log/kept.txt"])
async def test_signing_out_elsewhere_ends_a_download_with_a_word_about_it(
    alice: AsyncClient, gone: Record, data_folder: Path, address: str
) -> None:
    keep(gone, data_folder, [f"{number} {'x' * 1000}" for number in range(2000)])
    answer = await alice.get(f"/s/{gone.slug}/{address}")
    pieces: AsyncIterator[bytes] = answer.streaming_content
    first = await anext(pieces)
    await access.sign_out(alice.person)
    rest = b"".join([piece async for piece in pieces])
    assert rest.endswith(ENDS_HERE)
    assert len(first + rest) < 1_000_000
    assert downloads.places().taken_by(alice.person) == 0


async def test_too_many_searches_are_refused_on_a_page_too(
    alice: AsyncClient, gone: Record, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.live.turns.AT_ONCE_EACH", 0)
    monkeypatch.setattr("sessions_app.live.turns.PATIENCE", 0.05)
    keep(gone, data_folder, LINES)
    assert (await alice.get(f"/s/{gone.slug}/log/kept.txt", {"q": "odd"})).status_code == 429


@pytest.mark.parametrize("address", ["log.txt", "log/kept.txt"])
async def test_a_strangers_log_is_not_there(
    alice: AsyncClient,
    bob: AsyncClient,
    anonymous: AsyncClient,
    gone: Record,
    data_folder: Path,
    address: str,
) -> None:
    keep(gone, data_folder, LINES)
    assert (await bob.get(f"/s/{gone.slug}/{address}")).status_code == 404
    assert (await anonymous.get(f"/s/{gone.slug}/{address}")).status_code == 302
    assert (await alice.post(f"/s/{gone.slug}/{address}")).status_code == 405


async def test_the_platforms_own_text_comes_first(
    alice: AsyncClient, gone: Record, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(gone, data_folder, ["kept"])
    source = await connection_for(alice.person)

    class Whole:
        truncated = True

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in (b"id no", b"suchid and", b" more"):
                yield piece

    class Opened:
        async def __aenter__(self) -> Whole:
            return Whole()

        async def __aexit__(self, *_: object) -> None: ...

    monkeypatch.setattr(source, "stream_log", lambda *_: Opened())
    text = await text_of(await alice.get(f"/s/{gone.slug}/log.txt"))
    limit = downloads.MOST_BYTES // 2**20
    assert text == f"id [session id] and more\n[The log goes on; this download ends after {limit} MiB.]\n"


async def test_what_a_program_prints_is_there_while_it_runs(alice: AsyncClient) -> None:
    args = "-c print('soon');import\ttime;time.sleep(600)"
    address = (await alice.post("/launch", launch_values(cmd="python3", args=args))).url

    async def written() -> bool:
        answer = await alice.get(f"{address}/log.txt")
        return b"".join([piece async for piece in answer.streaming_content]) == b"soon\n"

    await until(written, what="what was printed")
