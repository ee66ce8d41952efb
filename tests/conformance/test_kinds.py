"""Sessions of two kinds side by side, from create to delete: items 2 to 7 and 13 of the contract's chapter 13."""

import httpx

from tests.local.harness import PULL, Skaha, eventually


def an_image(alice: Skaha, kind: str) -> str:
    return str(alice.get("/image", type=kind).json()[0]["id"])


def opens(url: str) -> bool:
    """Open a connectURL; names under localhost are this machine, whatever its resolver says."""
    address = httpx.URL(url)
    if not address.host.endswith(".localhost"):
        return httpx.get(url, follow_redirects=True).status_code == 200
    here = httpx.Client(
        base_url=f"http://127.0.0.1:{address.port}", headers={"Host": address.netloc.decode()}
    )
    with here:
        answer = here.get(address.raw_path.decode())
        while answer.is_redirect:
            answer = here.get(answer.headers["location"])
        return answer.status_code == 200


def test_a_notebook_and_a_carta_session_run_side_by_side(alice: Skaha) -> None:
    """2 to 7, 13."""
    notebook = alice.create(
        name="note", image=an_image(alice, "notebook"), type="notebook", cores="1", ram="1"
    )
    row = alice.until(notebook, "Running", within=PULL)
    assert (row["id"], row["type"], row["name"]) == (notebook, "notebook", "note")
    assert row["startTime"]
    eventually(lambda: opens(row["connectURL"]), within=30)
    carta = alice.create(name="cube", image=an_image(alice, "carta"), type="carta")
    cube = alice.until(carta, "Running", within=PULL)
    assert cube["connectURL"].endswith(f"/session/carta/{carta}/")
    eventually(lambda: opens(cube["connectURL"]), within=30)
    alice.delete(notebook)
    eventually(lambda: not alice.info(notebook))
    assert alice.info(carta)["status"] == "Running"

    def later() -> bool:
        assert alice.post(f"/session/{carta}", action="renew").status_code == 200
        return bool(alice.info(carta)["expiryTime"] > cube["expiryTime"])

    assert eventually(later, every=0.3)
    alice.delete(carta)
    eventually(lambda: not alice.info(carta))
