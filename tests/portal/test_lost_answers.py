"""Launches whose answer is lost on the way: looked for, settled, never sent twice."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from sessions_app import connections
from sessions_app.connections import search
from sessions_app.models import Operation, Step
from sessions_app.models.journal import StepState
from tests.conftest import until
from tests.portal.conftest import FRAGMENT, launch_values

pytestmark = pytest.mark.django_db(transaction=True)


class Wire:
    """The way to the platform, which can swallow or hold answers, refuse launches or be cut early."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.fate = "through"
        self.posts = 0
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
        upstream, sink = await asyncio.open_connection(*self._target)
        sink.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answer = await upstream.read()
        sink.close()
        if is_post and self.fate == "lose one":
            self.fate = "through"
            raise ConnectionResetError
        if is_post and self.fate == "hold":
            await self.go_on.wait()
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
