"""What each call asks for, seen without network or loop: the generators are driven by hand."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from sessions_app.client import apps, operations
from sessions_app.client.answers import Answer
from sessions_app.client.errors import (
    InvalidArgumentError,
    NotFoundError,
    NotUnderstoodError,
    PlatformUnavailableError,
    RefusedError,
)
from sessions_app.client.wire import Batch, Outcome, Report, Request, Show, Visit, base_address

DIGEST = f"sha256:{'0a' * 32}"
IMAGE = "images.canfar.net%2Fskaha%2Fterminal%3A1.1.2"


def asked(operation: Generator[Any, Any, Any]) -> list[str]:
    """Return the request lines of an operation's first step."""
    wanted = next(operation)
    parts = [next(part) for _, part in wanted.parts] if isinstance(wanted, Batch) else [wanted]
    return [f"{part.method} {part.target}" for part in parts]


def answered(operation: Generator[Any, Any, Any], body: bytes, status: int = 200, **headers: str) -> Any:
    """Answer an operation's first request and return its result."""
    request = next(operation)
    assert isinstance(request, Request)
    with pytest.raises(StopIteration) as done:
        operation.send(Answer(request, status, headers, body))
    return done.value.value


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({}, "GET session"),
        ({"kind": "", "status": None}, "GET session"),
        ({"kind": "headless"}, "GET session?type=headless"),
        (
            {"view": "all", "status": "Running", "kind": "carta"},
            "GET session?type=carta&status=Running&view=all",
        ),
    ],
)
def test_fetch_asks_in_the_released_clients_order(arguments: Any, line: str) -> None:
    assert asked(operations.fetch(**arguments)) == [line]


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        (operations.stats(), "GET session?view=stats"),
        (operations.info("ab"), "GET session/ab"),
        (operations.logs("ab"), "GET session/ab?view=logs"),
        (operations.events("ab"), "GET session/ab?view=events"),
        (operations.destroy("ab"), "DELETE session/ab"),
        (operations.renew("ab"), "POST session/ab?action=renew"),
        (operations.destroy_with("x"), "GET session?type=headless&status=Completed"),
        (operations.connect(["ab"]), "GET session/ab"),
        (operations.images("notebook"), "GET image?type=notebook"),
        (operations.context(), "GET context"),
        (operations.whoami(), "GET context"),
        (operations.repositories(), "GET repository"),
        (operations.availability(), "GET availability"),
    ],
)
def test_each_call_asks_one_line(operation: Any, line: str) -> None:
    assert asked(operation) == [line]


def test_create_sends_its_parameters_in_the_released_clients_order() -> None:
    operation = operations.create(
        "t1", "skaha/terminal:1.1.2", 1, 2, "headless", 1, "echo", "hi there", {"FOO": "a=b"}, 2
    )
    first, second = asked(operation)
    rest = "cores=1&ram=2&type=headless&gpus=1&cmd=echo&args=hi+there&env=FOO%3Da%3Db"
    assert first == f"POST session?name=t1-1&image={IMAGE}&{rest}&env=REPLICA_ID%3D1&env=REPLICA_COUNT%3D2"
    assert "name=t1-2&" in second
    assert second.endswith("env=REPLICA_ID%3D2&env=REPLICA_COUNT%3D2")


def test_one_replica_keeps_its_name_and_says_so_for_every_kind() -> None:
    [line] = asked(operations.create("n", "skaha/terminal:1.1.2", kind="carta"))
    assert line == (f"POST session?name=n&image={IMAGE}&type=carta&env=REPLICA_ID%3D1&env=REPLICA_COUNT%3D1")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("skaha/t", "images.canfar.net/skaha/t:latest"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("localhost/x:1", "localhost/x:1"),
        ("quay.example.org/x", "quay.example.org/x:latest"),
        ("[::1]:5000/x:1", "[::1]:5000/x:1"),
        ("skaha/t@sha256:00", "images.canfar.net/skaha/t@sha256:00"),
        ("host/a/b:1", "host/a/b:1"),
        ("host/team/sub/astro:1.2", "host/team/sub/astro:1.2"),
        ("a/b/c/d", "a/b/c/d:latest"),
        (f"host/team/sub/astro@{DIGEST}", f"host/team/sub/astro@{DIGEST}"),
        (f"host/team/sub/astro:1.2@{DIGEST}", f"host/team/sub/astro:1.2@{DIGEST}"),
        (f"skaha/astro:1.2@{DIGEST}", f"images.canfar.net/skaha/astro:1.2@{DIGEST}"),
        (" skaha/x ", "images.canfar.net/skaha/x:latest"),
        ("\tskaha/x:1\t", "images.canfar.net/skaha/x:1"),
        ("skaha/x\r\n", "images.canfar.net/skaha/x:latest"),
        ("\u00a0skaha/x\u3000", "images.canfar.net/skaha/x:latest"),
    ],
)
def test_create_completes_the_images_name(given: str, sent: str) -> None:
    batch = next(operations.create("n", given))
    request = next(batch.parts[0][1])
    assert dict(request.params)["image"] == sent


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "project/name"),
        ("terminal", "project/name"),
        ("a//b", "project/name"),
        ("/b", "project/name"),
        ("a/", "project/name"),
        ("host/a//b", "project/name"),
        ("skaha/x:", "tag after"),
        ("skaha/x:@sha256:00", "tag after"),
        ("skaha/x:a:b", "A tag has"),
        ("skaha/x:-1", "A tag has"),
        (f"skaha/x:{'1' * 129}", "A tag has"),
        ("skaha/x@", "digest"),
        ("skaha/x@sha256", "digest"),
        ("skaha/x@sha256:xy", "digest"),
        ("skaha/x y", "no blanks; there is one after “skaha/x”"),
        ("skaha/\tx", "no blanks"),
        ("skaha/x\ny/z", "no blanks"),
        ("docker pull skaha/x", "no blanks"),
        ("skaha/\u200bx", r"invisible character \(U\+200B\) after “skaha/”"),
        ("\ufeffskaha/x", r"invisible character \(U\+FEFF\) at the beginning"),
        ("skaha/x\x00", r"U\+0000"),
        ("skaha/x\u202e", r"U\+202E"),
        ("skaha/x\u2013y", "“\u2013” has no place"),
        ('"skaha/x"', "has no place"),
        ("skaha/x,", "has no place"),
        ("https://host/skaha/x", "https://"),
        (":5000/x", "registry"),
        ("host:port/x", "registry"),
        ("-host/a/b", "registry"),
        ("skaha/-x", "“-x”"),
        ("skaha/a?b", "“a.b”"),
        ("host/../b", "“..”"),
    ],
)
def test_what_can_be_no_image_is_refused_with_the_reason_before_anything_is_sent(
    given: str, told: str
) -> None:
    for operation in (operations.create("n", given), apps.attach("dk000001", given)):
        with pytest.raises(InvalidArgumentError, match=told) as caught:
            next(operation)
        assert str(caught.value).startswith("image: ")


def test_variables_are_rendered_as_text_and_the_replicas_own_win_in_place() -> None:
    env = {"A": True, "REPLICA_ID": "mine", "B": None, "C": "é\n&"}
    batch = next(operations.create("n", "a/b", env=env))
    request = next(batch.parts[0][1])
    values = [value for name, value in request.params if name == "env"]
    assert values == ["A=True", "REPLICA_ID=1", "B=None", "C=é\n&", "REPLICA_COUNT=1"]
    assert request.target.count("env=C%3D%C3%A9%0A%26") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"name": 7}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"image": "terminal"}, "image"),
        ({"cores": 0}, "cores"),
        ({"cores": 2.5}, "cores"),
        ({"cores": "x"}, "cores"),
        ({"cores": 257}, "cores"),
        ({"ram": 513}, "ram"),
        ({"gpu": 29}, "gpu"),
        ({"kind": None}, "kind"),
        ({"kind": "Headless"}, "kind"),
        ({"cmd": ["ls"]}, "cmd"),
        ({"env": ["A=1"]}, "env"),
        ({"env": {1: "a"}}, "env"),
        ({"replicas": 513}, "512"),
        ({"replicas": 0}, "replicas"),
        ({"kind": "notebook", "cmd": "ls"}, "headless"),
        ({"kind": "notebook", "env": {"A": "1"}}, "headless"),
        ({"kind": "desktop", "replicas": 2}, "desktop"),
    ],
)
def test_create_refuses_what_cannot_be_right_before_anything_is_sent(arguments: Any, named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        next(operations.create(**{"name": "n", "image": "a/b", **arguments}))


@pytest.mark.parametrize("replicas", ["3", 3.0, 3])
def test_replicas_are_converted_once_and_used_everywhere(replicas: Any) -> None:
    lines = asked(operations.create("n", "a/b", replicas=replicas))
    assert len(lines) == 3
    assert all(line.endswith("REPLICA_COUNT%3D3") for line in lines)


def test_empty_texts_are_sent_for_any_kind() -> None:
    [line] = asked(operations.create("n", "a/b", kind="notebook", cmd="", env={}))
    assert "&cmd=&env=REPLICA_ID" in line


@pytest.mark.parametrize("kind", ["Notebook", "nonsense", 7])
def test_fetch_refuses_unknown_words(kind: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"kind|type"):
        next(operations.fetch(kind=kind))


@pytest.mark.parametrize("ids", [None, 7, [None], [b"ab"]])
def test_ids_that_are_no_text_are_a_type_error(ids: Any) -> None:
    with pytest.raises(TypeError):
        next(operations.info(ids))


@pytest.mark.parametrize(
    "session_id", ["", ".", "..", "a/b", "a?view=logs", "a#b", "a b", "é", "a\n", "%2e", "A", "a" * 64]
)
def test_what_is_no_id_never_becomes_a_request(session_id: str) -> None:
    for one in (operations.info, operations.logs, operations.events, operations.destroy, operations.renew):
        [(item, part)] = next(one(session_id)).parts
        assert item == session_id
        with pytest.raises(NotFoundError):
            next(part)


@pytest.mark.parametrize(
    "ids", [["ab", "cd", "ab"], ("ab", "cd", "ab"), (each for each in ["ab", "cd", "ab"])]
)
def test_who_is_named_twice_is_asked_for_once_and_answered_twice(ids: Any) -> None:
    operation = operations.info_outcomes(ids)
    batch = next(operation)
    assert [item for item, _ in batch.parts] == ["ab", "cd"]
    with pytest.raises(StopIteration) as done:
        operation.send([Outcome("ab", {"n": 1}), Outcome("cd", {"n": 2})])
    assert [outcome.value["n"] for outcome in done.value.value] == [1, 2, 1]


def test_the_documented_forms_fold_outcomes_and_report_the_rest() -> None:
    lost = NotFoundError(request="GET session/cd")
    operation = operations.destroy(["ab", "cd"])
    next(operation)
    report = operation.send([Outcome("ab", True), Outcome("cd", None, lost)])
    assert report == Report("destroy", {"ab": True, "cd": False}, report.outcomes)
    with pytest.raises(StopIteration) as done:
        next(operation)
    assert done.value.value == {"ab": True, "cd": False}


def test_verbose_logs_are_shown_and_nothing_is_returned() -> None:
    operation = operations.logs(["ab", "cd"], verbose=True)
    next(operation)
    operation.send([Outcome("ab", "text\n"), Outcome("cd", None, NotFoundError())])
    shown = next(operation)
    assert isinstance(shown, Show)
    assert "text\n" in shown.text
    with pytest.raises(StopIteration) as done:
        next(operation)
    assert done.value.value is None


def test_an_empty_list_asks_for_nothing() -> None:
    assert next(operations.logs([])).parts == []


@pytest.mark.parametrize("prefix", ["fit", "Fit", "", "t.ain", "fit-3"])
def test_destroy_with_takes_its_prefix_literally(prefix: str) -> None:
    names = ["fit-3", "Fit-4", "train", "t.ain-1"]
    operation = operations.destroy_with(prefix)
    request = next(operation)
    rows = ", ".join(f'{{"id": "i{place}", "name": "{name}"}}' for place, name in enumerate(names))
    batch = operation.send(Answer(request, 200, {}, f"[{rows}, 7, {{}}]".encode()))
    expected = [f"i{place}" for place, name in enumerate(names) if name.startswith(prefix)]
    assert [item for item, _ in batch.parts] == expected


def test_destroy_with_takes_a_pattern_only_when_one_is_given() -> None:
    operation = operations.destroy_with("", pattern="^t.ain$")
    request = next(operation)
    rows = b'[{"id": "a", "name": "train"}, {"id": "b", "name": "trains"}]'
    assert [item for item, _ in operation.send(Answer(request, 200, {}, rows)).parts] == ["a"]
    with pytest.raises(InvalidArgumentError, match="pattern"):
        next(operations.destroy_with("", pattern="("))


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "file:///etc/passwd", "", None, ["https://h"], "//h"]
)
def test_connect_opens_nothing_but_web_addresses(address: Any) -> None:
    operation = operations.connect(["ab"])
    next(operation)
    operation.send([Outcome("ab", {"connectURL": address})])
    with pytest.raises(StopIteration):
        next(operation)


def test_connect_asks_for_a_visit() -> None:
    operation = operations.connect(["ab"])
    next(operation)
    operation.send([Outcome("ab", {"connectURL": "https://h/s"})])
    assert next(operation) == Visit("https://h/s")


@pytest.mark.parametrize(
    "body", [b"", b"<html>hello</html>", b"{}", b'"x"', b"null", b"[1", b"[NaN]", b"\xff"]
)
def test_a_list_that_is_none_is_not_understood(body: bytes) -> None:
    for operation in (operations.fetch(), operations.images(), operations.repositories()):
        with pytest.raises(NotUnderstoodError):
            answered(operation, body)


def test_a_list_comes_back_as_the_platform_gave_it() -> None:
    assert answered(operations.fetch(), b'[{"id": "ab", "odd": [1.5]}]') == [{"id": "ab", "odd": [1.5]}]


@pytest.mark.parametrize("body", [b"", b"  \n", b"<html>", b"two words", b"a/b", b"A1"])
def test_a_launch_without_an_id_in_its_answer_is_a_failure_after_sending(body: bytes) -> None:
    part = next(operations.create_outcomes("n", "a/b")).parts[0][1]
    with pytest.raises(NotUnderstoodError) as caught:
        answered(part, body)
    assert caught.value.sent


def test_a_launchs_id_is_trimmed() -> None:
    part = next(operations.create_outcomes("n", "a/b")).parts[0][1]
    assert answered(part, b"  ab12\r\n") == "ab12"


def test_a_web_page_is_no_log() -> None:
    part = next(operations.logs_outcomes("ab")).parts[0][1]
    with pytest.raises(NotUnderstoodError, match="web page"):
        answered(part, b"<html>Sign in</html>", **{"content-type": "text/html"})


def test_bytes_that_are_no_text_are_replaced() -> None:
    part = next(operations.logs_outcomes("ab")).parts[0][1]
    assert answered(part, b"a\xffb") == "a\ufffdb"


def test_whoami_reads_the_header_or_says_nothing() -> None:
    assert answered(operations.whoami(), b"", **{"x-vo-authenticated": "ann"}) == "ann"
    assert answered(operations.whoami(), b"{}") is None


def test_availability_reads_the_document_and_takes_503_for_no() -> None:
    assert answered(operations.availability(), b"<vosi:available>false</vosi:available>") is False
    assert answered(operations.availability(), b"later", status=503) is False
    with pytest.raises(NotUnderstoodError):
        answered(operations.availability(), b"<html>")


def test_an_error_thrown_in_comes_out() -> None:
    operation = operations.stats()
    next(operation)
    with pytest.raises(PlatformUnavailableError):
        operation.throw(PlatformUnavailableError())


def test_a_success_below_300_is_one_and_a_redirect_is_not() -> None:
    with pytest.raises(NotUnderstoodError, match="redirect"):
        answered(operations.fetch(), b"", status=302)
    with pytest.raises(RefusedError):
        answered(operations.fetch(), b"", status=418)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"url": "http://h/v1", "server": "http://h"},
        {"url": "ftp://h/v1"},
        {"url": "http://"},
        {"url": "http://user:pass@h/v1"},
        {"url": "http://h/v1?x=1"},
        {"url": "http://h/v1#x"},
        {"url": "http://h/../v1"},
        {"url": "http://h/v1\r\nX: y"},
        {"url": "http://h:port/v1"},
    ],
)
def test_an_address_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        base_address(**wrong)
