"""A form's key stands for what the form asked for: sent again it finds its outcome, changed it is told so."""

from __future__ import annotations

import asyncio
import re
import sqlite3

import pytest
from django.db import connection as database

from sessions_app.models import Operation, Record, Step
from sessions_app.models.journal import Verb, made_for
from tests.portal.conftest import FRAGMENT, launch_values

pytestmark = pytest.mark.django_db(transaction=True)
TOLD = "This question was answered before, for something else, so nothing was done now."


async def launched(client, name: str) -> str:
    await client.post("/launch", launch_values(key=f"launch-{name}", name=name))
    return (await Record.objects.aget(name=name)).slug


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"args": "61"},
        {"env": "A=2"},
        {"replicas": "2"},
        {"kind": "notebook", "image": "images.canfar.net/skaha/base-notebook:latest"},
        {"resources": "fixed", "cores": "1", "ram": "1"},
        # Also what is wrong with the changed form hides nothing.
        {"name": "a_b"},
    ],
)
async def test_a_sent_form_that_was_changed_is_told_and_launches_nothing(alice, changes):
    await alice.post("/launch", launch_values(env="A=1"))
    answer = await alice.post("/launch", launch_values(**{"env": "A=1", **changes}))
    assert answer.status_code == 422
    assert "This form has launched “fit” already, and was changed since." in answer.text
    earlier = await Operation.objects.aget()
    assert f'href="/operations/{earlier.slug}"' in answer.text
    assert await Step.objects.acount() == 1
    key = re.search(r'name="key" value="(\w+)"', answer.text)[1]
    assert key != "form-1"


async def test_a_changed_form_that_is_sent_once_more_launches_what_it_says_now(alice):
    await alice.post("/launch", launch_values())
    told = await alice.post("/launch", launch_values(name="second"))
    key = re.search(r'name="key" value="(\w+)"', told.text)[1]
    answer = await alice.post("/launch", launch_values(name="second", key=key))
    assert answer.status_code == 302
    assert {name async for name in Step.objects.values_list("name", flat=True)} == {"fit", "second"}


async def test_of_two_forms_with_one_key_at_the_same_time_one_launches_and_the_other_is_told(alice, caplog):
    sent = [launch_values(name=name) for name in ("one", "two")]
    answers = await asyncio.gather(*(alice.post("/launch", values) for values in sent))
    assert sorted(answer.status_code for answer in answers) == [302, 422]
    assert await Step.objects.acount() == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_line_breaks_that_travelled_otherwise_are_the_same_form(alice):
    first = await alice.post("/launch", launch_values(env="A=1\nB=2"))
    again = await alice.post("/launch", launch_values(env="A=1\r\nB=2"))
    assert again.url == first.url


async def test_a_key_of_another_verb_or_selection_is_told_and_does_nothing(alice, settings):
    settings.UNDO_SECONDS = 60
    one, two = await launched(alice, "one"), await launched(alice, "two")
    await alice.post("/renew", {"s": one, "key": "k"})
    for address, chosen in (("/renew", two), ("/renew", [one, two]), ("/destroy", one)):
        answer = await alice.post(address, {"s": chosen, "key": "k"}, headers=FRAGMENT)
        assert answer.status_code == 422
        assert TOLD in answer.text
        assert answer.headers["HX-Retarget"] == "#dialog-body"
        # It can be answered at once.
        assert re.search(r'name="key" value="(\w+)"', answer.text)[1] != "k"
    assert TOLD in (await alice.post("/destroy", {"s": two, "key": "launch-one"})).text
    told = await alice.post("/launch", launch_values(key="k"))
    assert "This form has done something else already" in told.text
    assert [verb async for verb in Operation.objects.values_list("verb", flat=True)] == [
        "launch",
        "launch",
        "renew",
    ]


@pytest.mark.parametrize("verb", ["renew", "destroy"])
async def test_a_question_about_more_sessions_than_fit_an_address_does_nothing_but_ask(alice, verb):
    slug = await launched(alice, "one")
    answer = await alice.post(
        f"/{verb}", {"s": [slug, *(f"slug{n:08}" for n in range(900))], "ask": "1"}, headers=FRAGMENT
    )
    assert answer.status_code == 200
    assert 'id="dialog-title"' in answer.text
    assert f'value="{slug}"' in answer.text or "cannot be renewed" in answer.text
    assert not await Operation.objects.filter(verb=verb).aexists()


async def test_the_same_answer_sent_again_is_the_same_outcome(alice, settings):
    settings.UNDO_SECONDS = 0
    one, two = await launched(alice, "one"), await launched(alice, "two")
    for address, chosen in (("/renew", [one, two]), ("/destroy", [two, one])):
        first = await alice.post(address, {"s": chosen, "key": address})
        again = await alice.post(address, {"s": chosen[::-1], "key": address})
        assert (again.status_code, again.headers["Location"]) == (302, first.headers["Location"])
    assert await Operation.objects.exclude(verb=Verb.LAUNCH).acount() == 2


async def test_what_an_older_portal_wrote_down_is_known_by_its_verb(alice):
    first = await alice.post("/launch", launch_values())
    await Operation.objects.aupdate(made_for="")
    assert (await alice.post("/launch", launch_values(args="61"))).url == first.url


async def test_no_value_of_a_variable_can_be_found_or_guessed_from_what_is_kept(alice, settings):
    await alice.post("/launch", launch_values(env="A=canary-4711"))
    kept = await Operation.objects.aget()
    assert re.fullmatch("[0-9a-f]{64}", kept.made_for)
    dump = "\n".join(await asyncio.to_thread(_dump))
    assert "canary-4711" not in dump
    before = made_for(Verb.LAUNCH, {"env": "A=canary-4711"})
    settings.KEYS = type(settings.KEYS)(settings.KEYS.secret_key, settings.KEYS.credential_keys, "another")
    assert made_for(Verb.LAUNCH, {"env": "A=canary-4711"}) != before


def _dump() -> list[str]:
    with sqlite3.connect(database.settings_dict["NAME"]) as read:
        return list(read.iterdump())
