"""The waiting page: how far a session is, why it is not further, and what is usual."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from sessions_app.client import errors
from sessions_app.connections import connection_for, estimates, timeline
from sessions_app.connections.estimates import Usual, rounded_up, usual_of, usual_wait
from sessions_app.connections.redaction import Redactor
from sessions_app.models import Person, Record
from sessions_app.views.connect import _raw_beside
from sessions_app.views.course import course_of
from sessions_app.views.listing import VERSION_HEADER
from tests.conftest import until
from tests.portal.conftest import FRAGMENT, launch_values, until_said

NOTEBOOK = "images.canfar.net/skaha/base-notebook:latest"
MISSING = "images.canfar.net/skaha/no-such-image:1"


def seen(*events: tuple[str, str, float], state: str = "pending", ago: float = 60.0) -> Record:
    """Return a record asked for ``ago`` seconds ago with events (reason, message, seconds after that)."""
    began = datetime.now(UTC) - timedelta(seconds=ago)
    told = [(reason, message, (began + timedelta(seconds=at)).isoformat()) for reason, message, at in events]
    rows = [
        {"type": "Normal", "reason": reason, "message": message, "first": at, "last": at, "count": 1}
        for reason, message, at in told
    ]
    states = [["pending", began.isoformat()]]
    if state != "pending":
        states.append([state, (datetime.now(UTC)).isoformat()])
    return Record(name="m31", kind="notebook", state=state, states=states, events=rows, seen=began)


def shape(record: Record, state: str = "pending") -> list[tuple[str, str]]:
    return [(phase.title, phase.place) for phase in course_of(record, state).phases]


def test_a_pull_is_a_phase_with_its_time_and_the_rest_is_still_to_come():
    record = seen(("Scheduled", "", 1), ("Pulling", "", 2), ("Pulled", "in 30 s", 32), ("Started", "", 35))
    assert shape(record) == [
        ("Accepted", "done"),
        ("Pulling", "done"),
        ("Starting", "done"),
        ("Answering", "now"),
        ("Ready", "ahead"),
    ]
    seconds = [phase.seconds for phase in course_of(record, "pending").phases]
    assert [None if each is None else round(each) for each in seconds] == [2, 30, 3, None, None]
    assert course_of(record, "pending").title("m31") == "(4/5) answering · m31"


def test_an_image_that_was_there_has_no_pull():
    record = seen(("Scheduled", "", 0), ("Pulled", "already present", 0), ("Created", "", 0))
    assert [title for title, _ in shape(record)] == ["Accepted", "Starting", "Answering", "Ready"]


def test_who_was_told_nothing_for_long_is_queued_and_who_just_came_is_not():
    assert [title for title, _ in shape(seen(ago=30))][:2] == ["Accepted", "Queued"]
    assert "Queued" not in [title for title, _ in shape(seen(ago=1))]
    late = seen(("Scheduled", "", 40), ("Pulled", "already present", 41))
    queued = course_of(late, "pending").phases[1]
    assert (queued.title, queued.place, round(queued.seconds or 0)) == ("Queued", "done", 41)


def test_no_room_is_a_queue_even_when_it_is_told_at_once():
    assert ("Queued", "now") in shape(seen(("FailedScheduling", "Insufficient cpu", 1), ago=2))


def test_a_pull_that_installs_is_called_so():
    record = seen(("Pulling", "", 1), ("Progress", "Installing 91 packages", 9))
    assert ("Installing", "now") in shape(record)


def test_an_image_that_is_not_there_fails_in_the_pull():
    record = seen(("Failed", 'Failed to pull image "x": not found', 1), state="failed")
    assert ("Pulling", "failed") in shape(record, "failed")


def test_a_session_that_runs_is_ready_also_where_nothing_else_was_told():
    record = seen(state="running", ago=3)
    assert shape(record, "running") == [
        ("Accepted", "done"),
        ("Starting", "done"),
        ("Answering", "done"),
        ("Ready", "done"),
    ]
    assert course_of(record, "running").title("m31") == "Ready · m31"


def test_events_in_whole_seconds_never_give_a_phase_a_negative_time():
    record = seen(("Scheduled", "", -0.9), ("Pulled", "", -0.9), ("Started", "", -0.5))
    assert all((phase.seconds or 0) >= 0 for phase in course_of(record, "pending").phases)


def test_an_estimate_needs_five_samples():
    assert usual_of([(1, 10.0)] * 4, 1) is None
    assert usual_of([(1, 10.0)] * 5, 1) == Usual(10.0, 10.0)


def test_others_count_only_where_three_people_are_among_them():
    two = [(1, 10.0)] * 5 + [(2, 500.0)] * 20
    assert usual_of(two, 1) == Usual(10.0, 10.0)
    assert usual_of(two, 3) is None
    assert usual_of([*two, (4, 500.0)], 3) == Usual(500.0, 500.0)


def test_the_words_of_an_estimate_are_round_and_the_bar_never_ends():
    usual = usual_of([(1, float(seconds)) for seconds in range(1, 101)], 1)
    assert usual == Usual(50.0, 95.0)
    assert usual.words(10) == "usually under 50 s, up to 2 min"
    assert usual.words(96) == "longer than usual: nearly all took up to 2 min"
    assert [usual.percent(seconds) for seconds in (0, 25, 49, 1000)] == [0, 50, 95, 95]
    assert [rounded_up(seconds) for seconds in (0.2, 33, 55, 61, 7000)] == [
        "10 s",
        "40 s",
        "1 min",
        "2 min",
        "2 h",
    ]


@pytest.mark.django_db(transaction=True)
async def test_an_estimate_is_made_of_the_newest_starts_of_that_kind_and_image():
    person = await Person.objects.aenter("somewhere", "alice")
    for number in range(8):
        other = number >= 5
        record = Record.objects.draft(person, f"id{number}")
        record.kind, record.image = "notebook", "other:1" if other else "lab:1"
        record.waited = 900.0 if other else 20.0
        await record.asave()
    asked = Record(owner=person, platform="somewhere", kind="notebook", image="lab:1")
    assert await usual_wait(asked) == Usual(20.0, 20.0)
    assert await usual_wait(Record(owner=person, platform="somewhere", kind="carta", image="lab:1")) is None
    # Within a minute nobody asks the database again.
    await Record.objects.all().adelete()
    assert await usual_wait(asked) == Usual(20.0, 20.0)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    estimates._remembered.clear()


async def launched(client, **changes) -> str:
    values = launch_values(**changes)
    for batch in ("cmd", "args"):
        values.pop(batch)
    answer = await client.post("/launch", values)
    assert answer.status_code == 302, answer.text
    return answer.url.rpartition("/")[2]


async def stuck(client) -> str:
    """Launch a notebook of an image that does not exist, and return its slug when the platform said so."""
    slug = await launched(client, kind="notebook", image="", other_image=MISSING, anyway=MISSING, name="m31")

    async def told():
        return "was not found" in (await client.get(f"/s/{slug}/open?stay=1")).text

    await until(told, what="the reason")
    return slug


async def queued(client) -> str:
    """Launch a notebook that waits for room, which another session holds, and return its slug."""
    context = (await (await connection_for(client.person)).context()).value
    whole = {"resources": "fixed", "cores": str(max(context.core_options)), "ram": "1"}
    await client.post("/launch", launch_values(name="holds", key="holds", **whole))
    return await launched(
        client, kind="notebook", image="images.canfar.net/skaha/base-notebook:latest", name="m31", **whole
    )


@pytest.mark.django_db(transaction=True)
async def test_who_waits_in_vain_is_told_why_and_what_to_do(alice):
    slug = await stuck(alice)
    page = await alice.get(f"/s/{slug}/open")
    assert page.status_code == 200
    assert "The image was not found: check its name and tag." in page.text
    assert "Change the image to one from the list of images, and launch again." in page.text
    assert re.search(r"<title>\(2/\d\) pulling · m31", page.text)
    assert "tab-stuck" in page.text
    assert "data-dialog>Cancel the launch</a>" in page.text
    # Red, and what helps stands first; to open it when it is ready is not offered.
    assert f'href="/launch?again={slug}">Change and launch again' in page.text
    assert 'state--failed">Cannot start' in page.text
    assert "notice--failed" in page.text
    assert "Open when ready" not in page.text
    session = await alice.get(f"/s/{slug}")
    assert "Change the image to one from the list of images, and launch again." in session.text
    assert 'data-title="(2/' in session.text
    # What the words tell to do can be done here, and renewing what never started cannot.
    assert "data-dialog>Cancel the launch</a>" in session.text
    assert f'href="/launch?again={slug}">Change and launch again' in session.text
    assert 'state--failed">Cannot start' in session.text
    assert "Open when ready" not in session.text
    assert ">Renew</a>" not in session.text


@pytest.mark.django_db(transaction=True)
async def test_the_fragment_is_the_page_without_its_frame_and_204_when_nothing_changed(alice):
    slug = await stuck(alice)

    async def unchanged():
        fragment = await alice.get(f"/s/{slug}/open", headers=FRAGMENT)
        assert fragment.text.lstrip().startswith('<section id="waiting"')
        version = re.search(r'data-version="(\w+)"', fragment.text)[1]
        again = await alice.get(f"/s/{slug}/open", headers={**FRAGMENT, VERSION_HEADER: version})
        return again.status_code == 204

    await until(unchanged, what="an unchanged page")


@pytest.mark.django_db(transaction=True)
async def test_open_when_ready_is_a_switch_in_the_address(alice):
    slug = await queued(alice)
    on, off = (await alice.get(f"/s/{slug}/open")).text, (await alice.get(f"/s/{slug}/open?stay=1")).text
    assert 'aria-checked="true" name="stay" value="1">' in on
    assert 'aria-checked="false" name="stay" value="0">' in off
    assert f'hx-get="/s/{slug}/open?stay=1"' in off
    # Without scripts the page is loaded again by itself.
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in on


@pytest.mark.django_db(transaction=True)
async def test_a_running_session_is_opened_at_once_and_noted_or_waits_for_a_click(alice, monkeypatch):
    slug = await stuck(alice)
    # The way on does not ask what kind of program answers, so a session that is told to run will do.
    from sessions_app.views import connect

    async def runs(*_):
        return "running", "http://s-x.localhost:1/session/notebook/secret/lab?token=secret"

    monkeypatch.setattr(connect, "_state_and_address", runs)
    stays = await alice.get(f"/s/{slug}/open?stay=1")
    assert stays.status_code == 200
    assert re.search(rf'id="waiting-open" href="/s/{slug}/open">Open', stays.text)
    assert "secret" not in stays.text
    assert "<title>Ready · m31" in stays.text
    fragment = await alice.get(f"/s/{slug}/open", headers=FRAGMENT)
    assert fragment.headers["HX-Redirect"] == f"/s/{slug}/open"
    assert "secret" not in str(fragment.headers)
    record = await Record.objects.aget(slug=slug)
    assert record.opened == []
    gone = await alice.get(f"/s/{slug}/open")
    assert (gone.status_code, gone.headers["Referrer-Policy"]) == (303, "no-referrer")
    await record.arefresh_from_db()
    assert [each["who"] for each in record.opened] == [alice.person.name]
    assert [row["says"] for row in await timeline.history(record, Redactor()) if row["reason"] == "Open"] == [
        f"{alice.person.name} opened it."
    ]


@pytest.mark.django_db(transaction=True)
async def test_a_platform_that_answers_in_jargon_is_told_of_in_words(alice, monkeypatch):
    slug = await stuck(alice)
    from sessions_app.views import connect

    async def fails(*_):
        raise errors.PlatformFailedError(detail="java.lang.NullPointerException: PosixPrincipal", status=500)

    monkeypatch.setattr(connect, "_state_and_address", fails)
    page = await alice.get(f"/s/{slug}/open")
    assert page.status_code == 503
    assert "<strong>The platform failed at this.</strong> Try again later" in page.text
    assert "Principal" not in page.text


@pytest.mark.django_db(transaction=True)
async def test_a_failure_is_told_with_its_cause_the_last_lines_and_a_way_to_try_again(alice, monkeypatch):
    answer = await alice.post(
        "/launch",
        launch_values(
            name="m31", cmd="sh", args="-c printf${IFS}'\\033[31m\\nno${IFS}licence';exit${IFS}127"
        ),
    )
    slug = answer.url.rpartition("/")[2]

    async def failed():
        return 'data-state="failed"' in (await alice.get(f"/s/{slug}", headers=FRAGMENT)).text

    await until(failed, what="the session to fail")
    # A batch session cannot be opened; what became of an interactive one is told the same way.
    await Record.objects.filter(slug=slug).aupdate(kind="notebook")

    page = await until_said(alice, f"/s/{slug}/open", "127")
    assert page.status_code == 410
    assert "Ended with exit code 127: the command was not found." in page.text
    assert "Check the spelling, and that the image has it." in page.text
    # The colour that the line before began lasts.
    assert 'class="ansi-fg-1">no' in page.text
    assert "licence</span>" in page.text
    assert ">Launch again</a>" in page.text
    assert "phase--failed" in page.text
    fragment = await alice.get(f"/s/{slug}/open", headers=FRAGMENT)
    assert fragment.status_code == 200
    assert "hx-trigger" not in fragment.text.split(">")[0]


@pytest.mark.django_db(transaction=True)
async def test_a_stranger_is_not_shown_how_far_a_session_is(alice, bob):
    slug = await stuck(alice)
    assert (await bob.get(f"/s/{slug}/open")).status_code == 404
    assert (await bob.get(f"/s/{slug}/open?stay=1", headers=FRAGMENT)).status_code == 404
    assert (await bob.post(f"/s/{slug}/open")).status_code in {404, 405}


@pytest.mark.django_db(transaction=True)
async def test_the_time_a_session_took_to_run_is_noted(alice):
    answer = await alice.post("/launch", launch_values(name="quick", args="30"))
    slug = answer.url.rpartition("/")[2]

    async def noted():
        await alice.get(f"/s/{slug}", headers=FRAGMENT)
        record = await Record.objects.aget(slug=slug)
        return record if record.state == "running" else None

    record = await until(noted, what="the session to run")
    assert record.waited is not None
    assert 0 <= record.waited < 30


def test_the_platforms_own_words_are_left_out_where_the_sentence_says_the_same_with_other_quotes():
    sentence = "Waits for 2 cores; “holds” holds them."
    assert _raw_beside("Waiting: Waits for 2 cores; `holds` holds them", sentence) == ""
    assert _raw_beside("Failed: no such image", sentence) == "Failed: no such image"
