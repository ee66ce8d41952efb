"""Launches whose answer is lost on the way: looked for, settled, never sent twice."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from sessions_app import connections
from sessions_app.connections import change, launch, search
from sessions_app.models import Operation, Step
from sessions_app.models.journal import StepState
from tests.conftest import until
from tests.portal.conftest import FRAGMENT, launch_values

pytestmark = pytest.mark.django_db(transaction=True)


INSTEAD = {
    "500": b"HTTP/1.1 500 Oh\r\nContent-Length: 33\r\n\r\nunexpected exception: java.x.Oops",
    "502": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 Not Now\r\nRetry-After: 3\r\nContent-Length: 23\r\n\r\ntemporarily unavailable",
    "408": b"HTTP/1.1 408 Too Slow\r\nContent-Length: 4\r\n\r\nslow",
    "cut head": b"HTTP/1.1 200 OK\r\nConten",
    "cut body": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nab",
    "cut unseen": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nab",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
    "page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p>!",
}


class Wire:
    """The way to the platform, which can swallow or hold answers, refuse launches or be cut early."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.fate = "through"
        self.posts = 0
        # Launches that the platform works on or whose answers are held, now and at most.
        self.open = self.most_open = 0
        # Answers wait for it while the fate is “hold”.
        self.go_on = asyncio.Event()

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._carry, "127.0.0.1", 0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._exchange(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        """Pass on one request without a body and its answer, on a connection of its own."""
        is_post = head.startswith(b"POST")
        self.posts += is_post
        if is_post and self.fate == "cut before":
            raise ConnectionResetError
        is_delete = head.startswith(b"DELETE")
        if (is_post and self.fate == "fail") or (is_delete and self.fate == "delete in vain"):
            writer.write(
                b"HTTP/1.1 500 Oh\r\nContent-Length: 37\r\nConnection: close\r\n\r\n"
                b"unexpected exception: java.io storage"
            )
            await writer.drain()
            raise ConnectionResetError
        if is_post and (self.fate == "refuse all" or (self.fate == "refuse one" and self.posts == 1)):
            writer.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\nConnection: close\r\n\r\nno thanks"
            )
            await writer.drain()
            raise ConnectionResetError
        if is_post and self.fate.startswith("HTTP/1.1"):
            writer.write(f"{self.fate}\r\nConnection: close\r\nContent-Length: ".encode())
            body = b"<h1>Request Header Or Cookie Too Large</h1>" if " 400 " in self.fate else b""
            writer.write(f"{len(body)}\r\nContent-Type: text/html\r\n\r\n".encode() + body)
            await writer.drain()
            raise ConnectionResetError
        if is_post and self.fate == "lose one, drop the next" and self.posts > 1:
            raise ConnectionResetError
        self.open += is_post
        self.most_open = max(self.most_open, self.open)
        upstream, sink = await asyncio.open_connection(*self._target)
        sink.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answer = await upstream.read()
        sink.close()
        if is_post and self.fate == "lose one":
            self.fate = "through"
            raise ConnectionResetError
        if is_post and self.fate == "lose one, drop the next":
            raise ConnectionResetError
        if is_post and self.fate == "hold":
            await self.go_on.wait()
        self.open -= is_post
        if is_post and self.fate in INSTEAD:
            # The session was made; what is told is another thing.
            answer = INSTEAD[self.fate]
        if is_delete and self.fate == "delete aloud":
            answer = INSTEAD["500"]
        writer.write(answer)
        await writer.drain()
        raise ConnectionResetError  # One exchange to a connection keeps the lengths out of this.


@pytest_asyncio.fixture
async def wire(platform, settings, monkeypatch) -> AsyncIterator[Wire]:
    monkeypatch.setattr(search, "SEARCH_INTERVAL", 0.1)
    monkeypatch.setattr(search, "SEARCH_TIME", 1.5)
    wire = Wire("127.0.0.1", urlsplit(platform.url).port)
    server = await wire.serve()
    settings.PLATFORM_URL = f"http://localhost:{server.sockets[0].getsockname()[1]}/skaha/v1"
    yield wire
    server.close()


async def settled() -> Step | None:
    step = await Step.objects.select_related("record").aget()
    return step if step.state in {StepState.DONE, StepState.FAILED} else None


def listed(platform) -> list[str]:
    headers = {"Authorization": f"Bearer {platform.token}"}
    rows = httpx.get(f"{platform.url}/session", headers=headers, trust_env=False).json()
    return [row["name"] for row in rows]


async def test_a_launch_whose_answer_was_lost_is_found_and_not_sent_again(wire, alice, platform, monkeypatch):
    monkeypatch.setattr(search, "SEARCH_TIME", 60)
    await alice.get("/")
    wire.fate = "lose one"
    await alice.post("/launch", launch_values(name="Lost-One"))
    step = await until(settled, what="the launch to be settled")
    assert (step.state, wire.posts) == (StepState.DONE, 1)
    assert step.record is not None
    assert "was found on the platform" in step.message
    assert listed(platform) == ["lost-one"]


async def test_an_older_session_of_the_same_name_is_not_taken_for_the_lost_one(wire, alice, platform):
    first = await alice.post("/launch", launch_values(name="twin", key="first"))
    await alice.get("/")
    wire.fate = "cut before"
    await alice.post("/launch", launch_values(name="twin", key="second"))
    wire.fate = "through"

    async def both_settled():
        states = [step.state async for step in Step.objects.order_by("pk")]
        return states if states[1:] and states[1] in {StepState.DONE, StepState.FAILED} else None

    assert await until(both_settled) == [StepState.DONE, StepState.FAILED]
    assert listed(platform) == ["twin"]
    assert first.status_code == 302


async def test_a_launch_that_never_arrived_says_so(wire, alice, platform):
    wire.fate = "cut before"
    answer = await alice.post("/launch", launch_values())
    wire.fate = "through"
    step = await until(settled, what="the launch to be settled")
    assert step.state == StepState.FAILED
    assert "never arrived" in step.message
    assert listed(platform) == []
    assert answer.status_code in {302, 422}


async def test_while_it_is_looked_for_the_list_says_so(wire, alice, monkeypatch):
    monkeypatch.setattr(search, "SEARCH_TIME", 30)
    monkeypatch.setattr("sessions_app.views.launch.PATIENCE", 0.2)
    wire.fate = "cut before"
    answer = await alice.post("/launch", launch_values(name="wanted"))
    page = await alice.get("/", headers=FRAGMENT)
    assert "The answer to the launch of “wanted” was lost" in page.text
    assert "Checking" in (await alice.get(answer.url)).text
    monkeypatch.setattr(search, "SEARCH_TIME", 0)
    await until(settled, what="the launch to be settled")


async def test_what_a_killed_portal_left_open_is_settled_at_the_next_start(wire, alice, platform):
    await alice.post("/launch", launch_values(name="before-the-kill"))
    await alice.get("/")
    await Step.objects.aupdate(state=StepState.SENT, record=None)
    operation = await Operation.objects.aget()
    await Step.objects.acreate(operation=operation, position=1, name="never-sent", state=StepState.MEANT)
    connections.forget(alice.person)
    await alice.get("/")

    async def all_settled():
        states = {step.name: step.state async for step in Step.objects.all()}
        return states if not set(states.values()) - {StepState.DONE, StepState.FAILED} else None

    assert await until(all_settled) == {"before-the-kill": StepState.DONE, "never-sent": StepState.FAILED}
    assert listed(platform) == ["before-the-kill"]


async def test_replicas_of_which_some_are_refused_end_on_their_list_with_a_notice_of_which(wire, alice):
    wire.fate = "refuse one"
    answer = await alice.post("/launch", launch_values(replicas="3"))
    operation = await Operation.objects.aget()
    assert answer.url == f"/?group=fit~{operation.slug}&notice={operation.slug}"
    page = " ".join((await alice.get(answer.url)).text.split())
    assert "Batch, 2 sessions" in page
    assert "1 of 3 sessions could not be launched." in page
    assert re.search(rf'href="/operations/{operation.slug}" data-dialog>See which', page)


async def test_replicas_whose_answers_take_long_are_listed_as_they_come_with_a_notice_of_how_many(
    wire, alice, monkeypatch
):
    monkeypatch.setattr("sessions_app.views.launch.PATIENCE", 0.2)
    await alice.get("/")
    wire.fate = "hold"
    answer = await alice.post("/launch", launch_values(replicas="3"))

    async def all_listed() -> str:
        page = " ".join((await alice.get(answer.url)).text.split())
        return page if "Batch, 3 sessions" in page else ""

    page = await until(all_listed, what="all three to be listed before any is answered")
    assert "0 of 3 sessions launched so far." in page
    assert ">See each" in page
    wire.go_on.set()
    operation = await Operation.objects.aget()

    async def told() -> bool:
        notice = await alice.get(f"/operations/{operation.slug}?notice=1", headers=FRAGMENT)
        return "3 sessions were launched." in notice.text

    await until(told, what="the notice to say that all were launched")
    assert "Batch, 3 sessions" in " ".join((await alice.get(answer.url)).text.split())


async def test_replicas_that_are_all_refused_come_back_to_the_form_with_the_reason_once(wire, alice):
    wire.fate = "refuse all"
    one = await alice.post("/launch", launch_values(key="one"))
    many = await alice.post("/launch", launch_values(key="many", replicas="3"))
    assert many.status_code == 422
    assert 'name="replicas"' in many.text
    assert "Nothing was launched; the form is as you filled it in." in many.text
    assert many.text.count("no thanks") == one.text.count("no thanks") > 0


@pytest.mark.parametrize("status", ["414 URI Too Long", "431 Too Large", "400 Bad Request"])
async def test_a_line_that_a_server_on_the_way_finds_too_long_is_told_at_its_field(wire, alice, status):
    wire.fate = f"HTTP/1.1 {status}"
    answer = await alice.post("/launch", launch_values(env=f"A={'x' * 3000}"))
    assert answer.status_code == 422
    said = re.search(r'id="says-env"[^>]*>(.*?)</div>', answer.text, re.DOTALL)[1]
    assert "This is too long for the platform" in said
    assert "Nothing was launched; the form is as you filled it in." in answer.text
    assert wire.posts == 1


async def test_a_launch_goes_on_if_the_browser_leaves_while_it_is_written_down(alice, monkeypatch):
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    opens = Operation.objects.open_once

    def slowly(*given):
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(60)
        return opens(*given)

    monkeypatch.setattr(Operation.objects, "open_once", slowly)
    visit = asyncio.create_task(alice.post("/launch", launch_values(name="kept")))
    await begun.wait()
    visit.cancel()
    # The view is told so before the journal is written.
    await asyncio.sleep(0)
    go_on.set()
    with suppress(asyncio.CancelledError):
        await visit

    async def launched():
        return await Step.objects.filter(name="kept", state=StepState.DONE).aexists()

    await until(launched, what="the launch")


@pytest.mark.parametrize("fate", INSTEAD)
async def test_a_launch_whose_answer_is_no_clear_refusal_is_found_where_it_was_made(
    wire, alice, platform, fate
):
    await alice.get("/")
    wire.fate = fate
    answer = await alice.post("/launch", launch_values(name="made"))
    step = await until(settled, what="the launch to be settled")
    assert (step.state, wire.posts, listed(platform)) == (StepState.DONE, 1, ["made"])
    assert step.record is not None
    assert answer.status_code == 302


async def test_a_launch_that_failed_and_made_nothing_says_so_soon_with_the_platforms_words(
    wire, alice, platform, monkeypatch
):
    monkeypatch.setattr(search, "SEARCH_TIME", 600)
    monkeypatch.setattr(search, "APPEARING_TIME", 0.5)
    wire.fate = "fail"
    answer = await alice.post("/launch", launch_values(name="unmade"))
    step = await Step.objects.aget()
    assert step.state == StepState.FAILED
    assert "failed at it, and has no such session" in step.message
    assert "storage" in step.detail
    assert (answer.status_code, listed(platform)) == (422, [])
    assert "failed at it" in answer.text


async def test_two_launches_of_one_name_of_which_one_arrived_are_never_told_the_same_session(
    wire, alice, platform
):
    await alice.get("/")
    wire.fate = "lose one, drop the next"
    await asyncio.gather(*(alice.post("/launch", launch_values(name="twin", key=key)) for key in "ab"))

    async def both_settled() -> list[Step]:
        steps = [step async for step in Step.objects.order_by("pk")]
        return steps if all(step.state in {StepState.DONE, StepState.FAILED} for step in steps) else []

    steps = await until(both_settled, what="both to be settled")
    assert sorted(step.state for step in steps) == [StepState.DONE, StepState.FAILED]
    assert len({step.record_id for step in steps if step.record_id}) == 1
    assert listed(platform) == ["twin"]


async def test_a_lost_launch_leaves_the_session_to_one_of_that_name_that_waits_for_its_answer(
    wire, alice, platform
):
    await alice.get("/")
    wire.fate = "cut before"
    await alice.post("/launch", launch_values(name="twin", key="lost"))
    lost = await Step.objects.select_related("operation").aget()
    wire.fate = "hold"
    other = asyncio.create_task(alice.post("/launch", launch_values(name="twin", key="held")))

    async def is_listed() -> bool:
        connection = await connections.connection_for(alice.person)
        connection.expire_rows()
        return any(row.name == "twin" for row in (await connection.rows()).value or ())

    await until(is_listed, what="the session to be listed before its launch is answered")
    await Step.objects.filter(pk=lost.pk).aupdate(state=StepState.UNSURE)
    assert await search.claim(alice.person, lost) == search.Claim.RIVALLED
    wire.go_on.set()
    await other
    assert await search.claim(alice.person, lost) == search.Claim.ABSENT
    held = await Step.objects.aget(operation__form_key="held")
    assert (held.state, held.record_id is not None) == (StepState.DONE, True)


async def test_at_most_eight_launches_of_one_operation_are_in_flight(wire, alice, monkeypatch):
    monkeypatch.setattr("sessions_app.views.launch.PATIENCE", 0.2)
    wire.fate = "hold"
    await alice.post("/launch", launch_values(replicas="20"))

    async def full() -> bool:
        return wire.open == 8

    await until(full, what="eight to be on their way")
    states = [step.state async for step in Step.objects.order_by("position")]
    assert states == [StepState.SENT] * 8 + [StepState.MEANT] * 12
    wire.go_on.set()

    async def all_done() -> bool:
        return not await Step.objects.exclude(state=StepState.DONE).aexists()

    await until(all_done, what="all to be launched")
    assert (wire.posts, wire.most_open) == (20, 8)


async def test_what_failed_of_a_launch_of_many_is_launched_again_and_nothing_else(wire, alice, platform):
    wire.fate = "refuse one"
    await alice.post("/launch", launch_values(replicas="3", env="COLOUR=blue"))
    operation = await Operation.objects.aget()
    page = " ".join((await alice.get(f"/operations/{operation.slug}")).text.split())
    assert "Launch the failed one again" in page
    [failed] = [step async for step in Step.objects.filter(state=StepState.FAILED)]
    wire.fate = "through"
    pressed = [alice.post(f"/operations/{operation.slug}/again") for _ in range(3)]
    assert {answer.status_code for answer in await asyncio.gather(*pressed)} == {302}

    async def all_done() -> bool:
        return not await Step.objects.exclude(state=StepState.DONE).aexists()

    await until(all_done, what="it to be launched")
    assert wire.posts == 4
    assert sorted(listed(platform)) == ["fit-1", "fit-2", "fit-3"]
    assert failed.name in listed(platform)
    again = await alice.get(f"/operations/{operation.slug}")
    assert "/again" not in again.text
    await alice.post(f"/operations/{operation.slug}/again")
    assert wire.posts == 4


async def test_what_is_launched_again_in_a_dialog_takes_the_notice_of_the_failure_away(wire, alice):
    wire.fate = "refuse one"
    await alice.post("/launch", launch_values(replicas="3"))
    operation = await Operation.objects.aget()
    wire.fate = "through"
    answer = await alice.post(f"/operations/{operation.slug}/again", headers=FRAGMENT)
    assert f'<div id="notice-{operation.slug}" hx-swap-oob="delete">' in answer.text
    assert "so far" in answer.text
    assert "sessions-changed" in answer.headers["HX-Trigger"]
    plain = await alice.get(f"/operations/{operation.slug}", headers=FRAGMENT)
    assert "hx-swap-oob" not in plain.text


async def test_what_seemed_to_have_failed_but_arrived_is_not_launched_again(wire, alice, platform):
    wire.fate = "lose one"
    await alice.get("/")
    await alice.post("/launch", launch_values(replicas="3"))
    await until(lambda: _none_open(), what="the launch to be settled")
    lost = await Step.objects.order_by("position").afirst()
    await Step.objects.filter(pk=lost.pk).aupdate(state=StepState.FAILED, record=None)
    operation = await Operation.objects.aget()
    posts = wire.posts
    await alice.post(f"/operations/{operation.slug}/again")
    await until(lambda: _none_open(), what="it to be settled")
    await lost.arefresh_from_db()
    assert (lost.state, wire.posts) == (StepState.DONE, posts)
    assert sorted(listed(platform)) == ["fit-1", "fit-2", "fit-3"]


async def test_values_of_variables_that_are_not_known_any_more_are_asked_for_not_left_out(wire, alice):
    wire.fate = "refuse one"
    await alice.post("/launch", launch_values(replicas="3", env="COLOUR=blue"))
    operation, posts = await Operation.objects.aget(), wire.posts
    launch._requests.clear()
    answer = await alice.post(f"/operations/{operation.slug}/again")
    assert "values of its variables are not kept" in answer.text
    assert await Step.objects.filter(state=StepState.FAILED).acount() == 1
    assert wire.posts == posts


async def test_nobody_elses_launch_is_launched_again(wire, alice, bob):
    wire.fate = "refuse one"
    await alice.post("/launch", launch_values(replicas="3"))
    operation, posts = await Operation.objects.aget(), wire.posts
    assert (await bob.post(f"/operations/{operation.slug}/again")).status_code == 404
    assert (await alice.get(f"/operations/{operation.slug}/again")).status_code == 405
    assert wire.posts == posts


async def test_a_renewal_that_worked_though_its_answer_was_lost_is_told_as_one(wire, alice, monkeypatch):
    await alice.get("/")
    await alice.post("/launch", launch_values(name="longer"))
    slug = (await Step.objects.select_related("record").aget()).record.slug
    connection = await connections.connection_for(alice.person)

    async def runs() -> bool:
        connection.expire_rows()
        return [row.state for row in (await connection.rows()).value or ()] == ["running"]

    await until(runs, what="it to run")
    rows, earlier = connection.listing.rows, connection.listing.rows()[0].expires - timedelta(hours=1)
    wire.fate = "500"
    # As if it had been launched an hour ago: what is listed once the renewal was sent has the new end.
    monkeypatch.setattr(
        connection.listing,
        "rows",
        lambda: rows() if wire.posts > 1 else tuple(replace(row, expires=earlier) for row in rows()),
    )
    answer = await alice.post("/renew", {"s": slug}, headers=FRAGMENT)
    assert "was renewed: it now ends at" in answer.text
    step = await Step.objects.aget(operation__verb="renew")
    assert step.state == StepState.DONE


async def test_a_destroy_that_failed_aloud_is_told_by_what_the_list_shows(wire, alice, monkeypatch):
    monkeypatch.setattr(change, "VANISH_TIME", 0.2)
    await alice.get("/")
    await alice.post("/launch", launch_values(name="doomed"))
    slug = (await Step.objects.select_related("record").aget()).record.slug
    wire.fate = "delete in vain"
    kept = await alice.post("/destroy", {"s": slug}, headers=FRAGMENT)
    assert "was not destroyed" in kept.text
    assert "failed at this" in kept.text
    monkeypatch.setattr(change, "VANISH_TIME", 20)
    wire.fate = "delete aloud"
    gone = await alice.post("/destroy", {"s": slug}, headers=FRAGMENT)
    assert "was destroyed" in gone.text


async def _none_open() -> bool:
    return not await Step.objects.exclude(state__in=[StepState.DONE, StepState.FAILED]).aexists()
