"""An id that is said before it is known to be one is hidden from then on, and taken out of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.core import serializers
from django.db import transaction
from django.test import AsyncClient

from sessions_app.client import Outcome, errors, values
from sessions_app.connections import connection_for, timeline
from sessions_app.connections.redaction import HIDDEN, Redactor
from sessions_app.connections.steps import refuse
from sessions_app.live.spool import Spool
from sessions_app.models import Operation, Person, Record, Step
from tests.platforms import RunningPlatform
from tests.portal.conftest import launch_values

pytestmark = pytest.mark.django_db(transaction=True)

ELSEWHERE = {"name": "elsewhere", "image": "images.canfar.net/skaha/terminal:latest", "type": "headless"}
SHOWN = ("log/lines", "log/since", "log/kept.txt", "log/search?q=token", "log.txt")


def launched_elsewhere(platform: RunningPlatform) -> str:
    """Launch a session past the portal, and return its id."""
    headers = {"Authorization": f"Bearer {platform.token}"}
    sent = ELSEWHERE | {"cmd": "sleep", "args": "60"}
    answer = httpx.post(f"{platform.url}/session", data=sent, headers=headers, timeout=30, trust_env=False)
    return answer.raise_for_status().text.strip()


@sync_to_async
@transaction.atomic
def dump() -> str:
    models = (Person, Record, Operation, Step)
    return "\n".join(serializers.serialize("json", model.objects.all()) for model in models)


async def test_what_was_stored_of_a_session_before_the_list_told_of_it_is_taken_out(
    alice: AsyncClient, clean_platform: RunningPlatform
) -> None:
    connection = await connection_for(alice.person)
    await connection.rows(patience=30)
    late = launched_elsewhere(clean_platform)
    spelled = f"{late[:3]}\x1b[1m{late[3:].upper()}"
    answer = await alice.post("/launch", launch_values(name=f"a-{late}", args=f"60 {late}"))
    record = await Record.objects.aget(slug=answer.url.partition("?")[0].rpartition("/")[2])
    told = [values.Event("Normal", "Odd", f"saw {late} and {spelled}", None, None)]
    await timeline.keep_events(record, told, connection.redactor)
    await record.anote({"reason": f"Waits for {late}."})
    [step] = [step async for step in Step.objects.select_related("operation")]
    refused = Outcome(None, None, errors.PlatformError(detail=f"job {spelled} of {late}"))
    await refuse(step, connection.without_ids([refused])[0].error, "")
    before = await dump()
    assert before.count(late) >= 5
    connection.expire_rows()
    rows = (await connection.rows(patience=30)).value or ()
    assert {row.name for row in rows} == {f"a-{HIDDEN}", "elsewhere"}
    after = await dump()
    assert late not in after
    assert not connection.redactor.finds(after.replace("\\u001b", "\x1b"))
    assert after.count(HIDDEN) >= 5


async def test_a_kept_log_hides_an_id_that_was_learned_after_its_lines_were_kept(
    alice: AsyncClient, tmp_path: Path, settings: Any
) -> None:
    settings.DATA_DIR = tmp_path
    record = Record.objects.draft(alice.person, "nosuchid")
    record.state = "completed"
    await record.asave()
    spool = Spool(tmp_path / "spool", record.slug)
    spool.append(["token=k3xv9q2a", "token=k3x\x1b[1mv9\u200bq2a", "token=harmless"], 1_700_000_000)
    spool.save({}, {"at": 1_700_000_000, "words": "It ended.", "complete": True})
    await record.note_log(3, 60, complete=True)
    before = await texts(alice, record)
    assert all("k3xv9q2a" in text and "harmless" in text for text in before.values())
    await Record.objects.draft(alice.person, "k3xv9q2a").asave()
    knows = Redactor(["k3xv9q2a"])
    after = await texts(alice, record)
    assert all(text.count(HIDDEN) == 2 and "harmless" in text for text in after.values())
    assert [where for where, text in after.items() if knows.finds(text.replace("\\u001b", "\x1b"))] == []


async def texts(client: AsyncClient, record: Record) -> dict[str, str]:
    """Return what is shown of a log in each way."""
    found = {}
    for path in SHOWN:
        answer = await client.get(f"/s/{record.slug}/{path}")
        body = (
            answer.content
            if not answer.streaming
            else b"".join([part async for part in answer.streaming_content])
        )
        found[path] = body.decode()
    return found
