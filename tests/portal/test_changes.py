"""Renew and destroy: what is asked, what is told, what can be taken back, and what the list shows meanwhile."""

import asyncio
import re

import httpx
import pytest

from sessions_app import connections
from sessions_app.client import errors
from sessions_app.connections import change, refusals, rows, tasks
from sessions_app.models import Record, Step
from tests.conftest import until
from tests.portal.conftest import FRAGMENT
from tests.portal.test_sessions_pages import _is, launched
from tests.portal.test_waiting import stuck

pytestmark = pytest.mark.django_db(transaction=True)


async def fragment(client, address: str = "/") -> str:
    return (await client.get(address, headers=FRAGMENT)).text


def row_of(page: str, slug: str) -> str:
    found = re.search(rf'<tr id="row-{slug}".*?</tr>', page, re.DOTALL)
    return found[0] if found else ""


def counts(page: str) -> dict[str, int]:
    return {
        title: int(count)
        for title, count in re.findall(r'(\w+) <span class="tabs__count">(\d+)</span>', page)
    }


def listed(platform) -> list[str]:
    headers = {"Authorization": f"Bearer {platform.token}"}
    answer = httpx.get(f"{platform.url}/session", headers=headers, trust_env=False).json()
    return sorted(row["name"] for row in answer)


def delete_elsewhere(platform, name: str) -> None:
    headers = {"Authorization": f"Bearer {platform.token}"}
    with httpx.Client(base_url=platform.url, headers=headers, trust_env=False) as client:
        [session_id] = [row["id"] for row in client.get("/session").json() if row["name"] == name]
        client.delete(f"/session/{session_id}").raise_for_status()


async def running(client, name: str, **changes) -> str:
    slug = await launched(client, name=name, key=name, **changes)
    await until(lambda: _is(client, slug, "running"), what=f"{name} to run")
    return slug


async def test_what_was_destroyed_leaves_the_list_at_once_and_its_page_stays(alice):
    slug, other = await running(alice, "doomed"), await running(alice, "stays")
    answer = await alice.post("/destroy", {"s": slug}, headers=FRAGMENT)
    assert "was destroyed" in answer.text
    assert f'href="/s/{slug}"' in answer.text
    page = await fragment(alice)
    assert row_of(page, slug) == ""
    assert row_of(page, other)
    assert counts(page)["All"] == counts(page)["Running"] == 1
    assert "doomed" in (await alice.get(f"/s/{slug}")).text


async def test_destroying_one_session_can_be_taken_back(alice, platform, settings):
    settings.UNDO_SECONDS = 60
    slug = await running(alice, "spared")
    answer = await alice.post("/destroy", {"s": slug}, headers=FRAGMENT)
    undo = re.search(r'hx-post="(/operations/\w+/undo)"', answer.text)[1]
    row = row_of(await fragment(alice), slug)
    assert "Destroying" in row
    assert f'data-act="{undo}"' in row
    assert (await alice.get(undo)).status_code == 405
    # The notice that asks is replaced every second: its answer goes where it asked for it.
    taken_back = await alice.post(undo, headers={**FRAGMENT, "HX-Target": "notices"})
    assert "you took it back in time" in taken_back.text
    assert "HX-Retarget" not in taken_back.headers
    assert "Destroying" not in row_of(await fragment(alice), slug)
    assert listed(platform) == ["spared"]
    assert (await Step.objects.aget(operation__verb="destroy")).state == "undone"


async def test_nobody_else_can_take_it_back(alice, bob, settings):
    settings.UNDO_SECONDS = 1
    slug = await running(alice, "mine")
    answer = await alice.post("/destroy", {"s": slug}, headers=FRAGMENT)
    undo = re.search(r'hx-post="(/operations/\w+/undo)"', answer.text)[1]
    assert (await bob.post(undo)).status_code == 404
    await until(lambda: _settled("destroy"), what="the destroy")
    late = await alice.post(undo, headers=FRAGMENT)
    assert "was destroyed" in late.text


async def test_pressing_destroy_twice_is_one_destroy(alice, settings):
    settings.UNDO_SECONDS = 60
    slug = await running(alice, "once")
    first = await alice.post("/destroy", {"s": slug}, headers=FRAGMENT)
    second = await alice.post("/destroy", {"s": slug}, headers=FRAGMENT)
    [undo] = set(re.findall(r"/operations/\w+/undo", first.text + second.text))
    assert await Step.objects.filter(operation__verb="destroy").acount() == 1
    await alice.post(undo)


async def test_destroying_several_leaves_out_the_one_that_can_still_be_taken_back(alice, platform, settings):
    settings.UNDO_SECONDS = 60
    spared, doomed = await running(alice, "spared"), await running(alice, "doomed")
    held = await alice.post("/destroy", {"s": spared}, headers=FRAGMENT)
    await alice.post("/destroy", {"s": [spared, doomed]}, headers=FRAGMENT)
    undo = re.search(r'hx-post="(/operations/\w+/undo)"', held.text)[1]
    assert f'data-act="{undo}"' in row_of(await fragment(alice), spared)
    assert "you took it back in time" in (await alice.post(undo, headers=FRAGMENT)).text
    assert listed(platform) == ["spared"]


async def test_what_was_sent_already_cannot_be_destroyed_and_taken_back_once_more(
    alice, settings, monkeypatch
):
    slug, sent, go_on = await running(alice, "once"), asyncio.Event(), asyncio.Event()

    async def look(*_) -> None:
        sent.set()
        await go_on.wait()

    monkeypatch.setattr(change, "before_destroy", [look])
    settings.UNDO_SECONDS = 0
    first = asyncio.create_task(alice.post("/destroy", {"s": slug}, headers=FRAGMENT))
    await sent.wait()
    settings.UNDO_SECONDS = 60
    second = asyncio.create_task(alice.post("/destroy", {"s": slug}, headers=FRAGMENT))
    assert "/undo" not in (await second).text
    go_on.set()
    assert "was destroyed" in (await first).text
    assert await Step.objects.filter(operation__verb="destroy").acount() == 1


async def test_without_scripts_the_undo_is_on_the_page_that_follows(alice, platform, settings):
    settings.UNDO_SECONDS = 60
    slug = await running(alice, "plain")
    page = await alice.post("/destroy", {"s": slug}, follow=True)
    assert page.redirect_chain[0][0].startswith("/?notice=")
    action = re.search(r'<form method="post" action="(/operations/\w+/undo)"', page.text)[1]
    back = await alice.post(action, follow=True)
    assert "you took it back in time" in back.text
    assert listed(platform) == ["plain"]


async def test_a_portal_that_stops_before_the_time_is_over_destroys_nothing_and_says_so(
    alice, platform, settings
):
    settings.UNDO_SECONDS = 60
    slug = await running(alice, "survivor")
    await alice.post("/destroy", {"s": slug}, headers=FRAGMENT)
    await tasks.stop_all(grace=0)
    connections.forget(alice.person)
    await alice.get("/")
    page = await until(lambda: _has(alice, "was not destroyed: the portal stopped"), what="the notice")
    assert "Destroying" not in row_of(page, slug)
    assert listed(platform) == ["survivor"]


async def test_what_vanished_elsewhere_is_gone_without_actions_and_leaves_after_seconds(
    alice, platform, monkeypatch
):
    monkeypatch.setattr(rows, "SHOWN_GONE", 4.0)
    slug = await running(alice, "elsewhere")
    await fragment(alice)
    delete_elsewhere(platform, "elsewhere")
    page = await until(lambda: _has(alice, "state--gone"), what="it to be gone")
    row = row_of(page, slug)
    assert "Destroy" not in row
    assert "checkbox" not in row
    assert counts(page)["Running"] == 0
    await until(lambda: _has(alice, "You have no sessions"), what="it to leave the list")


async def test_what_cannot_be_renewed_is_named_with_the_reason(alice):
    ended = await launched(alice, name="ended", key="ended", cmd="true", args="")
    await until(lambda: _is(alice, ended, "completed"), what="it to end")
    runs = await running(alice, "long")
    page = (await alice.get(f"/renew?s={runs}&s={ended}")).text
    assert "None of 2 can be renewed" in page
    assert "It has ended." in page
    assert "more time than a renewal gives" in page
    assert 'name="s"' not in page
    assert 'type="submit">Renew' not in page


async def test_a_result_dialog_comes_only_where_something_failed(alice, platform):
    ended = await launched(alice, name="ended", key="ended", cmd="true", args="")
    await until(lambda: _is(alice, ended, "completed"), what="it to end")
    runs = await running(alice, "long")
    answer = await alice.post("/renew", {"s": [runs, ended]}, headers=FRAGMENT)
    assert 'id="dialog-title"' in answer.text
    assert "HX-Retarget" not in answer.headers
    assert "1 of 2 renewed" in answer.text
    assert "It cannot be renewed: it has ended or not begun." in answer.text
    assert "PosixPrincipal" not in answer.text
    secret = (await connections.connection_for(alice.person)).id_of(await Record.objects.aget(slug=ended))
    assert f"{secret[:2]}…" not in answer.text
    fine = await alice.post("/renew", {"s": runs}, headers=FRAGMENT)
    assert fine.headers["HX-Retarget"] == "#notices"
    assert "dialog" not in fine.text


async def test_destroying_what_has_ended_warns_of_nothing(alice):
    ended = await launched(alice, name="ended", key="ended", cmd="true", args="")
    await until(lambda: _is(alice, ended, "completed"), what="it to end")
    assert "/scratch" not in (await alice.get(f"/destroy?s={ended}")).text
    runs = await running(alice, "runs")
    both = (await alice.get(f"/destroy?s={ended}&s={runs}")).text
    assert "What runs in the one that runs stops at once." in both


async def test_cancel_means_the_launch_and_the_dialog_is_closed_by_another_word(alice):
    slug = await stuck(alice)
    page = (await alice.get(f"/destroy?s={slug}")).text
    assert "Cancel this launch?" in page
    assert re.findall(r"data-close[^>]*>([^<]+)<", page) == ["Keep"]
    assert re.findall(r'type="submit">(Cancel[^<]*)<', page) == ["Cancel the launch"]
    assert "/scratch" not in page


def test_no_jargon_and_no_part_of_an_id_in_a_refusal():
    error = errors.RefusedError(
        detail="No active job for user PosixPrincipal [uidNumber=0,username=root] with session hg…",
        status=400,
    )
    assert refusals.said(error) == "It cannot be renewed: it has ended or not begun."
    assert refusals.raw(error) == "No active job for user you with session [session id]"
    other = errors.RefusedError(detail="java.lang.IllegalArgumentException: pod hgd7k2mq", status=400)
    assert "java" not in refusals.said(other)
    assert refusals.said(other).startswith("The platform refused.")
    assert "hgd7k2mq" not in refusals.raw(other, "hgd7k2mq")


def test_a_refusal_that_a_person_can_read_is_told_as_it_is():
    error = errors.RefusedError(detail="images must come from images.canfar.net", status=400)
    assert "images must come from images.canfar.net" in refusals.said(error)
    assert refusals.raw(error) == ""


async def _has(client, words: str) -> str:
    page = await fragment(client)
    await asyncio.sleep(0.1)
    return page if words in page else ""


async def _settled(verb: str) -> bool:
    step = await Step.objects.filter(operation__verb=verb).afirst()
    return step is not None and step.state in {"done", "failed"}


async def test_ages_and_ends_are_the_platforms_own_times(alice, platform):
    slug = await launched(alice, name="broke", key="broke", cmd="python3", args="-c raise(SystemExit(3))")
    await until(lambda: _is(alice, slug, "failed"), what="it to fail")
    headers = {"Authorization": f"Bearer {platform.token}"}
    [told] = httpx.get(f"{platform.url}/session", headers=headers, trust_env=False).json()
    # Whatever the portal saw, and when: an old look must not make it young.
    await Record.objects.filter(slug=slug).aupdate(states=[["failed", "2020-01-01T00:00:00+00:00"]])
    connections.forget(alice.person)
    row = row_of(await until(lambda: _has(alice, "exit code 3"), what="the reason"), slug)
    began, ended = re.findall(r'datetime="([^"]+)"', row)
    assert began[:16] == told["startTime"][:16]
    assert began <= ended < "2100"
    assert ended[:4] != "2020"
    assert " ago</td>" in row


async def test_while_the_platform_is_away_actions_are_off_and_it_is_said_once(alice, platform):
    slug = await running(alice, "kept")
    await alice.get("/")
    platform.kill()
    try:
        page = await until(lambda: _whole(alice, "table--stale"), what="the platform to be missed")
        row = row_of(page, slug)
        assert "/destroy?" not in row
        assert "/renew?" not in row
        assert f'href="/s/{slug}"' in row
        assert page.count("can be opened, renewed and destroyed again") == 1
        assert len(re.findall(r'class="notice notice--trouble"', page)) == 1
        assert "tells no load" not in page
        assert "Try now" in page
        assert "data-dialog>Destroy" not in page
    finally:
        platform.start_again()
    await until(lambda: _has(alice, f"/destroy?s={slug}"), what="the actions to come back")


async def _whole(client, words: str) -> str:
    page = (await client.get("/")).text
    return page if words in page else ""


async def test_the_slots_come_with_the_rows_that_they_count(alice):
    page = await fragment(alice)
    assert 'id="slots" hx-swap-oob="morph"' in page
    slots = re.search(r'class="meter__figures">(\d+) of (\d+)<', page.partition('id="slots"')[2])
    assert slots is not None
    assert slots[1] == "0"
    assert "hx-swap-oob" not in (await alice.get("/")).text
