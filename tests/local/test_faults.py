"""Faults on request: each as a plain client meets it, and as the error that our client makes of it."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sessions_app.client import AsyncPool, AsyncSession, Pool, Retries, Session, errors

from .harness import FORM, TERMINAL, Platform, Skaha, running

LIST = "/skaha/v1/session"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running(tmp_path_factory.mktemp("faults") / "data", "--grace", "1", "--faults") as platform:
        yield platform


@pytest.fixture(autouse=True)
def nothing_stays(alice: Skaha) -> Iterator[None]:
    yield
    assert control(alice, "DELETE").json() == []


def control(person: Skaha, method: str, rules: Any = None) -> httpx.Response:
    url = person.url.removesuffix("/skaha/v1") + "/faults"
    return person.http.request(method, url, json=rules)


def ask_for(alice: Skaha, *rules: dict[str, Any]) -> None:
    answer = control(alice, "PUT", list(rules))
    assert answer.status_code == 200, answer.text


def listed(alice: Skaha, kind: str, timeout: float = 10) -> Any:
    """List sessions with our client, which is to ask once only."""
    never = Retries(times=0)
    if kind == "Session":
        with Pool(url=alice.url, retries=never) as pool:
            return Session(pool=pool, token=alice.token, timeout=timeout).fetch()

    async def ask() -> Any:
        async with AsyncPool(url=alice.url, retries=never) as pool:
            return await AsyncSession(pool=pool, token=alice.token, timeout=timeout).fetch()

    return asyncio.run(ask())


FAULTS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"latency": 5}, errors.TooSlowError),
    ({"status": 503, "headers": {"Retry-After": "7"}, "body": "not now"}, errors.PlatformUnavailableError),
    (
        {"status": 502, "headers": {"Content-Type": "text/html"}, "body": "<h1>Bad"},
        errors.PlatformUnreachableError,
    ),
    ({"status": 500, "body": "unexpected exception: x"}, errors.PlatformFailedError),
    ({"status": 403, "body": "no"}, errors.NotAllowedError),
    (
        {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<h1>Hello"},
        errors.NotUnderstoodError,
    ),
    ({"reset": True}, errors.PlatformUnreachableError),
    ({"truncate": 10}, errors.PlatformUnreachableError),
    ({"oversize": 100}, errors.TooLargeError),
    ({"oversize": 0}, errors.TooLargeError),
    ({"bad_json": True}, errors.NotUnderstoodError),
    ({"drip": 0.2}, errors.TooSlowError),
]


@pytest.mark.parametrize("kind", ["Session", "AsyncSession"])
@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=lambda value: str(value)[:30])
def test_our_client_makes_the_right_error_of_it(
    alice: Skaha, kind: str, fault: dict[str, Any], expected: type[Exception]
) -> None:
    session = alice.create("sleep", "60")
    ask_for(alice, {**fault, "path": LIST})
    with pytest.raises(expected) as raised:
        listed(alice, kind, timeout=1.5 if expected is errors.TooSlowError else 20)
    assert type(raised.value) is expected
    # A read whose connection broke may be sent again below our client, by aiohttp.
    assert control(alice, "GET").json()[0]["used"] in ((1, 2) if "reset" in fault else (1,))
    control(alice, "DELETE")
    assert [row["id"] for row in listed(alice, kind) if row["id"] == session] == [session]
    alice.delete(session)


def test_a_plain_client_meets_latency(alice: Skaha) -> None:
    ask_for(alice, {"latency": 0.4, "path": LIST})
    began = time.monotonic()
    assert alice.get("/session").status_code == 200
    assert time.monotonic() - began >= 0.4


def test_a_plain_client_meets_a_status_with_body_and_headers(alice: Skaha) -> None:
    ask_for(
        alice, {"status": 502, "body": "<h1>Bä", "headers": {"Content-Type": "text/html", "Retry-After": "3"}}
    )
    answer = alice.get("/session")
    assert (answer.status_code, answer.text) == (502, "<h1>Bä")
    assert (answer.headers["content-type"], answer.headers["retry-after"]) == ("text/html", "3")


def test_a_plain_client_meets_a_reset_on_a_connection_that_it_has_used_before(alice: Skaha) -> None:
    assert alice.get("/context").status_code == 200
    ask_for(alice, {"reset": True, "path": LIST})
    with pytest.raises(httpx.ReadError) as raised:
        alice.get("/session")
    causes = iter_causes(raised.value)
    assert any(isinstance(cause, ConnectionResetError) for cause in causes)


def iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_a_plain_client_meets_a_body_that_is_cut_off(alice: Skaha) -> None:
    ask_for(alice, {"truncate": 10, "path": "/skaha/v1/context"})
    with alice.http.stream("GET", "/context") as answer:
        promised, pieces = int(answer.headers["content-length"]), answer.iter_raw()
        assert next(pieces) == b'{"cores":{'
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)
    assert promised > 10


@pytest.mark.parametrize("megabytes", [3, 0])
def test_a_plain_client_meets_a_body_of_any_size(alice: Skaha, megabytes: int) -> None:
    ask_for(alice, {"oversize": megabytes, "path": LIST})
    taken = 0
    with alice.http.stream("GET", "/session") as answer:
        for piece in answer.iter_raw():
            taken += len(piece)
            if taken > 20 * 2**20:
                break
    assert taken == 3 * 2**20 if megabytes else taken > 20 * 2**20


def test_a_plain_client_meets_json_that_is_none(alice: Skaha) -> None:
    ask_for(alice, {"bad_json": True, "path": LIST})
    answer = alice.get("/session")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_plain_client_meets_a_body_that_drips(alice: Skaha) -> None:
    ask_for(alice, {"drip": 0.02, "path": "/skaha/v1/repository"})
    began = time.monotonic()
    answer = alice.get("/repository")
    assert answer.json() == ["images.canfar.net"]
    assert time.monotonic() - began >= 0.02 * (len(answer.content) - 1)


def test_a_rule_is_for_some_requests_only(alice: Skaha) -> None:
    ask_for(alice, {"status": 503, "method": "get", "path": "/skaha/v1/s*", "view": "stats"})
    assert alice.get("/session", view="stats").status_code == 503
    assert alice.get("/session").status_code == 200
    assert alice.get("/context").status_code == 200
    assert alice.http.delete("/session/abcdefgh", params={"view": "stats"}).status_code == 200


def test_a_rule_holds_so_many_times(alice: Skaha) -> None:
    ask_for(alice, {"status": 503, "count": 2}, {"status": 500, "count": 1})
    assert [alice.get("/context").status_code for _ in range(4)] == [503, 503, 500, 200]
    assert [rule["used"] for rule in control(alice, "GET").json()] == [2, 1]


def test_a_chance_can_be_repeated_by_its_seed(alice: Skaha) -> None:
    def drawn(seed: int) -> list[int]:
        ask_for(alice, {"status": 503, "probability": 0.5, "seed": seed})
        return [alice.get("/repository").status_code for _ in range(20)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert set(drawn(1)) == {200, 503}


@pytest.mark.parametrize("after", [True, False])
def test_the_answer_to_a_launch_is_lost_after_it_was_carried_out_or_before(alice: Skaha, after: bool) -> None:
    ask_for(alice, {"reset": True, "after": after, "method": "POST", "count": 1})
    name = f"lost-{after}".lower()
    with pytest.raises(httpx.ReadError):
        alice.http.post("/session", params={"name": name, "image": TERMINAL, "cmd": "true"}, headers=FORM)
    found = [row["id"] for row in alice.get("/session").json() if row["name"] == name]
    assert len(found) == after


WRONG = [
    "{",
    {},
    [1],
    [{}],
    [{"latency": 1, "status": 500}],
    [{"latency": -1}],
    [{"latency": True}],
    [{"latency": 10**9}],
    [{"status": 99}],
    [{"status": 600}],
    [{"status": "500"}],
    [{"status": 500, "body": 3}],
    [{"status": 500, "headers": {"A": 1}}],
    [{"status": 500, "headers": {"A\nB": "x"}}],
    [{"status": 500, "headers": {"A": "x\ny"}}],
    [{"status": 500, "headers": {"Content-Length": "3"}}],
    [{"reset": False}],
    [{"reset": True, "body": "x"}],
    [{"reset": True, "count": -1}],
    [{"reset": True, "probability": 2}],
    [{"reset": True, "method": 3}],
    [{"reset": True, "after": 1}],
    [{"oversize": 10**9}],
    [{"reset": True, "nonsense": 1}],
    [{"reset": True}] * 101,
]


@pytest.mark.parametrize("rules", WRONG, ids=lambda rules: str(rules)[:40])
def test_a_wrong_rule_is_refused_in_a_sentence_and_changes_nothing(alice: Skaha, rules: Any) -> None:
    ask_for(alice, {"status": 503, "path": "/nowhere"})
    answer = control(alice, "PUT", rules)
    assert answer.status_code == 400
    assert answer.text.endswith(".\n")
    assert [rule["status"] for rule in control(alice, "GET").json()] == [503]


def test_the_rules_are_for_people_who_are_signed_in(platform: Platform, alice: Skaha) -> None:
    nobody = Skaha(alice.url, "nonsense")
    assert {control(nobody, method, []).status_code for method in ("GET", "PUT", "DELETE")} == {401}
    assert control(alice, "POST", []).headers["allow"] == "GET, PUT, DELETE"
    mallory = platform.person("mallory")
    platform.command("user", "deny", "mallory")
    assert control(mallory, "PUT", []).status_code == 403


def test_faults_can_always_be_ended(alice: Skaha) -> None:
    ask_for(alice, {"reset": True})
    with pytest.raises(httpx.TransportError):
        alice.get("/context")
    control(alice, "DELETE")
    assert alice.get("/context").status_code == 200


def test_without_the_option_there_is_no_way_to_ask_for_faults(data: Path) -> None:
    with running(data) as platform:
        assert {control(platform.alice, method, []).status_code for method in ("GET", "PUT", "DELETE")} == {
            404
        }


def test_the_first_rules_may_come_from_a_file(data: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text('[{"status": 503, "path": "/skaha/v1/context"}]')
    with running(data, "--faults", str(tmp_path / "rules.json")) as platform:
        assert platform.alice.get("/context").status_code == 503


def test_a_wrong_file_of_rules_stops_the_start(data: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text('[{"status": 7}]')
    platform = Platform(data, "--faults", str(tmp_path / "rules.json"))
    with pytest.raises(AssertionError) as raised:
        platform.start()
    assert f"{tmp_path / 'rules.json'}: Rule 1 needs for 'status'" in str(raised.value)
    platform.stop()


def test_faults_leave_nothing_behind_and_log_no_trouble(platform: Platform, alice: Skaha) -> None:
    rules = [{"reset": True}, {"truncate": 5}, {"drip": 1}, {"oversize": 0}]
    for rule in itertools.islice(itertools.cycle(rules), 8):
        ask_for(alice, {**rule, "path": LIST})
        with contextlib.suppress(httpx.TransportError), alice.http.stream("GET", "/session") as answer:
            next(answer.iter_raw(), b"")
    control(alice, "DELETE")
    assert alice.get("/session").status_code == 200
    log = Path(platform.log.name).read_text()
    assert "Traceback" not in log
    assert "ASGI" not in log
