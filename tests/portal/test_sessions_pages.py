"""The list, one session, renew and destroy: on the local platform, with real processes."""

import gzip
import re

import httpx
import psutil
import pytest

from sessions_app.models import Operation, Record
from sessions_app.views.listing import VERSION_HEADER
from tests.conftest import until
from tests.portal.conftest import FRAGMENT, launch_values, until_said

pytestmark = pytest.mark.django_db(transaction=True)


async def launched(client, **changes) -> str:
    """Launch a session and return its slug."""
    answer = await client.post("/launch", launch_values(**changes))
    assert answer.status_code == 302, answer.text
    return answer.url.rpartition("/")[2]


async def state_of(client, slug: str) -> str:
    page = await client.get(f"/s/{slug}", headers=FRAGMENT)
    return re.search(r'data-state="(\w+)"', page.text)[1]


async def test_an_empty_account_offers_ways_to_start(alice):
    page = await alice.get("/")
    assert "You have no sessions" in page.text
    assert "/launch?kind=notebook" in page.text


async def test_pages_are_packed_where_the_browser_takes_it_and_tell_nothing_by_their_length(anonymous):
    accepts = {"Accept-Encoding": "gzip, br"}
    answers = [await anonymous.get("/nowhere", headers=accepts) for _ in range(20)]
    plain = await anonymous.get("/nowhere")
    assert {answer.headers["Content-Encoding"] for answer in answers} == {"gzip"}
    assert all(b"Nothing here" in gzip.decompress(answer.content) for answer in answers)
    assert all(int(answer.headers["Content-Length"]) == len(answer.content) for answer in answers)
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert "Content-Encoding" not in plain.headers
    assert "Nothing here" in plain.text
    # The server's clock is on the page; beside that it is the padding that makes the lengths differ.
    sizes = [len(answer.content) for answer in answers]
    assert max(sizes) - min(sizes) > 20


async def test_a_launched_session_is_listed_with_its_state(alice):
    slug = await launched(alice, name="fit-m31")
    await until(lambda: _is(alice, slug, "running"), what="the session to run")
    page = await alice.get("/")
    assert f'id="row-{slug}"' in page.text
    assert "fit-m31" in page.text
    assert "state--running" in page.text


async def test_the_fragment_is_the_list_alone_and_204_when_nothing_changed(alice):
    slug = await launched(alice)
    await until(lambda: _is(alice, slug, "running"), what="the session to run")
    fragment = await alice.get("/", headers=FRAGMENT)
    assert fragment.text.lstrip().startswith('<section id="sessions-list"')
    version = re.search(r'data-version="(\w+)"', fragment.text)[1]
    again = await alice.get("/", headers={**FRAGMENT, VERSION_HEADER: version})
    assert again.status_code == 204


async def test_the_filters_live_in_the_address(alice):
    await launched(alice, name="fit-a", key="a")
    await launched(alice, name="look-b", key="b")
    page = await alice.get("/?q=LOOK&kind=headless")
    assert "look-b" in page.text
    assert "fit-a" not in page.text
    assert 'value="LOOK"' in page.text
    nothing = await alice.get("/?kind=notebook")
    assert "None of your 2 sessions matches" in nothing.text


async def test_a_failed_session_says_why_in_its_line(alice):
    slug = await launched(alice, cmd="python3", args="-c raise(SystemExit(3))")
    await until(lambda: _is(alice, slug, "failed"), what="the session to fail")

    async def said():
        return "exit code 3" in (await alice.get("/")).text

    await until(said, what="the reason")


async def test_no_page_holds_the_platforms_id(alice, platform):
    slug = await launched(alice)
    record = await Record.objects.aget(slug=slug)
    from sessions_app.connections import connection_for

    secret = (await connection_for(alice.person)).id_of(record)
    for address in (
        "/",
        f"/s/{slug}",
        f"/destroy?s={slug}",
        f"/renew?s={slug}",
        "/launch",
        f"/s/{slug}/open",
    ):
        assert secret not in (await alice.get(address)).text
    assert secret not in (record.id_sealed + record.id_fingerprint)


async def test_destroy_asks_first_and_then_ends_every_process(alice, platform_data):
    slug = await launched(alice, cmd="sleep", args="4711")
    await until(lambda: _is(alice, slug, "running"), what="the session to run")
    question = await alice.get(f"/destroy?s={slug}")
    assert "Destroy this session?" in question.text
    assert "/scratch" in question.text
    key = re.search(r'name="key" value="(\w+)"', question.text)[1]
    answer = await alice.post("/destroy", {"s": slug, "key": key}, follow=True)
    assert "was destroyed. Its log and timeline are kept." in answer.text
    assert not [
        each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", "4711"]
    ]


async def test_several_are_destroyed_at_once_and_told_in_one_line(alice):
    slugs = [await launched(alice, name=f"fit-{number}", key=str(number)) for number in range(3)]
    answer = await alice.post("/destroy", {"s": slugs, "key": "all"}, headers=FRAGMENT)
    assert "3 sessions were destroyed." in answer.text
    assert "sessions-changed" in answer.headers["HX-Trigger"]


async def test_renew_says_what_became_of_the_end(alice):
    slug = await launched(alice)
    await until(lambda: _is(alice, slug, "running"), what="the session to run")
    answer = await alice.post("/renew", {"s": slug, "key": "r"}, follow=True)
    # A batch session starts with more time than a renewal gives.
    assert "The platform kept the end" in answer.text


async def test_somebody_elses_session_looks_like_none(alice, bob):
    slug = await launched(alice)
    for address in (
        f"/s/{slug}",
        f"/s/{slug}/open",
        f"/s/{slug}/log.txt",
        f"/destroy?s={slug}",
        f"/renew?s={slug}",
    ):
        theirs, nobodys = await bob.get(address), await bob.get(address.replace(slug, "zzzzzzzzzzzz"))
        assert (theirs.status_code, nobodys.status_code) == (404, 404)
        assert _same_for_all(theirs.text, slug) == _same_for_all(nobodys.text, "zzzzzzzzzzzz")
    assert (await bob.post("/destroy", {"s": slug, "key": "k"})).status_code == 404
    assert await state_of(alice, slug) in {"pending", "running"}


@pytest.mark.parametrize("address", ["/destroy", "/renew", "/launch", "/signout"])
async def test_nothing_changes_by_get(alice, address):
    slug = await launched(alice)
    await alice.get(f"{address}?s={slug}&key=x")
    assert await Operation.objects.acount() == 1
    assert await state_of(alice, slug) in {"pending", "running"}


async def test_the_log_can_be_had_as_text(alice):
    slug = await launched(alice, cmd="echo", args="hello there")
    await until(lambda: _is(alice, slug, "completed"), what="the session to end")
    answer = await alice.get(f"/s/{slug}/log.txt")
    body = b"".join([piece async for piece in answer.streaming_content])
    assert body == b"hello there\n"
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "fit-log.txt" in answer.headers["Content-Disposition"]


async def test_a_batch_session_has_nothing_to_open_and_its_page_leads_to_the_log(alice):
    slug = await launched(alice)
    await until(lambda: _is(alice, slug, "running"), what="the session to run")
    answer = await alice.get(f"/s/{slug}/open")
    assert answer.status_code == 409
    assert "fit cannot be opened" in answer.text
    assert (
        "A batch session runs a command and writes a log; it has no page that could be opened." in answer.text
    )
    assert "It is running, and its log shows what it writes." in answer.text
    assert f'href="/s/{slug}#session-log">See its log</a>' in answer.text
    assert "Launch again" not in answer.text


async def test_a_failed_batch_session_has_its_cause_and_the_end_of_its_log_where_it_would_be_opened(alice):
    script = "for n in $(seq 30); do echo line $n; done; exit 127"
    slug = await launched(alice, cmd="sh", args=f"-c '{script}'")
    await until(lambda: _is(alice, slug, "failed"), what="the session to fail")

    answer = await until_said(alice, f"/s/{slug}/open", "127")
    assert answer.status_code == 409
    assert 'state--failed">Failed</span> Ended with exit code 127: the command was not found.' in answer.text
    assert "Check the spelling, and that the image has it." in answer.text
    assert re.findall(r">(line \d+)<", answer.text) == [f"line {n}" for n in range(11, 31)]
    assert f'href="/s/{slug}#session-log">See its log</a>' in answer.text
    assert f'href="/launch?again={slug}">Launch again</a>' in answer.text
    # A page that was waiting is led here.
    fragment = await alice.get(f"/s/{slug}/open", headers=FRAGMENT)
    assert fragment.headers["HX-Redirect"] == f"/s/{slug}/open"
    # An app of a desktop cannot be launched by itself.
    await Record.objects.filter(slug=slug).aupdate(kind="desktop-app")
    app = await alice.get(f"/s/{slug}/open")
    assert app.status_code == 409
    assert "An app of a desktop has no page of its own: it is on the desktop that started it." in app.text
    assert "Launch again" not in app.text


async def test_the_strip_shows_the_platforms_load_with_its_age(alice):
    page = await alice.get("/stats", headers=FRAGMENT)
    assert "Cores" in page.text
    assert "data-age" in page.text
    assert "My slots" in page.text


async def _is(client, slug: str, state: str) -> bool:
    return await state_of(client, slug) == state


def _same_for_all(text: str, slug: str) -> str:
    """Return a page without what differs at each look: the slug asked for, the form's token and the clock."""
    changing = r'name="csrfmiddlewaretoken" value="\w+"|name="server-time" content="\d+"'
    return re.sub(changing, "", text.replace(slug, ""))


async def test_replicas_are_one_line_and_are_chosen_as_one(alice):
    await alice.post("/launch", launch_values(name="many", replicas="3"))
    await until(lambda: _lists(alice, "many-1…3"), what="the group")
    page = await alice.get("/")
    assert "many-2<" not in page.text
    assert "many-2<" in (await alice.get("/?group=many")).text
    question = await alice.get("/destroy?g=many")
    assert re.search(r"(Destroy|Cancel) these 3", question.text)
    assert question.text.count('name="s"') == 3


async def _lists(client, words: str) -> bool:
    return words in (await client.get("/", headers=FRAGMENT)).text


async def test_what_can_never_start_is_red_in_the_list_with_the_way_to_change_it_first(alice, clean_platform):
    # Launched elsewhere: the form of the portal tells it before.
    headers = {
        "Authorization": f"Bearer {clean_platform.token}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    given = {"name": "vain", "image": "images.canfar.net/skaha/nope:1", "cmd": "true"}
    httpx.post(
        f"{clean_platform.url}/session", params=given, headers=headers, trust_env=False
    ).raise_for_status()

    async def told():
        page = await alice.get("/")
        return page.text if "Cannot start" in page.text else ""

    page = await until(told, seconds=60, what="the reason")
    assert "The image was not found" in page
    row = page[page.index('data-name="vain"') :]
    assert row.index(">Change<") < row.index(">Log<")
    assert "state--pending" not in row[: row.index("</tr>")]
    assert "table__ends--none" in row[: row.index("</tr>")]
