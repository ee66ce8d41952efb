"""The items of the contract's chapter 13 over plain HTTP; numbers in the docstrings.

Those with real applications are in `test_lifecycle`, those with desktop apps in `test_apps`.
"""

import datetime
import re
import xml.etree.ElementTree as ElementTree

import httpx
import pytest

from tests.local.harness import FORM, TERMINAL, Skaha, eventually

JSON = "application/json"
NEVER = "images.canfar.net/skaha/never:1"


def refused(answer: httpx.Response, status: int, text: str) -> None:
    assert (answer.status_code, answer.text) == (status, text)
    assert answer.headers["content-type"].startswith("text/plain")


def test_each_session_can_be_deleted(alice: Skaha) -> None:
    """1, 7."""
    alice.create("true")
    for row in alice.get("/session").json():
        assert alice.delete(row["id"]).status_code == 200
    assert eventually(lambda: alice.get("/session").text == "[]")


def test_a_session_has_what_was_asked_for(alice: Skaha) -> None:
    """5, 27, 28, 36."""
    answer = alice.post("/session", name="MyNote", image=NEVER, type="NoteBook")
    assert re.fullmatch(r"[a-z][a-z0-9]{7}\n", answer.text)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    row = alice.info(answer.text.strip())
    assert (row["name"], row["type"], row["status"]) == ("mynote", "notebook", "Pending")
    assert row["connectURL"]
    assert row["startTime"] < row["expiryTime"]
    alice.delete(row["id"])


def test_renewing_a_headless_session_does_not_shorten_it(alice: Skaha) -> None:
    """14: created without a type."""
    session = alice.create("sleep", "160")
    before = alice.info(session)
    answer = alice.post(f"/session/{session}", action="RENEW")
    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-type" not in answer.headers
    assert alice.info(session)["expiryTime"] == before["expiryTime"]
    assert before["type"] == "headless"
    alice.delete(session)


def test_renewing_an_interactive_session_gives_it_its_full_time_again(alice: Skaha) -> None:
    """A renewed session has its full time again, at once."""
    session = alice.create(image=NEVER, type="contributed")
    before = alice.info(session)["expiryTime"]

    def later() -> bool:
        alice.post(f"/session/{session}", action="renew")
        return bool(alice.info(session)["expiryTime"] > before)

    assert eventually(later, every=0.3)
    alice.delete(session)


def test_a_finished_session_cannot_be_renewed(alice: Skaha) -> None:
    """16."""
    session = alice.create("true")
    alice.finished(session)
    answer = alice.post(f"/session/{session}", action="renew")
    assert answer.status_code == 400
    assert answer.text.startswith("No active job for user PosixPrincipal [uidNumber=")
    assert answer.text.endswith(f"with session {session}\n")
    refused(alice.post(f"/session/{session}"), 400, "Cannot modify an existing session\n")
    refused(alice.post(f"/session/{session}", action="x"), 400, "unrecognized action\n")


def test_images_are_listed_by_kind_to_the_letter(alice: Skaha) -> None:
    """17, 18."""
    answer = alice.get("/image")
    assert answer.headers["content-type"] == JSON
    assert all(set(image) == {"id", "types", "digest"} for image in answer.json())
    assert all("notebook" in image["types"] for image in alice.get("/image", type="notebook").json())
    refused(alice.get("/image", type="Notebook"), 400, "unknown type: Notebook\n")


def test_there_is_a_repository(alice: Skaha) -> None:
    """19."""
    assert alice.get("/repository").json()
    assert alice.get("/repository").headers["content-type"] == JSON


def test_stats_have_their_totals(alice: Skaha) -> None:
    """20."""
    answer = alice.get("/session", view="stats")
    found = answer.json()
    assert answer.headers["content-type"] == JSON
    assert isinstance(found["cores"]["requestedCPUCores"], float)
    assert isinstance(found["cores"]["cpuCoresAvailable"], float)
    assert found["cores"]["maxCPUCores"].keys() == {"cpuCores", "withRam"}
    assert found["ram"]["maxRAM"].keys() == {"ram", "withCPUCores"}
    assert all(re.fullmatch(r"[\d.]+G", found["ram"][name]) for name in ("requestedRAM", "ramAvailable"))


def test_the_context_says_what_can_be_asked_for(alice: Skaha) -> None:
    """21."""
    found = alice.get("/context").json()
    assert found.keys() == {"cores", "memoryGB", "gpus", "maxInteractiveSessions"}
    assert found["cores"]["options"]
    assert found["memoryGB"]["options"]
    assert int(found["maxInteractiveSessions"]) > 0


@pytest.mark.parametrize("path", ["/session", "/session/abcdefgh", "/context", "/image", "/repository"])
def test_nobody_is_let_in_without_a_token(alice: Skaha, path: str, own: None) -> None:
    """23."""
    answer = httpx.get(alice.url + path)
    refused(answer, 401, "Unauthorized\n")
    assert answer.headers["www-authenticate"] == "Bearer"
    wrong = httpx.get(alice.url + path, headers={"Authorization": "Bearer nonsense"})
    refused(wrong, 401, "Invalid JWT token")
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


def test_the_answer_says_who_asked(alice: Skaha) -> None:
    """22."""
    answer = alice.get("/session")
    assert answer.headers["server"] == "OpenCADC/cadc-rest"
    assert answer.headers["x-vo-authenticated"]


def test_anothers_session_is_as_good_as_none(alice: Skaha, bob: Skaha) -> None:
    """24, 25."""
    session = alice.create("echo", "secret")
    alice.finished(session)
    refused(bob.get(f"/session/{session}"), 404, f"session {session} not found\n")
    refused(bob.get(f"/session/{session}", view="events"), 404, f"session {session} not found.\n")
    refused(bob.get(f"/session/{session}", view="logs"), 200, "")
    assert bob.delete(session).status_code == 200
    assert bob.post(f"/session/{session}", action="renew").status_code == 400
    assert alice.info(session)
    rows = bob.get("/session", view="all").json()
    assert all(row.keys() == {"userid", "type", "status", "startTime"} for row in rows)
    assert alice.info(session)["userid"] in {row["userid"] for row in rows}


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "Missing parameter 'image'"),
        ({"image": "x.org/a:1"}, "session image 'x.org/a:1' must come from one of [images.canfar.net]"),
        ({"image": TERMINAL, "type": "banana", "cores": "x"}, "Invalid session type: banana"),
        ({"image": TERMINAL, "cores": "0.5", "ram": "x"}, "Invalid value for 'cores': 0.5"),
        ({"image": TERMINAL, "cores": "-1"}, "Invalid value for 'cores': -1"),
        ({"image": TERMINAL, "cores": "x"}, "Invalid value for 'cores': x"),
        ({"image": TERMINAL, "cores": "nan"}, "Invalid value for 'cores': nan"),
        ({"image": TERMINAL, "cores": "100000"}, "Invalid value for 'cores': 100000"),
        ({"image": TERMINAL, "ram": "0.5"}, "Invalid value for 'ram': 0.5"),
        ({"image": TERMINAL}, "Missing parameter 'name'"),
        ({"image": TERMINAL, "name": "a_b"}, "name can only contain alpha-numeric chars and '-'"),
        ({"image": TERMINAL, "name": "a", "gpus": "x"}, "Invalid value for 'gpus': x"),
    ],
)
def test_what_is_wrong_is_said_in_order(alice: Skaha, parameters: dict[str, str], text: str) -> None:
    """26, 27, 28, 29."""
    refused(alice.post("/session", **parameters), 400, text + "\n")


def test_at_the_cap_only_headless_sessions_are_taken(alice: Skaha) -> None:
    """30."""
    maximum = int(alice.get("/context").json()["maxInteractiveSessions"])
    sessions = [alice.create(image=NEVER, type="notebook") for _ in range(maximum)]
    text = f"User {alice.info(sessions[0])['userid']} has reached the maximum of {maximum} active sessions.\n"
    refused(alice.post("/session", name="x", image=NEVER, type="carta"), 400, text)
    sessions.append(alice.create("true"))
    for session in sessions:
        alice.delete(session)


def test_resources_are_shown_if_they_are_fixed(alice: Skaha) -> None:
    """31; memory alone decides (4.5)."""
    both, neither = alice.info(alice.create("true", cores=1, ram=1)), alice.info(alice.create("true"))
    assert (both["isFixedResources"], both["requestedRAM"], both["requestedCPUCores"]) == (True, "1.07", "1")
    assert neither["isFixedResources"] is False
    assert not neither.keys() & {"requestedRAM", "requestedCPUCores"}
    assert alice.info(alice.create("true", cores=1))["isFixedResources"] is False


def test_parameters_are_found_where_clients_put_them(alice: Skaha) -> None:
    """32, 33."""
    given = {"name": "x", "image": TERMINAL, "cmd": "true"}
    assert alice.http.post("/session", params=given, headers=FORM).status_code == 200
    assert alice.http.post("/session", data=given).status_code == 200
    assert (
        alice.http.post("/session", files={key: (None, value) for key, value in given.items()}).status_code
        == 200
    )
    refused(alice.http.post("/session", json=given), 400, "Missing parameter 'image'\n")
    refused(alice.http.post("/session", params=given), 400, "Missing parameter 'image'\n")


def test_repeated_variables_all_arrive(alice: Skaha) -> None:
    """34."""
    session = alice.create("env", env=["REPLICA_ID=1", "REPLICA_COUNT=2"])
    alice.finished(session)
    assert {"REPLICA_ID=1", "REPLICA_COUNT=2"} <= set(alice.view(session, "logs").splitlines())


@pytest.mark.parametrize(("code", "status"), [(0, "Completed"), (3, "Failed")])
def test_the_exit_status_decides(alice: Skaha, code: int, status: str) -> None:
    """35."""
    session = alice.create("sh", "-c", f"exit\t{code}")
    assert alice.finished(session) == status


def test_an_unknown_session_is_not_found(alice: Skaha) -> None:
    """37."""
    session = alice.create("sleep", "60")
    alice.delete(session)
    for name in ("zzzzzzzz", session):
        refused(alice.get(f"/session/{name}"), 404, f"session {name} not found\n")
        refused(alice.get(f"/session/{name}", view="events"), 404, f"session {name} not found.\n")
        refused(alice.get(f"/session/{name}", view="logs"), 200, "")
    text = "canfar.net/id label value must match Kubernetes label value syntax\n"
    refused(alice.get("/session/a%20b"), 400, text)


def test_a_log_has_both_streams_in_order_and_a_pending_one_is_empty(alice: Skaha) -> None:
    """38."""
    session = alice.create("sh", "-c", "echo\ta;echo\tb>&2;echo\tc")
    alice.finished(session)
    refused(alice.get(f"/session/{session}", view="logs"), 200, "a\nb\nc\n")
    pending = alice.create(image=NEVER)
    refused(alice.get(f"/session/{pending}", view="logs"), 200, "")
    alice.delete(pending)


def test_events_are_a_table_of_five_columns(alice: Skaha) -> None:
    """39."""
    session = alice.create("true")
    alice.finished(session)
    header, *rows = alice.view(session, "events").splitlines()
    assert re.split(r" {2,}", header) == ["TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME"]
    assert rows
    for row in rows:
        kind, *_, first, last = parts = re.split(r" {2,}", row)
        assert len(parts) == 5
        assert kind in ("Normal", "Warning")
        assert datetime.datetime.fromisoformat(first) <= datetime.datetime.fromisoformat(last)


def test_the_list_is_filtered_whatever_the_case(alice: Skaha) -> None:
    """40, 41."""
    running, done = alice.create("sleep", "60"), alice.create("true")
    alice.until(running, "Running")
    alice.finished(done)
    ids = [
        {row["id"] for row in alice.get("/session", status=word).json()} for word in ("running", "Running")
    ]
    assert ids[0] == ids[1]
    assert running in ids[0]
    assert done not in ids[0]
    for parameters in ({"status": "nonsense"}, {"type": "nonsense"}, {"type": ""}, {"type": "desktop-app"}):
        answer = alice.get("/session", **parameters)
        assert (answer.text, answer.headers["content-type"]) == ("[]", JSON)
    assert running not in alice.get("/session", view="INTERACTIVE").text
    alice.delete(running)


def test_deleting_is_always_a_success(alice: Skaha) -> None:
    """42."""
    session = alice.create("sleep", "60")
    for name in (session, session, "zzzzzzzz", "a%20b"):
        answer = alice.delete(name)
        assert (answer.status_code, answer.content) == (200, b"")
    refused(alice.http.delete("/session"), 400, "Cannot kill all sessions.\n")


@pytest.mark.parametrize(("path", "allowed"), [("/session", "GET, POST, DELETE"), ("/context", "GET")])
def test_other_methods_are_not_allowed(alice: Skaha, path: str, allowed: str) -> None:
    """43."""
    answer = alice.http.put(path)
    refused(answer, 405, "unsupported: HTTP PUT\n")
    assert answer.headers["allow"] == allowed
    assert alice.http.head(path).status_code == 405


def test_capabilities_name_where_we_were_reached(alice: Skaha, own: None) -> None:
    """44."""
    answer = httpx.get(alice.url.replace("/v1", "/capabilities"))
    assert answer.headers["content-type"] == "text/xml"
    found = {c.get("standardID"): c for c in ElementTree.fromstring(answer.text).iter("capability")}
    session = found["http://www.opencadc.org/std/platform#session-1"].find("interface")
    assert session is not None
    assert session.findtext("accessURL") == f"{alice.url}/session"
    assert session.find("securityMethod").get("standardID") == "ivo://ivoa.net/sso#token"  # type: ignore[union-attr]
    available = ElementTree.fromstring(httpx.get(alice.url.replace("/v1", "/availability")).text)
    assert available.findtext("{http://www.ivoa.net/xml/VOSIAvailability/v1.0}available") == "true"


def test_the_base_answers_a_probe(alice: Skaha) -> None:
    """45."""
    assert httpx.head(alice.url.removesuffix("/v1"), follow_redirects=True).status_code == 200


def test_there_are_no_desktop_apps_and_that_is_said_in_its_words(alice: Skaha, own: None) -> None:
    """A person without a desktop meets the app routes too."""
    assert alice.get("/session/abcdefgh/app").text == "[]"
    refused(alice.http.post("/session/abcdefgh/app"), 400, "Missing parameter 'image'\n")
    refused(alice.post("/session/abcdefgh/app", image=TERMINAL), 404, "session abcdefgh not found\n")
    text = "desktop app with session abcdefgh and app ID abc was not found\n"
    refused(alice.get("/session/abcdefgh/app/abc"), 404, text)
    refused(alice.http.delete("/session/abcdefgh/app"), 400, "Missing app ID\n")
    assert alice.http.delete("/session/abcdefgh/app/abc").status_code == 200
    refused(alice.post("/session/abcdefgh/app/abc"), 400, "Cannot modify an existing app.\n")
    refused(alice.get("/session/a/app/b/c"), 400, "Invalid request: /skaha/v1/session/a/app/b/c\n")
