"""Ids of ten sessions are said by another one in every way, and are found nowhere that anybody or anything can look."""

from __future__ import annotations

import base64
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import serializers
from django.db import transaction
from django.test import AsyncClient

from sessions_app.client import Outcome, errors
from sessions_app.connections import connection_for
from sessions_app.connections.redaction import Redactor
from sessions_app.connections.steps import refuse
from sessions_app.models import Operation, Person, Record, Step
from tests.conftest import until
from tests.live.test_consumers import ORIGIN, Tab
from tests.portal.conftest import launch_values

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 10
INSIDE = [
    "",
    "\x1b[31m",
    "\x1b]0;t\x07",
    "\x1b[K",
    "\0",
    "z\b",
    "\u200b",
    "\x9b1m",
    "\ufeff",
    "\x1b[1m\u200d\0",
]
# Says each of its words but the first, which are in hexadecimal, and that it is done.
PROGRAM = "-c import\tos,sys;[os.write(1,bytes.fromhex(w)+b'\\n')\tfor\tw\tin\tsys.argv[2:]];print('done')"
# Says its second word in a line that does not end.
HALF = "-c import\tos,sys,time;os.write(1,b'half='+bytes.fromhex(sys.argv[2]));time.sleep(60)"


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    settings.PORTAL_ORIGINS = [ORIGIN.decode()]
    return tmp_path


async def test_ids_of_other_sessions_are_found_nowhere(
    alice: AsyncClient, data_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await alice.post("/launch", launch_values(key="ten", name="ten", replicas=str(MANY)))
    connection = await connection_for(alice.person)
    canaries = [connection.id_of(record) async for record in Record.objects.filter(owner=alice.person)]
    assert len(canaries) == MANY
    said = [f"{each[:3]}{inside}{each[3:]}" for each, inside in zip(canaries, INSIDE, strict=True)]
    said += [each.upper() for each in canaries]
    words = " ".join(text.encode().hex() for text in said)
    # It is named after one, takes others as words, and says all of them.
    values = launch_values(
        key="loud", name=f"a-{canaries[0]}", cmd="python3", args=f"{PROGRAM} {canaries[1]}aa {words}"
    )
    answer = await alice.post("/launch", values)
    address = answer.url.partition("?")[0]
    await until(lambda: _holds(alice, f"{address}/log/lines", "done"), what="the log")
    loud = await Record.objects.aget(slug=address.rpartition("/")[2])
    [step] = [step async for step in Step.objects.filter(record=loud).select_related("operation")]
    refusal = errors.PlatformError(
        detail=f"job for {said[1]} and {said[6]}", request=f"GET session/{canaries[2]}"
    )
    await refuse(step, connection.without_ids([Outcome(canaries[2], None, refusal)])[0].error, "")
    await connection.refresh_events(loud)
    await connection.rows(patience=10)

    half = await alice.post(
        "/launch",
        launch_values(key="half", name="half", cmd="python3", args=f"{HALF} x {said[1].encode().hex()}"),
    )
    half_address = half.url.partition("?")[0]
    await until(
        lambda: _holds(alice, f"{half_address}/log/since", "half="), what="the line that does not end"
    )

    looked: dict[str, str] = {"frames": await _frames(alice, loud.slug, half_address.rpartition("/")[2])}
    for path in (
        "/",
        address,
        f"{address}/log.txt",
        f"{address}/log/kept.txt",
        f"{address}/events.txt",
        f"{address}/log/lines",
        f"{address}/log/search?q=.&regex=1",
        f"{address}/log/since",
        f"{address}/events/since",
        f"{half_address}/log/since",
        f"/operations/{step.operation.slug}",
    ):
        page = await alice.get(path)
        looked[path] = await _text(page)
    looked["server log"] = caplog.text
    looked["database"] = await _dump()
    for path in data_folder.rglob("*"):
        if path.is_file():
            looked[path.name] = path.read_bytes().decode(errors="replace")
            looked[f"{path.name}, unpacked"] = _unpacked(looked[path.name])
    assert any("[session id]" in text for text in looked.values())
    assert "half=" in looked["frames"]
    assert looked["frames"].count("[session id]") > 20
    assert "half=" in looked[f"{half_address}/log/since"]
    assert "done" in looked[f"{address}/log.txt"]
    assert "done" in looked[f"{address}/log/search?q=.&regex=1"]
    redactor = Redactor(canaries)
    redactor.learn([connection.id_of(loud)])
    found = [where for where, text in looked.items() if redactor.finds(text) or redactor.finds(_plain(text))]
    assert found == []


async def _holds(client: AsyncClient, path: str, word: str) -> bool:
    await client.get(path.replace("/log/lines", "/log/since"))
    return word in await _text(await client.get(path))


async def _frames(client: AsyncClient, whole: str, half: str) -> str:
    """Return all that a socket is told that follows both logs, the timeline and the list."""
    tab = Tab(client.cookies[settings.SESSION_COOKIE_NAME].value)
    assert await tab.open()
    for slug, what in ((whole, "log"), (half, "log"), (whole, "events"), ("", "list")):
        await tab.say("follow", s=slug, w=what)
    told: set[str] = set()
    while not told >= {"events", "session", "list", "whole", "half"}:
        message = await tab.listen()
        told.add(message["t"])
        if message["t"] == "log" and message["s"] == whole and "done" in message["lines"]:
            told.add("whole")
        if message["t"] == "log" and "half=" in (message["partial"] or ""):
            told.add("half")
    await tab.leave()
    return "\n".join(json.dumps(message, ensure_ascii=False) for message in tab.seen)


async def _text(answer: Any) -> str:
    if not answer.streaming:
        return str(answer.content.decode(errors="replace"))
    return b"".join([piece async for piece in answer.streaming_content]).decode(errors="replace")


def _plain(text: str) -> str:
    """Return what JSON's own escapes stand for."""
    return re.sub(r"\\u([0-9a-f]{4})|\\b", lambda found: chr(int(found[1] or "8", 16)), text)


def _unpacked(text: str) -> str:
    packed = re.findall(r"(?:[A-Za-z0-9+/]{4}){4,}", text)
    return "\n".join(base64.b64decode(each).decode(errors="replace") for each in packed)


@sync_to_async
@transaction.atomic
def _dump() -> str:
    models = (Person, Record, Operation, Step)
    return "\n".join(serializers.serialize("json", model.objects.all()) for model in models)
