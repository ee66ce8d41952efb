"""The contract as the session client keeps it: one suite over the platform under test, with either façade.

``test_wire`` has the same platform's answers to the letter; here is what becomes of them.
"""

from __future__ import annotations

import uuid
import webbrowser
from typing import Any

import pytest

from sessions_app.client import errors, values
from tests.local.harness import TERMINAL, eventually

from .facade import Facade, error_of, finished
from .test_wire import NEVER


def test_a_session_is_launched_described_and_ended(mine: Facade, launched: Any) -> None:
    """1, 5, 7, 31, 36, 37."""
    [session] = launched(name="MyJob", cmd="sleep", args="60", cores=1, ram=1)
    [row] = mine.call("info", session)
    info = values.SessionInfo.parse(row)
    assert (info.id, info.name, info.kind, info.image) == (session, "myjob", "headless", TERMINAL)
    assert (info.fixed, info.requested_cores, info.requested_ram_gib) == (True, 1, 1)
    assert session in {row["id"] for row in mine.call("fetch", kind="headless")}
    assert mine.call("destroy", session) == {session: True}
    assert eventually(lambda: isinstance(error_of(mine, "info", session), errors.NotFoundError))
    assert session not in {row["id"] for row in mine.call("fetch")}


def test_each_replica_has_its_number_and_its_name(mine: Facade, launched: Any) -> None:
    """34, 35, 38."""
    ids = launched(name="many", cmd="env", env={"WORD": "caf\u00e9"}, replicas=3)
    assert len(set(ids)) == 3
    assert set(finished(mine, *ids)) <= {"Completed", "Succeeded"}
    assert [row["name"] for row in mine.call("info", ids)] == ["many-1", "many-2", "many-3"]
    for number, session in enumerate(ids, start=1):
        lines = mine.call("logs", session)[session].splitlines()
        assert {f"REPLICA_ID={number}", "REPLICA_COUNT=3", "WORD=caf\u00e9"} <= set(lines)


def test_a_variable_arrives_as_it_was_given(mine: Facade, launched: Any, own: None) -> None:
    """34; the real platform drops a value with a second = in it."""
    [session] = launched(cmd="env", env={"A": "b=c", "E": "", "T": True})
    finished(mine, session)
    assert {"A=b=c", "E=", "T=True"} <= set(mine.call("logs", session)[session].splitlines())


def test_the_exit_status_decides(mine: Facade, launched: Any) -> None:
    """35."""
    [good], [bad] = launched(cmd="true"), launched(cmd="false")
    first, second = finished(mine, good, bad)
    assert (values.state_of(first), values.state_of(second)) == ("completed", "failed")


def test_a_log_streamed_is_the_log_read_whole(mine: Facade, launched: Any) -> None:
    """38."""
    [session] = launched(cmd="seq", args="20000")
    finished(mine, session)
    whole = mine.call("logs", session)[session]
    assert whole.splitlines() == [str(number) for number in range(1, 20_001)]
    assert mine.streamed(session).decode() == whole


def test_events_are_read_from_their_table(mine: Facade, launched: Any) -> None:
    """39."""
    [session] = launched(cmd="true")
    finished(mine, session)
    [told] = mine.call("events", session)
    events = values.parse_events(told[session])
    assert {"Scheduled", "Started"} <= {event.reason for event in events}
    assert all(event.type in {"Normal", "Warning"} and event.message for event in events)


def test_the_list_is_filtered(mine: Facade, launched: Any) -> None:
    """25, 40, 41."""
    [done], [other] = launched(cmd="true"), launched(cmd="sleep", args="60")
    finished(mine, done)
    eventually(lambda: mine.call("info", other)[0]["status"] == "Running")
    running = {row["id"] for row in mine.call("fetch", kind="headless", status="Running")}
    assert other in running
    assert done not in running
    assert mine.call("fetch", kind="carta", status="Failed") == []
    assert mine.call("fetch", kind="desktop-app") == []
    known = {"userid", "type", "status", "startTime"}
    assert all(row.keys() <= known for row in mine.call("fetch", view="all"))


def test_sessions_are_ended_by_the_beginning_of_their_names(mine: Facade, launched: Any) -> None:
    word = f"p{uuid.uuid4().hex[:8]}"
    [gone], [kept] = launched(name=f"{word}-a", cmd="true"), launched(name=f"x{word}", cmd="true")
    [status, _] = finished(mine, gone, kept)
    assert mine.call("destroy_with", word.upper(), status=status) == {}
    assert mine.call("destroy_with", word, status=status) == {gone: True}
    assert isinstance(error_of(mine, "info", gone), errors.NotFoundError)
    assert [row["id"] for row in mine.call("info", [gone, kept])] == [kept]


def test_only_what_lives_can_be_renewed(mine: Facade, launched: Any) -> None:
    """14, 16."""
    [alive], [done] = launched(cmd="sleep", args="60"), launched(cmd="true")
    finished(mine, done)
    eventually(lambda: mine.call("info", alive)[0]["status"] == "Running")
    assert mine.call("renew", [alive, done]) == {alive: True, done: False}
    refused = error_of(mine, "renew", done)
    assert isinstance(refused, errors.RefusedError)
    assert "No active job" in refused.detail
    assert done not in str(refused)


def test_the_platform_tells_what_it_offers(mine: Facade) -> None:
    """17, 18, 19, 20, 21, 22."""
    details = mine.call("image_details")
    assert mine.call("images") == [image.id for image in details]
    assert all("notebook" in image.types for image in mine.call("image_details", "notebook"))
    assert all(mine.call("repositories"))
    context = mine.call("context")
    assert context.core_options
    assert context.ram_options
    assert context.max_interactive
    assert mine.call("availability") is True
    assert mine.call("whoami")


def test_the_load_is_told_or_it_is_told_that_it_is_not(mine: Facade) -> None:
    """20; a stock platform keeps no figures."""
    try:
        stats = values.Stats.parse(mine.call("stats"))
    except errors.PlatformUnavailableError:
        return
    assert stats.cores_capacity
    assert stats.ram_capacity_gb
    assert stats.max_cores


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": "x.org/a/b:1"}, "must come from one of"),
        ({"name": "a_b"}, "name can only contain alpha-numeric chars"),
        ({"cores": 255}, "Invalid value for 'cores': 255"),
        ({"ram": 511}, "Invalid value for 'ram': 511"),
    ],
)
def test_a_refusal_comes_with_the_platforms_reason(mine: Facade, given: Any, said: str) -> None:
    """26, 27, 29."""
    [outcome] = mine.call("outcomes.create", **{"name": "test", "image": TERMINAL, **given})
    assert isinstance(outcome.error, errors.RefusedError)
    assert said in outcome.error.detail
    assert mine.call("create", **{"name": "test", "image": TERMINAL, **given}) == []


def test_at_the_cap_the_reason_is_the_quota(mine: Facade, launched: Any) -> None:
    """30."""
    maximum = mine.call("context").max_interactive
    for _ in range(maximum - len(mine.call("fetch", kind="notebook"))):
        launched(image=NEVER, kind="notebook")
    [outcome] = mine.call("outcomes.create", "test", NEVER, kind="carta")
    assert isinstance(outcome.error, errors.QuotaError)
    assert launched(cmd="true")


def test_what_is_unknown_is_not_found(mine: Facade) -> None:
    """37, 42: a log of nothing is empty, and ending nothing is a success."""
    for name in ("info", "events"):
        assert isinstance(error_of(mine, name, "zzzzzzzz"), errors.NotFoundError)
    assert mine.call("logs", "zzzzzzzz") == {"zzzzzzzz": ""}
    assert mine.call("destroy", "zzzzzzzz") == {"zzzzzzzz": True}
    assert mine.call("renew", "zzzzzzzz") == {"zzzzzzzz": False}


def test_anothers_session_is_as_good_as_none(mine: Facade, theirs: Facade, launched: Any) -> None:
    """24."""
    [session] = launched(cmd="sleep", args="60")
    for name in ("info", "events"):
        assert isinstance(error_of(theirs, name, session), errors.NotFoundError)
    assert theirs.call("logs", session) == {session: ""}
    assert theirs.call("renew", session) == {session: False}
    assert theirs.call("destroy", session) == {session: True}
    assert session not in {row["id"] for row in theirs.call("fetch")}
    assert mine.call("info", session)


def test_a_wrong_token_is_told_as_such(mine: Facade, own: None) -> None:
    """23."""
    stranger = mine.signed_in_by("nonsense")
    with pytest.raises(errors.NotSignedInError):
        mine.call_on(stranger, "fetch")
    [outcome] = mine.call_on(stranger, "outcomes.create", "test", TERMINAL)
    assert isinstance(outcome.error, errors.NotSignedInError)
    assert "nonsense" not in str(outcome.error)


def test_connect_opens_what_the_platform_names(
    mine: Facade, launched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open_new_tab", opened.append)
    ids = [*launched(image=NEVER, kind="contributed"), *launched(cmd="true")]
    mine.call("connect", ids)
    assert opened == [mine.call("info", ids[0])[0]["connectURL"]]


def test_a_desktop_that_does_not_run_has_no_apps(mine: Facade) -> None:
    """A person without a desktop meets the app routes too."""
    apps = mine.session.apps("zzzzzzzz")
    assert mine.call_on(apps, "fetch") == []
    with pytest.raises(errors.NotFoundError):
        mine.call_on(apps, "attach", TERMINAL)
    assert mine.call_on(apps, "info", ["abc"]) == []
    assert mine.call_on(apps, "destroy", ["abc"]) == {"abc": True}
    [outcome] = mine.call_on(apps, "outcomes.info", "abc")
    assert isinstance(outcome.error, errors.NotFoundError)
