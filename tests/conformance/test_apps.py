"""Desktop apps: items 8 to 12 of the contract's chapter 13, over plain HTTP and through either façade of the client.

Numbers in the docstrings.
"""

from collections.abc import Iterator

import pytest

from tests.local.harness import FORM, PULL, Skaha, eventually

from .conftest import Under
from .facade import Facade
from .test_wire import JSON, refused


def an_image(alice: Skaha, kind: str) -> str:
    rows = alice.get("/image", type=kind).json()
    assert rows, f"no image of type {kind}"
    return str(rows[0]["id"])


@pytest.fixture(scope="module")
def desktop(under: Under) -> Iterator[str]:
    session = under.alice.create(name="desk", image=an_image(under.alice, "desktop"), type="desktop")
    under.alice.until(session, "Running", within=PULL)
    yield session
    under.alice.delete(session)


def add(alice: Skaha, desktop: str, **more: str) -> str:
    answer = alice.post(f"/session/{desktop}/app", image=an_image(alice, "desktop-app"), **more)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert len(answer.text) == 4
    return answer.text.strip()


def row_of(alice: Skaha, desktop: str, app: str) -> dict[str, object]:
    answer = alice.get(f"/session/{desktop}/app/{app}")
    return answer.json() if answer.status_code == 200 else {}


def apps_of(alice: Skaha, desktop: str, **filters: str) -> list[dict[str, object]]:
    answer = alice.get(f"/session/{desktop}/app", **filters)
    assert answer.headers["content-type"] == JSON
    return answer.json()


def remove(alice: Skaha, desktop: str, app: str) -> None:
    answer = alice.http.delete(f"/session/{desktop}/app/{app}")
    assert (answer.status_code, answer.content) == (200, b"")
    eventually(lambda: not row_of(alice, desktop, app))


def test_an_app_runs_and_is_listed_until_it_is_deleted(alice: Skaha, desktop: str) -> None:
    """8, 9, 41."""
    app = add(alice, desktop)
    row = eventually(lambda: (r := row_of(alice, desktop, app)).get("status") == "Running" and r)
    assert (row["id"], row["appid"], row["type"], row["connectURL"]) == (desktop, app, "desktop-app", "")
    assert list(row).index("appid") == list(row).index("supplementalGroups") + 1
    assert [each["appid"] for each in apps_of(alice, desktop)] == [app]
    assert [each["appid"] for each in apps_of(alice, "whatever")] == [app]
    assert [each["appid"] for each in apps_of(alice, desktop, status="running")] == [app]
    assert apps_of(alice, desktop, status="Failed") == []
    everybody = apps_of(alice, desktop, view="all")
    assert all(set(each) == {"userid", "type", "status", "startTime"} for each in everybody)
    kinds = {each["type"] for each in alice.get("/session").json()}
    assert "desktop-app" not in kinds
    assert [each["appid"] for each in alice.get("/session", type="desktop-app").json()] == [app]
    interactive = alice.get("/session", view="interactive").json()
    assert app in {each.get("appid") for each in interactive}
    remove(alice, desktop, app)
    assert apps_of(alice, desktop) == []
    remove(alice, desktop, app)


def test_an_app_has_the_resources_that_were_asked_for(alice: Skaha, desktop: str) -> None:
    """10."""
    app = add(alice, desktop, cores="1", ram="4")
    row = row_of(alice, desktop, app)
    assert row["requestedCPUCores"] == "1"
    assert str(row["requestedRAM"]).partition(".")[0] == "4"
    remove(alice, desktop, app)
    image = an_image(alice, "desktop-app")
    refused(
        alice.post(f"/session/{desktop}/app", image=image, cores="x"), 400, "Invalid value for 'cores': x\n"
    )


def test_an_app_needs_an_image_and_a_running_desktop(alice: Skaha, desktop: str) -> None:
    """8."""
    refused(alice.post(f"/session/{desktop}/app"), 400, "Missing parameter 'image'\n")
    image = an_image(alice, "desktop-app")
    refused(alice.post("/session/aaaaaaaa/app", image=image), 404, "session aaaaaaaa not found\n")
    missing = f"desktop app with session {desktop} and app ID zzz was not found\n"
    refused(alice.get(f"/session/{desktop}/app/zzz"), 404, missing)
    refused(alice.http.delete(f"/session/{desktop}/app"), 400, "Missing app ID\n")
    refused(alice.post(f"/session/{desktop}/app/zzz", image=image), 400, "Cannot modify an existing app.\n")


def test_an_app_is_its_owners_alone(alice: Skaha, bob: Skaha, desktop: str) -> None:
    """24, for apps."""
    app = add(alice, desktop)
    assert bob.get(f"/session/{desktop}/app/{app}").status_code == 404
    assert apps_of(bob, desktop) == []
    assert bob.http.delete(f"/session/{desktop}/app/{app}").status_code == 200
    assert bob.post(f"/session/{desktop}/app", image=an_image(bob, "desktop-app")).status_code == 404
    assert row_of(alice, desktop, app)
    assert alice.get(f"/session/{desktop}-{app}").status_code == 404
    remove(alice, desktop, app)


def test_a_desktop_with_an_app_has_no_events_and_the_logs_of_both(alice: Skaha, desktop: str) -> None:
    """38, 39, for desktops."""
    alone = alice.view(desktop, "logs")
    assert alice.view(desktop, "events").startswith("TYPE ")
    app = add(alice, desktop)
    assert alice.view(desktop, "events") == "<none>\n"
    assert alice.view(desktop, "logs").startswith(alone)
    remove(alice, desktop, app)
    assert alice.view(desktop, "events").startswith("TYPE ")


def test_an_app_does_not_count_to_the_maximum(alice: Skaha, desktop: str) -> None:
    """30."""
    maximum = int(alice.get("/context").json()["maxInteractiveSessions"])
    apps = [add(alice, desktop) for _ in range(maximum)]
    answer = alice.post("/session", name="one", image=an_image(alice, "carta"), type="carta", headers=FORM)
    assert answer.status_code == 200
    alice.delete(answer.text.strip())
    for app in apps:
        remove(alice, desktop, app)


def test_renewing_a_desktop_renews_it_and_its_apps(alice: Skaha, desktop: str) -> None:
    """15."""
    app = add(alice, desktop)
    eventually(lambda: row_of(alice, desktop, app).get("status") == "Running")
    before, desktop_before = row_of(alice, desktop, app)["expiryTime"], alice.info(desktop)["expiryTime"]

    def later() -> bool:
        assert alice.post(f"/session/{desktop}", action="renew").status_code == 200
        return str(row_of(alice, desktop, app)["expiryTime"]) > str(before)

    assert eventually(later, every=0.3)
    assert alice.info(desktop)["expiryTime"] > desktop_before
    remove(alice, desktop, app)


def test_deleting_a_desktop_takes_its_apps(alice: Skaha) -> None:
    """11, 12."""
    session = alice.create(name="going", image=an_image(alice, "desktop"), type="desktop")
    alice.until(session, "Running", within=PULL)
    app = add(alice, session)
    assert alice.delete(session).status_code == 200
    eventually(lambda: not alice.info(session) and not row_of(alice, session, app))
    assert session not in {row["id"] for row in alice.get("/session", type="desktop-app").json()}


def test_the_client_runs_apps_on_a_desktop(mine: Facade, alice: Skaha) -> None:
    """8, 9, 10, 11, 12."""
    image = an_image(alice, "desktop-app")
    [session] = mine.call("create", "going", an_image(alice, "desktop"), kind="desktop")
    apps = mine.session.apps(session)

    def status(app: str) -> str:
        return "".join(row["status"] for row in mine.call_on(apps, "info", app))

    eventually(lambda: mine.call("info", session)[0]["status"] == "Running", within=PULL)
    first, second = (mine.call_on(apps, "attach", image, cores=1, ram=4) for _ in range(2))
    eventually(lambda: status(first) == status(second) == "Running")
    [row] = mine.call_on(apps, "info", first)
    assert (row["id"], row["appid"], row["requestedCPUCores"]) == (session, first, "1")
    assert row["requestedRAM"].partition(".")[0] == "4"
    assert {each["appid"] for each in mine.call_on(apps, "fetch")} == {first, second}
    assert mine.call_on(apps, "destroy", first) == {first: True}
    assert [each["appid"] for each in mine.call_on(apps, "fetch")] == [second]
    assert mine.call("destroy", session) == {session: True}
    eventually(lambda: mine.call("info", session) == [])
    assert eventually(lambda: status(second) == "" and mine.call_on(apps, "fetch") == [])
