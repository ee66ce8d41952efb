"""Which error an answer is, and what it says: in words, bounded, without markup and without secrets."""

from __future__ import annotations

import pytest

from sessions_app.client import errors
from sessions_app.client.answers import Answer, error_of, retry_after
from sessions_app.client.wire import Outcome, Request

INFO = Request("GET", "session", "hgd7k2mq")
LAUNCH = Request("POST", "session", params=(("name", "n"), ("env", "KEY=canary-value")))


def error(
    status: int, body: bytes | str = b"", request: Request = INFO, **headers: str
) -> errors.PlatformError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = body.encode() if isinstance(body, str) else body
    return error_of(Answer(request, status, named, given, ("canary-token",)))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (302, "", errors.NotUnderstoodError),
        (400, "Missing parameter 'image'", errors.RefusedError),
        (400, "User U has reached the maximum of 5 active sessions.", errors.QuotaError),
        (401, "Token has expired", errors.NotSignedInError),
        (403, "Not authorized to use the skaha system", errors.NotAllowedError),
        (404, "session not found", errors.NotFoundError),
        (405, "unsupported: HTTP PUT", errors.RefusedError),
        (429, "", errors.RefusedError),
        (500, "unexpected exception: x", errors.PlatformFailedError),
        (502, "<html>Bad gateway</html>", errors.PlatformUnreachableError),
        (503, "temporarily unavailable: null", errors.PlatformUnavailableError),
        (504, "", errors.PlatformUnreachableError),
        (999, "", errors.PlatformFailedError),
    ],
)
def test_each_status_has_its_error(status: int, body: str, kind: type[errors.PlatformError]) -> None:
    found = error(status, body)
    assert type(found) is kind
    assert (found.status, found.sent, found.request) == (status, True, "GET session/hg…")
    assert str(found)
    assert found.advice.endswith(".")


def test_400_with_a_challenge_and_nobody_signed_in_means_signed_out() -> None:
    said = "cannot get group memberships for anonymous"
    assert type(error(400, said, www_authenticate="Bearer")) is errors.NotSignedInError
    known = error(400, said, www_authenticate="Bearer", x_vo_authenticated="ann")
    assert type(known) is errors.RefusedError


def test_the_platforms_reason_is_in_the_sentence() -> None:
    assert str(error(400, "Invalid value for 'cores': 9\n")) == (
        "The platform refused. It says: Invalid value for 'cores': 9"
    )


def test_a_page_is_reduced_to_its_words() -> None:
    page = (
        "<html><head><title>x</title></head><script>bad()</script><h1>502 &lt;b&gt;Bad&lt;/b&gt;</h1> Gateway"
    )
    assert error(502, page, content_type="text/html").detail == "502 Bad Gateway"


def test_controls_and_directions_are_taken_out_and_long_texts_cut() -> None:
    assert error(400, "a\x1b[31m\x00b\u202ec\x85d").detail == "a [31m bc d"
    assert len(error(400, "x" * 100_000).detail) == 500


@pytest.mark.parametrize("body", ["<" * 60_000, "<script" * 9_000, "&lt;" * 16_000, "<script>" * 8_000])
def test_hostile_markup_costs_no_time(body: str) -> None:
    assert len(error(500, body, content_type="text/html").detail) <= 500


def test_no_message_repeats_an_id_a_token_or_a_variable() -> None:
    said = "session hgd7k2mq not found for canary-token"
    assert error(404, said).detail == "session hg… not found for ca…"
    assert "canary-value" not in str(error(400, "bad env KEY=canary-value", LAUNCH))
    for shown in (repr(INFO), repr(LAUNCH), LAUNCH.label, repr(Outcome("hgd7k2mq", "secret text"))):
        assert not any(secret in shown for secret in ("hgd7k2mq", "canary", "secret"))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        (" 0 ", 0),
        ("99999999999999999", 3600),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 9915 07:28:00 GMT", 3600),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(header: str, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_a_503_says_when_to_come_again() -> None:
    found = error(503, "temporarily unavailable: null", retry_after="30")
    assert found.retry_after == 30
    assert "30 seconds" in found.advice


def test_many_failures_are_counted_and_the_first_is_told() -> None:
    lost = errors.RefusedError(sent=True)
    found = errors.SomeFailedError("create", ["a"], [Outcome(1, "a"), Outcome(2, None, lost)])
    assert str(found).startswith("1 of 2 failed in create.")
    assert found.results == ["a"]
    assert found.sent


def test_an_error_can_be_made_from_a_sentence_alone() -> None:
    found = errors.NotSignedInError("No credential is kept.")
    assert str(found) == "No credential is kept."
    assert (found.status, found.sent, found.retry_after, found.advice) == (
        None,
        False,
        None,
        "Sign in again.",
    )
