"""The heavy kinds, with their real programs; pulled once into a folder that runs share."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import psutil
import pytest

from sessions_app.local import catalogue
from sessions_app.local.pull import Puller, PullError

from .harness import MARIMO, NOTEBOOK, Platform, Skaha, eventually, marked


def browse(platform: Platform, url: str) -> httpx.Response:
    """Open an address as a browser does that resolves every name under localhost to this machine."""
    address = httpx.URL(url)
    with httpx.Client(
        base_url=f"http://127.0.0.1:{platform.port}", headers={"Host": address.netloc.decode()}
    ) as browser:
        answer = browser.get(address.raw_path.decode())
        while answer.is_redirect:
            answer = browser.get(answer.headers["location"])
        return answer


def test_a_notebook_is_pulled_answers_runs_a_kernel_and_leaves_nothing(
    platform: Platform, alice: Skaha
) -> None:
    session = alice.create(name="Lab", image=NOTEBOOK, type="notebook")
    row = alice.until(session, "Running", within=240)
    assert re.search(r"Normal +(Pulled|Ready) ", alice.view(session, "events"))
    page = browse(platform, row["connectURL"])
    assert page.status_code == 200
    assert "JupyterLab" in page.text
    url = httpx.URL(row["connectURL"])
    jupyter = httpx.Client(
        base_url=f"http://127.0.0.1:{platform.port}/session/notebook/{session}",
        headers={"Host": url.netloc.decode(), "Authorization": f"token {session}"},
    )
    assert jupyter.get("/api/kernels", headers={"Authorization": ""}).status_code == 403
    assert jupyter.post("/api/kernels").status_code == 201
    kernel = eventually(lambda: _kernels(session))
    # The same session by its path, for browsers that do not resolve the name; one answer for each connection.
    by_path = httpx.get(f"http://127.0.0.1:{platform.port}/session/notebook/{session}/lab?token={session}")
    assert (by_path.status_code, by_path.headers["connection"]) == (200, "close")
    jupyter.close()
    alice.delete(session)
    eventually(lambda: not any(process.is_running() for process in kernel))


def _kernels(session: str) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [
        p
        for p in found
        if "ipykernel_launcher" in (line := " ".join(p.info["cmdline"] or [])) and session in line
    ]


def test_a_marimo_notebook_signs_in_by_its_connect_address(platform: Platform, alice: Skaha) -> None:
    session = alice.create(name="app", image=MARIMO, type="contributed")
    row = alice.until(session, "Running", within=240)
    assert browse(platform, row["connectURL"]).status_code == 200
    stranger = browse(platform, row["connectURL"].partition("?")[0])
    assert "password" in stranger.text.lower()
    [server] = [p for p in marked(platform.data) if "session_programs.notebook" in p.cmdline()]
    assert server.net_connections("inet") == []
    assert (platform.data / "run" / f"{session}.sock").stat().st_mode & 0o077 == 0
    alice.delete(session)


@pytest.mark.parametrize("image", [image for image in catalogue.IMAGES if image.recipe])
def test_a_lock_pins_every_package_and_names_no_host(image: catalogue.Image) -> None:
    assert image.packages > 0
    assert "://" not in image.lock
    assert all("--hash" in block for block in re.split(r"\n(?=[a-z])", image.lock.strip()))


@pytest.mark.parametrize("image", [image for image in catalogue.IMAGES if image.node])
def test_a_lock_of_npm_packages_pins_every_one_and_names_no_host(image: catalogue.Image) -> None:
    lock = json.loads(image.node_files[1].read_text())["packages"]
    own = [package for name, package in lock.items() if name and not package.get("inBundle")]
    assert len(own) == image.node_packages > 0
    assert all(package["integrity"].startswith("sha512-") for package in own)
    assert "://" not in image.node_files[1].read_text()


def test_npm_that_fails_says_why(tmp_path: Path) -> None:
    class Broken(catalogue.Image):
        @property
        def node_files(self) -> tuple[Path, ...]:
            return tmp_path / "package.json", tmp_path / "package-lock.json"

    (tmp_path / "package.json").write_text('{"dependencies": {"@novnc/novnc": "1.7.0"}}')
    (tmp_path / "package-lock.json").write_text('{"lockfileVersion": 3, "packages": {"": {}}}')
    broken = Broken("skaha/broken:1", ("desktop",), "desktop", node=True)
    with pytest.raises(PullError, match=r"package-lock\.json"):
        asyncio.run(Puller(tmp_path).pull(broken, lambda text: None))


def test_two_who_wait_for_one_image_share_its_pull_and_a_failure_says_why(tmp_path: Path) -> None:
    lock = tmp_path / "broken.lock"
    lock.write_text("no-such-package-anywhere==1.0 --hash=sha256:" + "0" * 64 + "\n")

    class Broken(catalogue.Image):
        lock_path = lock  # type: ignore[assignment]

    async def both() -> list[object]:
        puller, image = Puller(tmp_path), Broken("skaha/broken:1", ("notebook",), "broken")
        pulls = [puller.pull(image, lambda text: None) for _ in range(2)]
        return list(await asyncio.gather(*pulls, return_exceptions=True))

    one, other = asyncio.run(both())
    assert one is other
    assert isinstance(one, PullError)
    assert "no-such-package-anywhere" in str(one)
