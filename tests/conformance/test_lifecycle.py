"""The contract's 13.1 and 13.3 with real applications: a notebook and a CARTA side by side, and a desktop.

Over plain HTTP first, then once more through either façade of the session client; numbers in the docstrings.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx

from sessions_app.client import errors
from tests.local.harness import FORM, Skaha, eventually

from .facade import Facade, error_of

# A first launch pulls its image; a real platform may take as long to find room.
PATIENCE = 300


def image_of(person: Skaha, kind: str) -> str:
    """Return an image of a kind as the platform lists it, the smallest of ours first."""
    listed = [row["id"] for row in person.get("/image", type=kind).json()]
    return next((image for image in listed if "base-notebook" in image), listed[0])


def moment(row: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(row[name])


def opens(row: dict[str, Any]) -> bool:
    """Open a connectURL as a browser would; names under localhost are this machine, whatever its resolver says."""
    address = httpx.URL(row["connectURL"])
    host = {"Host": address.netloc.decode()} if address.host.endswith(".localhost") else {}
    base = address.copy_with(host="127.0.0.1") if host else address
    with httpx.Client(base_url=base.copy_with(raw_path=b"/"), headers=host, timeout=60) as browser:
        try:
            answer = browser.get(address.raw_path.decode())
            while answer.is_redirect:
                answer = browser.get(answer.headers["location"])
        except httpx.TransportError:
            return False
        return answer.status_code == 200


def test_a_notebook_and_a_carta_live_side_by_side(alice: Skaha) -> None:
    """1, 2, 3, 4, 5, 6, 7, 13."""
    alice.emptied()
    asked = {"name": "MyNote", "image": image_of(alice, "notebook"), "cores": 1, "ram": 1, "type": "notebook"}
    answer = alice.http.post("/session", data=asked)
    assert answer.status_code == 200
    notebook = answer.text.removesuffix("\n")
    carta = alice.create(name="cube", image=image_of(alice, "carta"), type="carta")

    row = alice.until(notebook, "Running", within=PATIENCE)
    assert eventually(lambda: opens(row), every=1)
    assert (row["id"], row["type"], row["name"]) == (notebook, "notebook", "mynote")
    assert row["startTime"] < row["expiryTime"]
    cube = alice.until(carta, "Running", within=PATIENCE)
    assert eventually(lambda: opens(cube), every=1)
    assert {one["id"] for one in alice.get("/session", status="Running").json()} >= {notebook, carta}

    before = moment(alice.info(carta), "expiryTime")

    def later() -> bool:
        assert alice.post(f"/session/{carta}", action="renew").status_code == 200
        return moment(alice.info(carta), "expiryTime") > before

    assert eventually(later, every=1)

    assert alice.delete(notebook).status_code == 200
    assert eventually(lambda: alice.get(f"/session/{notebook}").status_code == 404, within=180)
    assert alice.info(carta)["status"] == "Running"
    assert alice.delete(carta).status_code == 200
    assert eventually(lambda: carta not in alice.get("/session").text, within=180)


def test_renewing_a_desktop_leaves_it_its_time(alice: Skaha) -> None:
    """15."""
    desktop = alice.create(name="desk", image=image_of(alice, "desktop"), type="desktop")
    row = alice.until(desktop, "Running", within=PATIENCE)
    assert moment(row, "expiryTime") > moment(row, "startTime")
    assert alice.http.post(f"/session/{desktop}", params={"action": "renew"}, headers=FORM).status_code == 200
    renewed = alice.info(desktop)
    assert moment(renewed, "expiryTime") > moment(renewed, "startTime")
    alice.delete(desktop)


def test_the_client_sees_them_live_side_by_side(mine: Facade, launched: Any, alice: Skaha) -> None:
    """1, 2, 3, 4, 5, 6, 7, 13, 15."""
    alice.emptied()
    [notebook] = launched(name="MyNote", image=image_of(alice, "notebook"), kind="notebook", cores=1, ram=1)
    [carta] = launched(name="cube", image=image_of(alice, "carta"), kind="carta")
    [desktop] = launched(name="desk", image=image_of(alice, "desktop"), kind="desktop")

    def running() -> dict[str, Any]:
        rows = {row["id"]: row for row in mine.call("info", [notebook, carta, desktop])}
        return rows if {row["status"] for row in rows.values()} == {"Running"} else {}

    rows = eventually(running, within=PATIENCE, every=0.5)
    assert all(eventually(lambda row=row: opens(row), every=1) for row in rows.values())
    assert rows[notebook]["name"] == "mynote"
    assert moment(rows[desktop], "expiryTime") > moment(rows[desktop], "startTime")

    def later() -> bool:
        assert mine.call("renew", [carta, desktop]) == {carta: True, desktop: True}
        [renewed] = mine.call("info", carta)
        return moment(renewed, "expiryTime") > moment(rows[carta], "expiryTime")

    assert eventually(later, every=1)
    assert mine.call("destroy", notebook) == {notebook: True}
    gone = eventually(lambda: error_of(mine, "info", notebook), within=180)
    assert isinstance(gone, errors.NotFoundError)
    assert {row["status"] for row in mine.call("info", [carta, desktop])} == {"Running"}
