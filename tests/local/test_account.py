"""`/ac`: password login, whoami and the account, as CADC's service answers (contract 10.1)."""

import base64
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from sessions_app.client import Session, errors

from .harness import Platform, Skaha, eventually, running


@pytest.fixture
def ac(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://localhost:{platform.port}/ac") as client:
        yield client


@pytest.fixture(scope="module")
def password(platform: Platform) -> str:
    return str(platform.word["password"])


def signed_in(ac: httpx.Client, password: str) -> str:
    return ac.post("/login", data={"username": "alice", "password": password}).text


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_login_gives_a_token_for_two_days_that_its_holder_can_read(ac: httpx.Client, password: str) -> None:
    answer = ac.post("/login", data={"username": "alice", "password": password})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain")
    assert answer.headers["x-vo-authenticated"] == "alice"
    assert answer.headers["x-vo-bearer"] == answer.text
    assert "set-cookie" not in answer.headers
    told = parse_qs(base64.b64decode(answer.text).decode())
    assert told.keys() == {"expirytime", "userID", "scope", "domain", "signature"}
    assert told["userID"] == ["alice"]
    assert int(told["expirytime"][0]) / 1000 - time.time() == pytest.approx(48 * 3600, abs=60)


def test_that_token_opens_the_platform(platform: Platform, ac: httpx.Client, password: str) -> None:
    answer = Skaha(platform.alice.url, signed_in(ac, password)).get("/session")
    assert (answer.status_code, answer.headers["x-vo-authenticated"]) == (200, "alice")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({}, "Missing username\n"),
        ({"password": "x"}, "Missing username\n"),
        ({"username": "alice"}, "Missing password\n"),
        ({"username": "alice", "password": ""}, "Missing password\n"),
    ],
)
def test_what_is_missing_is_said(ac: httpx.Client, form: dict[str, str], text: str) -> None:
    answer = ac.post("/login", data=form)
    assert (answer.status_code, answer.text) == (400, text)


def test_a_password_in_the_address_is_not_read(ac: httpx.Client, password: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ac.post("/login", params={"username": "alice", "password": password}, headers=form)
    assert answer.status_code == 400


def test_a_login_is_posted(ac: httpx.Client) -> None:
    answer = ac.get("/login")
    assert (answer.status_code, answer.headers["allow"], answer.text) == (
        405,
        "POST",
        "unsupported: HTTP GET\n",
    )


def test_an_unknown_name_and_a_wrong_password_look_the_same(ac: httpx.Client) -> None:
    answers = [ac.post("/login", data={"username": name, "password": "x"}) for name in ("alice", "nobody")]
    assert {(each.status_code, each.text) for each in answers} == {(401, "Invalid username or password")}


@pytest.mark.parametrize("name", ["oscar", "nobody-here"])
def test_who_guesses_must_wait_whether_the_name_is_there_or_not(
    platform: Platform, ac: httpx.Client, name: str
) -> None:
    platform.command("user", "add", "oscar")
    statuses = [ac.post("/login", data={"username": name, "password": str(n)}).status_code for n in range(5)]
    answer = ac.post("/login", data={"username": name, "password": "x"})
    assert (statuses, answer.status_code) == ([401] * 5, 503)
    assert answer.text.startswith("Transient Error: ")
    assert 0 < int(answer.headers["retry-after"]) <= 60


def test_guesses_at_the_same_moment_are_counted_too(ac: httpx.Client) -> None:
    def guess(number: int) -> httpx.Response:
        return ac.post("/login", data={"username": "trent", "password": str(number)}, timeout=30)

    with ThreadPoolExecutor(12) as several:
        answers = list(several.map(guess, range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [503] * 7


def test_more_people_than_can_be_checked_at_once_are_told_to_come_again(
    ac: httpx.Client, alice: Skaha
) -> None:
    def enter(number: int) -> httpx.Response:
        return ac.post("/login", data={"username": f"crowd{number}", "password": "x"}, timeout=30)

    with ThreadPoolExecutor(40) as several:
        asked = [several.submit(enter, number) for number in range(40)]
        began = time.monotonic()
        assert alice.get("/session").status_code == 200
        assert time.monotonic() - began < 10
        answers = [each.result() for each in asked]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {401, 503}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}


def test_neither_a_password_nor_a_token_is_logged(
    platform: Platform, ac: httpx.Client, password: str
) -> None:
    token = signed_in(ac, password)
    Skaha(platform.alice.url, token[:-4] + "AAAA").get("/session")
    log = Path(platform.log.name).read_text()
    assert log
    assert not [secret for secret in (password, token, platform.alice.token) if secret in log]


def test_our_client_takes_that_token(platform: Platform, ac: httpx.Client, password: str) -> None:
    with Session(url=platform.alice.url, token=signed_in(ac, password)) as session:
        assert isinstance(session.fetch(), list)
    with Session(url=platform.alice.url, token="nonsense") as session, pytest.raises(errors.NotSignedInError):
        session.fetch()


def test_a_token_that_was_changed_is_refused(platform: Platform, ac: httpx.Client, password: str) -> None:
    text = base64.b64decode(signed_in(ac, password)).decode()
    for changed in (text.replace("alice", "bobby"), text.replace("expirytime=", "expirytime=9"), text[:-1]):
        answer = Skaha(platform.alice.url, base64.b64encode(changed.encode()).decode()).get("/session")
        assert (answer.status_code, answer.text) == (401, "Invalid JWT token")


def test_a_token_whose_time_is_over_is_refused_with_that_reason(data: Path) -> None:
    with running(data, "--token-life", "1") as platform, httpx.Client() as ac:
        ac.base_url = f"http://localhost:{platform.port}/ac"
        token = signed_in(ac, platform.word["password"])
        late = Skaha(platform.alice.url, token)
        eventually(lambda: late.get("/session").status_code == 401)
        assert late.get("/session").text == "Token has expired"
        # The next login sweeps the old token out; its signature still tells what it was.
        signed_in(ac, platform.word["password"])
        answer = late.get("/session")
        assert answer.text == "Token has expired"
        assert 'error_description="Token has expired"' in answer.headers["www-authenticate"]
        assert ac.get("/whoami", headers=bearer(token)).text == "Token has expired"


def test_a_login_outlives_a_restart(data: Path) -> None:
    with running(data) as platform:
        with httpx.Client(base_url=f"http://localhost:{platform.port}/ac") as ac:
            token = signed_in(ac, platform.word["password"])
        platform.again()
        assert Skaha(platform.alice.url, token).get("/session").status_code == 200


def test_whoami_leads_to_the_account(platform: Platform, ac: httpx.Client, alice: Skaha) -> None:
    assert ac.get("/whoami").status_code == 401
    answer = ac.get("/whoami", headers=bearer(alice.token))
    where = f"http://localhost:{platform.port}/ac/users/alice?idType=HTTP"
    assert (answer.status_code, answer.headers["location"]) == (302, where)
    headers = {**bearer(alice.token), "Accept": "application/json"}
    user = ac.get("/whoami", headers=headers, follow_redirects=True).json()["user"]
    assert user["internalID"]["uri"]["$"].startswith("ivo://")
    assert {"identity": {"@type": "HTTP", "$": "alice"}} in user["identities"]["$"]
    assert user["personalDetails"]["firstName"]["$"] == "alice"
    assert user["posixDetails"].keys() == {"username", "uid", "gid", "homeDirectory"}
    assert user["posixDetails"]["username"]["$"] == "alice"


def test_an_account_is_xml_unless_json_is_asked_for(ac: httpx.Client, alice: Skaha) -> None:
    answer = ac.get("/users/alice", params={"idType": "HTTP"}, headers=bearer(alice.token))
    assert answer.headers["content-type"] == "text/xml"
    user = ElementTree.fromstring(answer.text)
    assert user.findtext("posixDetails/username") == "alice"
    assert {each.get("type") for each in user.iter("identity")} == {"HTTP", "POSIX", "CADC"}


def test_an_account_is_shown_to_its_owner_only(platform: Platform, ac: httpx.Client, alice: Skaha) -> None:
    platform.command("user", "add", "peggy")
    for name in ("peggy", "nobody"):
        answer = ac.get(f"/users/{name}", params={"idType": "HTTP"}, headers=bearer(alice.token))
        assert (answer.status_code, answer.text) == (404, f"User not found: {name}\n")
    assert ac.get("/users/alice", params={"idType": "HTTP"}).status_code == 401
    assert ac.get("/users/alice", headers=bearer(alice.token)).status_code == 400


@pytest.mark.parametrize("path", ["/", "/users", "/users/alice/x", "/login/x", "/nothing"])
def test_there_is_nothing_else(ac: httpx.Client, alice: Skaha, path: str) -> None:
    assert ac.get(path, headers=bearer(alice.token)).status_code == 404


ELSEWHERE = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://s-abcdefghijkl.localhost:8001"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_a_page_of_another_site_cannot_change_anything(
    platform: Platform, alice: Skaha, password: str, headers: dict[str, str]
) -> None:
    root, form = f"http://localhost:{platform.port}", {"username": "alice", "password": password}
    asked = {
        "login": httpx.post(f"{root}/ac/login", data=form, headers=headers),
        "create": alice.http.post("/session", data={"name": "x"}, headers=headers),
        "delete": alice.http.delete("/session/abcdefgh", headers=headers),
        "faults": httpx.put(f"{root}/faults", json=[], headers=headers),
    }
    assert {name: answer.status_code for name, answer in asked.items()} == dict.fromkeys(asked, 403)


def test_a_page_of_its_own_may(platform: Platform, password: str) -> None:
    root, form = f"http://localhost:{platform.port}", {"username": "alice", "password": password}
    headers = {"Origin": root, "Sec-Fetch-Site": "same-origin"}
    assert httpx.post(f"{root}/ac/login", data=form, headers=headers).status_code == 200


def test_a_strange_host_name_is_turned_away_here_too(platform: Platform, alice: Skaha) -> None:
    for path in ("/ac/whoami", "/faults"):
        headers = {"Host": "evil.example", **bearer(alice.token)}
        assert httpx.get(f"http://localhost:{platform.port}{path}", headers=headers).status_code == 421
