"""The kinds with programs of our own: web terminal, desktop, and the viewer that stands in for two others."""

import contextlib
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from sessions_app.local.process import MARKER

from .harness import DESKTOP, JS9, PULL, WEB_TERMINAL, XTERM, Platform, Skaha, eventually, marked, running

SCREENS = Path("/tmp/.X11-unix")


class Visit:
    """A browser at one session, which finds every name under localhost on this machine."""

    def __init__(self, platform: Platform, row: dict[str, Any]) -> None:
        self.url, self.port = httpx.URL(row["connectURL"]), platform.port
        self.host = self.url.netloc.decode()
        self.base = "/".join(self.url.path.split("/")[:4])
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers={"Host": self.host})

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.http.get(self.base + path, **more)

    def enter(self) -> httpx.Response:
        return self.http.get(self.url.raw_path.decode())

    def socket(self, path: str, origin: str = "", cookie: str = "") -> ClientConnection:
        line = socket.create_connection(("127.0.0.1", self.port))
        return connect(
            f"ws://{self.host}{self.base}{path}",
            sock=line,
            origin=origin or f"http://{self.host}",  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie} if cookie else None,
            open_timeout=10,
        )


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on which one of each can run at a time."""
    options = ("--grace", "2", "--max-sessions", "9")
    with running(tmp_path_factory.mktemp("kinds") / "data", *options) as platform:
        yield platform


@pytest.fixture(scope="module")
def terminal(platform: Platform) -> Iterator[Visit]:
    session = platform.alice.create(name="shell", image=WEB_TERMINAL, type="contributed")
    yield Visit(platform, platform.alice.until(session, "Running", within=PULL))
    platform.alice.delete(session)


def cookie(terminal: Visit) -> str:
    return terminal.enter().headers["set-cookie"].partition(";")[0]


def said(shell: ClientConnection, wanted: str) -> str:
    """Read what a shell prints until it has printed this."""
    seen, deadline = "", time.monotonic() + 15
    while not re.search(wanted, seen):
        kind, *text = json.loads(shell.recv(timeout=deadline - time.monotonic()))
        seen += text[0] if kind == "stdout" else ""
    return seen


def test_the_secret_of_a_terminal_is_asked_for_once_and_leaves_the_address(terminal: Visit) -> None:
    entered = terminal.enter()
    assert (entered.status_code, entered.headers["location"]) == (302, f"{terminal.base}/")
    kept = entered.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert f"Path={terminal.base}/" in kept
    page = terminal.get("/", headers={"Cookie": cookie(terminal)})
    assert page.status_code == 200
    assert "<h1>shell</h1>" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/?token="])
def test_a_terminal_turns_away_who_does_not_know_its_secret(terminal: Visit, path: str) -> None:
    answer = terminal.get(path, headers={"Cookie": "terminal=guessed"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_only_its_own_page_with_its_cookie_may_open_a_shell(terminal: Visit) -> None:
    known = cookie(terminal)
    for origin, brought in (("http://evil.example", known), ("http://localhost:8000", known), ("", "")):
        with pytest.raises(InvalidStatus) as refused:
            terminal.socket("/shell/main", origin, brought)
        assert refused.value.response.status_code == 403


def test_a_typed_command_runs_in_the_persons_home_and_in_a_window_of_the_right_size(
    platform: Platform, terminal: Visit
) -> None:
    with terminal.socket("/shell/typed", cookie=cookie(terminal)) as shell:
        shell.send(json.dumps(["set_size", 31, 87]))
        shell.send(json.dumps(["stdin", "stty size; pwd; echo $((6 * 7))-$skaha_username\r"]))
        seen = said(shell, "42-alice")
    assert "31 87" in seen
    assert f"{platform.data}/home/alice" in seen


def test_a_shell_goes_on_while_nobody_is_connected_and_a_new_one_follows_one_that_ended(
    terminal: Visit,
) -> None:
    known = cookie(terminal)
    with terminal.socket("/shell/kept", cookie=known) as shell:
        shell.send(json.dumps(["stdin", "kept=still-$((40 + 2))\r"]))
        said(shell, r"still-")
    with terminal.socket("/shell/kept", cookie=known) as shell:
        shell.send(json.dumps(["stdin", "echo $kept; exit\r"]))
        said(shell, "still-42")
        assert eventually(lambda: json.loads(shell.recv(timeout=60))[0] == "disconnect")
    with terminal.socket("/shell/kept", cookie=known) as shell:
        shell.send(json.dumps(["stdin", "echo new-$kept-$((1 + 1))\r"]))
        said(shell, "new--2")


def test_more_shells_than_there_may_be_end_the_oldest_that_nobody_looks_at(terminal: Visit) -> None:
    known = cookie(terminal)
    for number in range(20):
        with terminal.socket(f"/shell/many{number}", cookie=known) as shell:
            shell.send(json.dumps(["stdin", "echo $((6 * 7))\r"]))
            said(shell, "42")


def test_one_session_does_not_lead_to_another(platform: Platform, terminal: Visit, alice: Skaha) -> None:
    session = alice.create(name="other", image=WEB_TERMINAL, type="contributed")
    other = Visit(platform, alice.until(session, "Running", within=PULL))
    known = cookie(terminal)
    assert terminal.http.get(f"{other.base}/", headers={"Cookie": known}).status_code == 404
    assert other.get("/", headers={"Cookie": known}).status_code == 403
    assert other.get(f"/?token={terminal.base.rpartition('/')[2]}").status_code == 403
    alice.delete(session)


# The desktop


@pytest.fixture(scope="module")
def desktop(platform: Platform) -> Iterator[Visit]:
    session = platform.alice.create(name="screen", image=DESKTOP, type="desktop", cores="1", ram="1")
    row = platform.alice.until(session, "Running", within=PULL)
    yield Visit(platform, row)
    screen = display(platform, session)
    platform.alice.delete(session)
    eventually(lambda: not screen.exists() and not list((platform.data / "run").glob(f"{session}.*")))


def display(platform: Platform, session: str) -> Path:
    number = (platform.data / "sessions" / session / "display").read_text()
    return SCREENS / number.replace(":", "X")


def id_of(visit: Visit) -> str:
    return visit.base.rpartition("/")[2]


def test_the_page_of_a_desktop_comes_with_its_viewer(desktop: Visit) -> None:
    page = desktop.enter()
    assert page.status_code == 200
    assert "screen · desktop" in page.text
    assert desktop.get("/desktop.js").status_code == 200
    assert "export default class RFB" in desktop.get("/novnc/core/rfb.js").text
    assert desktop.get("/novnc/../../../READY").status_code == 404
    assert desktop.get("/novnc/%2e%2e/%2e%2e/%2e%2e/READY").status_code in (403, 404)


def test_a_desktop_is_flexible_whatever_was_asked_for(desktop: Visit, alice: Skaha) -> None:
    row = alice.info(id_of(desktop))
    assert row["isFixedResources"] is False
    assert "requestedRAM" not in row
    assert row["connectURL"].endswith(
        f"/session/desktop/{row['id']}/?password={row['id']}&path=session/desktop/{row['id']}/"
    )


def read(screen: ClientConnection, count: int, seen: bytearray) -> bytes:
    while len(seen) < count:
        piece = screen.recv(timeout=60)
        seen += piece if isinstance(piece, bytes) else piece.encode()
    wanted = bytes(seen[:count])
    del seen[:count]
    return wanted


def signed(challenge: bytes, password: str) -> bytes:
    """Answer a challenge as VNC has it: single DES with the bits of each byte of the password turned round."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode().ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return encryptor.update(challenge) + encryptor.finalize()


def shake_hands(desktop: Visit, password: str) -> int:
    seen = bytearray()
    with desktop.socket("/") as screen:
        assert read(screen, 12, seen) == b"RFB 003.008\n"
        screen.send(b"RFB 003.008\n")
        offered = read(screen, read(screen, 1, seen)[0], seen)
        assert offered == bytes([2])  # A password, and nothing weaker.
        screen.send(bytes([2]))
        screen.send(signed(read(screen, 16, seen), password))
        return int.from_bytes(read(screen, 4, seen), "big")


def test_a_screen_is_shown_to_who_knows_the_password(desktop: Visit) -> None:
    assert shake_hands(desktop, "wrong") == 1
    assert shake_hands(desktop, id_of(desktop)) == 0


def test_only_its_own_page_may_open_a_screen(desktop: Visit) -> None:
    with pytest.raises(InvalidStatus) as refused:
        desktop.socket("/", "http://evil.example")
    assert refused.value.response.status_code == 403


def test_a_screen_listens_on_no_port_and_is_closed_to_others(platform: Platform, desktop: Visit) -> None:
    folder = platform.data / "sessions" / id_of(desktop)
    for name in ("authority", "vnc-password", "secret"):
        assert (folder / name).stat().st_mode & 0o077 == 0
    server = next(process for process in marked(platform.data) if process.name() == "Xtigervnc")
    assert server.net_connections("inet") == []
    unknown = psutil.Popen(
        ["xterm", "-e", "true"],
        env={"DISPLAY": (folder / "display").read_text(), "PATH": "/usr/bin:/bin", "HOME": "/nowhere"},
        stderr=-3,
    )
    assert unknown.wait(60) != 0


def test_a_desktop_whose_screen_dies_ends_as_a_whole_and_says_so(platform: Platform, alice: Skaha) -> None:
    session = alice.create(name="fragile", image=DESKTOP, type="desktop")
    alice.until(session, "Running", within=PULL)
    screen = display(platform, session)
    mine = [p for p in marked(platform.data) if session in p.environ().get("skaha_sessionid", "")]
    next(process for process in mine if process.name() == "Xtigervnc").kill()
    assert alice.until(session, "Failed", "Completed")["status"] == "Failed"
    assert "The X server has ended (-9), and the desktop with it." in alice.view(session, "logs")
    assert "Exited with code 1" in alice.view(session, "events")
    eventually(lambda: not any(process.is_running() for process in mine))
    eventually(lambda: not screen.exists())
    alice.delete(session)


def test_a_killed_platform_finds_a_desktop_and_its_app_again(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--grace", "2") as platform:
        session = platform.alice.create(name="lasting", image=DESKTOP, type="desktop")
        platform.alice.until(session, "Running", within=PULL)
        screen = display(platform, session)
        app = platform.alice.post(f"/session/{session}/app", image=XTERM).text.strip()
        alice = platform.again(signal.SIGKILL).alice
        eventually(lambda: alice.get(f"/session/{session}/app/{app}").json()["status"] == "Running")
        [row] = alice.get(f"/session/{session}/app").json()
        assert (row["id"], row["appid"]) == (session, app)
        assert shake_hands(Visit(platform, alice.info(session)), session) == 0
        assert alice.get("/session", view="stats").json()["instances"]["desktopApp"] == 1
        with (platform.data / "sessions" / f"{session}-{app}" / "log").open("a") as log:
            log.write("said by the app\n")
        assert alice.view(session, "logs").endswith("said by the app\n")
        [process] = [p for p in marked(platform.data) if p.name() == "xterm" and app in p.environ()[MARKER]]
        process.kill()
        eventually(lambda: alice.get(f"/session/{session}/app/{app}").json()["status"] == "Failed")
        again = alice.post(f"/session/{session}/app", image=XTERM).text.strip()
        eventually(lambda: alice.get(f"/session/{session}/app/{again}").json()["status"] == "Running")
        alice.delete(session)
        eventually(lambda: not marked(platform.data) and not screen.exists())


# The viewer


@pytest.fixture(scope="module")
def viewer(platform: Platform) -> Iterator[Visit]:
    home = platform.data / "home" / "alice"
    (home / "data" / ".hidden").mkdir(parents=True, exist_ok=True)
    (home / "data" / "m 31.fits").write_bytes(b"SIMPLE  =")
    (home / "data" / "notes.txt").write_text("private")
    (home / "data" / ".hidden" / "m33.fits").write_bytes(b"SIMPLE  =")
    (home / "data" / "out.fits").symlink_to("/etc/passwd")
    session = platform.alice.create(name="look", image=JS9, type="carta")
    yield Visit(platform, platform.alice.until(session, "Running", within=PULL))
    platform.alice.delete(session)


def test_the_viewer_says_what_it_stands_in_for(viewer: Visit) -> None:
    assert viewer.url.path == f"{viewer.base}/"
    page = viewer.enter()
    assert page.status_code == 200
    assert "This is JS9, standing in for CARTA, which cannot be had here." in page.text
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    assert viewer.get("/js9/js9.min.js").status_code == 200


def test_the_viewer_has_an_image_to_begin_with(viewer: Visit) -> None:
    sample = viewer.get("/sample.fits").content
    assert sample.startswith(b"SIMPLE  =                    T")
    assert len(sample) % 2880 == 0
    assert len(sample) > 384 * 384 * 4


def test_the_viewer_shows_fits_files_of_the_home_and_nothing_else(viewer: Visit) -> None:
    assert viewer.get("/files").json() == [{"name": "data/m 31.fits", "size": 9}]
    assert viewer.get("/home/data/m%2031.fits").content == b"SIMPLE  ="
    for path in (
        "data/notes.txt",
        "data/.hidden/m33.fits",
        "data/out.fits",
        "..%2f..%2fstate.sqlite3",
        "nothing.fits",
    ):
        assert viewer.get(f"/home/{path}").status_code in (403, 404), path


def test_firefly_is_the_viewer_with_the_size_that_firefly_always_has(
    platform: Platform, alice: Skaha
) -> None:
    session = alice.create(name="fly", image=JS9, type="firefly", cores="1", ram="1")
    row = alice.until(session, "Running", within=PULL)
    assert (row["requestedRAM"], row["requestedCPUCores"]) == ("4.29", "0.100")
    assert row["isFixedResources"] is True
    assert row["connectURL"].endswith(f"/session/firefly/{session}/firefly/")
    assert "standing in for Firefly" in Visit(platform, row).enter().text
    alice.delete(session)


def test_what_this_machine_lacks_is_not_listed_and_its_launch_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with running(tmp_path / "data", "--images", str(tmp_path / "images"), "--grace", "1") as bare:
        listed = {row["id"].partition("skaha/")[2] for row in bare.alice.get("/image").json()}
        assert listed == {"terminal:latest", "base-notebook:latest", "marimo:latest"}
        session = bare.alice.create(name="none", image=DESKTOP, type="desktop")
        lacking = eventually(
            lambda: (said := bare.alice.view(session, "events")) and "this machine lacks" in said and said
        )
        assert "Xtigervnc, vncpasswd or tigervncpasswd, jwm, xterm, npm: install tigervnc-" in lacking
        assert "ImagePullBackOff" in lacking
        with contextlib.suppress(httpx.HTTPError):
            bare.alice.delete(session)
