"""What a browser may say, and what it is told when it says something else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.live.messages import (
    NOT_A_MESSAGE,
    NOT_JSON,
    TOO_LONG,
    Ack,
    BadMessageError,
    Follow,
    Leave,
    Topic,
    parse,
)

LOG = Topic("abc", "log")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"t": "follow", "s": "abc", "w": "log"}, Follow(LOG)),
        ({"t": "follow", "s": "abc", "w": "log", "epoch": 3, "after": 9, "tail": 5}, Follow(LOG, 3, 9, 5)),
        ({"t": "follow", "s": "abc", "w": "events"}, Follow(Topic("abc", "events"))),
        ({"t": "leave", "s": "abc", "w": "log"}, Leave(LOG)),
        ({"t": "ack", "s": "abc", "w": "log", "n": 700}, Ack(LOG, 700)),
    ],
)
def test_messages_are_understood(said: object, meant: object) -> None:
    assert parse(json.dumps(said)) == meant


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (None, NOT_JSON),
        ("", NOT_JSON),
        ("{", NOT_JSON),
        ("[" * 8000, NOT_JSON),
        ("x" * 8193, TOO_LONG),
        ("é" * 5000, TOO_LONG),
        ("[]", NOT_A_MESSAGE),
        ('{"type":"websocket.disconnect"}', NOT_A_MESSAGE),
        ('{"t":"signed.out"}', NOT_A_MESSAGE),
        ('{"t":["follow"]}', NOT_A_MESSAGE),
        ('{"t":"follow","s":"abc"}', NOT_A_MESSAGE),
        ('{"t":"follow","s":"","w":"log"}', NOT_A_MESSAGE),
        ('{"t":"follow","s":7,"w":"log"}', NOT_A_MESSAGE),
        ('{"t":"follow","s":"abc","w":["log"]}', NOT_A_MESSAGE),
        ('{"t":"follow","s":"abc","w":"log","after":-1}', NOT_A_MESSAGE),
        ('{"t":"follow","s":"abc","w":"log","after":true}', NOT_A_MESSAGE),
        ('{"t":"follow","s":"abc","w":"log","after":1e400}', NOT_A_MESSAGE),
        ('{"t":"ack","s":"abc","w":"log","n":' + "9" * 400 + "}", NOT_A_MESSAGE),
    ],
)
def test_anything_else_closes_with_its_code(said: str | None, code: int) -> None:
    with pytest.raises(BadMessageError) as caught:
        parse(said)
    assert caught.value.code == code


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
    )
)
def test_nothing_that_is_json_breaks_the_parser(said: object) -> None:
    with pytest.raises(BadMessageError):
        parse(json.dumps(said))
