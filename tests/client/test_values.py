"""What answers mean, in every era's spelling; and that nothing a platform sends can raise anything but our errors."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app.client import apps, operations, values
from sessions_app.client.answers import Answer, error_of
from sessions_app.client.errors import PlatformError
from sessions_app.client.quantities import cores, gigabytes, largest_gib, moment, whole, whole_gib
from sessions_app.client.wire import Batch

from .answers import APP, AVAILABILITY, CONTEXT, EVENTS, IMAGES, SESSIONS, STATS

# 1,000 is what the client is held to; the quick suite tries fewer.
EXAMPLES = int(os.environ.get("CLIENT_EXAMPLES", "100"))
quick = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def test_a_session_is_read_whole() -> None:
    info = values.SessionInfo.parse(SESSIONS[0])
    assert (info.id, info.kind, info.state, info.user) == ("nb000001", "notebook", "running", "ann")
    assert info.started == datetime(2025, 4, 10, 15, 45, tzinfo=UTC)
    assert info.expires == datetime(2025, 4, 14, 15, 45, tzinfo=UTC)
    assert (info.requested_cores, info.requested_ram_gb, info.requested_ram_gib) == (2.0, 8.59, 8)
    assert (info.cores_in_use, info.gpus, info.fixed, info.app_id) == (None, 0.0, True, "")
    assert info.connect_url.startswith("https://host/session/")
    assert info.raw is SESSIONS[0]
    assert "nb000001" not in repr(info)


@pytest.mark.parametrize("nothing", ["<none>", "not-applicable", "", None, 7, ["https://h"], {}])
def test_an_old_platforms_nothing_is_nothing(nothing: Any) -> None:
    info = values.SessionInfo.parse(
        {"id": "ab", "connectURL": nothing, "startTime": nothing, "name": nothing}
    )
    assert (info.connect_url, info.started, info.name) == ("", None, "")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Pending", "pending"),
        ("Running", "running"),
        ("Completed", "completed"),
        ("Succeeded", "completed"),
        ("Failed (DeadlineExceeded)", "failed"),
        ("Error", "failed"),
        ("Terminating", "ending"),
        ("Unknown", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_state_is_told_by_how_a_status_begins(status: str, state: str) -> None:
    assert values.SessionInfo.parse({"status": status}).state == state


def test_rows_that_cannot_be_read_are_set_aside() -> None:
    app = {"id": "nb000001", "appid": "x1y", "type": "desktop-app"}
    rows = [SESSIONS[0], 7, {}, {"id": "../x"}, {"id": ["ab"]}, SESSIONS[0], app]
    sessions = values.parse_sessions(rows)
    assert [(info.id, info.app_id) for info in sessions] == [("nb000001", ""), ("nb000001", "x1y")]
    assert sessions.not_understood == rows[1:6]
    assert values.parse_sessions({"no": "list"}).not_understood == [{"no": "list"}]


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("2", 2),
        ("0.500", 0.5),
        ("3456789123n", 3.456789123),
        ("3456u", 0.003456),
        ("500m", 0.5),
        (1, 1),
        (0.25, 0.25),
        ("2k", 2000),
        ("500k", 500_000),
        ("1.5e2", 150),
        ("2E0", 2),
        (".5", 0.5),
        ("+4.", 4),
        ("1,5", 1.5),
        (" 2 ", 2),
    ],
)
def test_cores_are_read_in_every_unit(raw: Any, number: float) -> None:
    assert cores(raw) == pytest.approx(number)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("8.59", 8.59),
        ("8G", 8),
        ("101M", 0.101),
        ("1024.5G", 1024.5),
        ("1Gi", 1.073741824),
        ("2T", 2000),
        ("0", 0),
        ("8589934592000m", 8.589934592),
        ("8589934592000000u", 8.589934592),
        ("8589934592", 8.589934592),
        (8589934592, 8.589934592),
        ("129e6", 0.129),
        ("1E9", 1),
        ("2Pi", 2_251_799.813685248),
        ("500k", 0.0005),
        ("500K", 0.0005),
        ("512Ki", 0.000524288),
        ("512B", 512e-9),
        ("8Gi", 8.589934592),
        ("8 GiB", 8.589934592),
        ("8 gib", 8.589934592),
        ("8GB", 8),
        ("8g", 8),
        ("101mb", 0.101),
        ("1,5", 1.5),
        ("1,5 Gi", 1.610612736),
        (99_999, 99_999),
    ],
)
def test_memory_is_read_in_every_unit(raw: Any, number: float) -> None:
    assert gigabytes(raw) == pytest.approx(number)


@pytest.mark.parametrize(
    "raw",
    [
        "<none>",
        "",
        "x",
        "-1",
        -1,
        "-1e3",
        "NaN",
        float("inf"),
        True,
        None,
        [],
        "1" * 99,
        10**400,
        "1,500",
        "1.5.2",
        "1 000",
        "5e",
        "Gi",
        "e6",
        "0x10",
        "5Zi",
        "1e999",
        "1e30",
        "99999Ei",
        "٣",
        "2 cores",
    ],
)
def test_what_is_no_amount_is_none(raw: Any) -> None:
    assert cores(raw) is None
    assert gigabytes(raw) is None
    assert whole(raw) is None


def test_what_nobody_has_is_not_believed() -> None:
    for raw in ("2Pi", "129e6", "8Gi", 2e6, "8589934592"):
        assert cores(raw) is None
    # A thousandth of a byte, a hundred exabytes.
    for raw in ("1m", "101m", "100Ei", 1e30):
        assert gigabytes(raw) is None
    for raw in ("1e9", 10**15, "5k", "5Gi", 2.5):
        assert whole(raw) is None


@pytest.mark.parametrize(
    ("raw", "gib"), [("192G", 192), ("192Gi", 192), (192, 192), ("2048Mi", 2), ("8589934592", 8), ("x", None)]
)
def test_the_largest_session_is_told_in_gib_whatever_letter_is_written(raw: Any, gib: float | None) -> None:
    assert largest_gib(raw) == gib


@pytest.mark.parametrize("gib", [1, 2, 4, 8, 16, 31, 100, 192, 512])
def test_memory_is_recognised_as_it_was_asked_for(gib: int) -> None:
    assert whole_gib(gigabytes(f"{gib * 1.073741824:.2f}")) == gib


@pytest.mark.parametrize("gb", [None, 8.0, 8.7, 1.5])
def test_memory_that_nobody_can_have_asked_for_is_not_recognised(gb: float | None) -> None:
    assert whole_gib(gb) is None


@pytest.mark.parametrize(
    "raw",
    [
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2101-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-12:00",
        "2100-12-31T23:59:59-01:00",
    ],
)
def test_a_time_of_another_age_is_unknown(raw: str) -> None:
    assert moment(raw) is None
    info = values.SessionInfo.parse({"id": "ab", "startTime": raw, "expiryTime": raw})
    assert (info.started, info.expires) == (None, None)
    told = f"""\
TYPE     REASON      MESSAGE    FIRST-TIME             LAST-TIME
Normal   Scheduled   It began   {raw}   {raw}
Normal   Pulled      none
"""
    scheduled, pulled = values.parse_events(told)
    assert (scheduled.message, scheduled.first, scheduled.last) == ("It began", None, None)
    assert pulled.message == "none"


@pytest.mark.parametrize("raw", ["2000-01-01T00:00:00Z", "2100-12-31T23:59:59Z"])
def test_a_time_of_this_age_is_believed(raw: str) -> None:
    assert moment(raw) == datetime.fromisoformat(raw)


@pytest.mark.parametrize("word", ["none", "null", "None", "NULL"])
def test_who_is_called_none_has_that_name(word: str) -> None:
    info = values.SessionInfo.parse({"id": "ab", "name": word, "userid": word, "image": word})
    assert (info.name, info.user, info.image) == (word, word, word)
    assert [image.id for image in values.parse_images([{"id": word}])] == [word]
    # Where only an address or a kind can stand it means nothing.
    odd = values.SessionInfo.parse({"id": "ab", "type": word, "connectURL": word, "appid": word})
    assert (odd.kind, odd.connect_url, odd.app_id) == ("", "", "")


@pytest.mark.parametrize(
    "raw", ["0001-01-01T00:00:00+23:00", "2025-13-01T00:00:00Z", "now", "", None, 5, "2025-04-10"]
)
def test_what_is_no_time_is_none(raw: Any) -> None:
    assert moment(raw) is None


def test_the_load_is_read_in_todays_shape() -> None:
    stats = values.Stats.parse(STATS)
    assert (stats.cores_requested, stats.cores_capacity, stats.max_cores) == (370, 1200, 16)
    assert (stats.ram_requested_gb, stats.ram_capacity_gb, stats.max_ram_gib) == (1024.5, 4800, 192)
    assert stats.instances == {}


def test_the_load_is_read_in_the_shape_of_2022() -> None:
    stats = values.Stats.parse(
        {
            "instances": {"session": 3, "headless": 4, "total": 7},
            "cores": {"coresInUse": 5, "coresAvailable": 9, "maxCores": {"cores": 4, "withRam": "16Gi"}},
            "ram": {"maxRAM": {"ram": "20Gi", "withCores": 2}},
        }
    )
    assert (stats.cores_requested, stats.cores_capacity, stats.max_cores) == (5, 9, 4)
    assert (stats.ram_requested_gb, stats.max_ram_gib) == (None, 20)
    assert stats.instances["total"] == 7


def test_a_context_is_read_from_a_file_and_from_a_limit_range() -> None:
    context = values.Context.parse(CONTEXT)
    assert (context.core_options, context.ram_options, context.gpu_options) == (
        (1, 2, 3),
        (1, 2, 4, 8),
        (1, 2),
    )
    assert (context.default_cores, context.default_ram, context.max_interactive) == (2, 8, 5)
    bare = values.Context.parse(
        {"cores": {"defaultRequest": 3, "options": [1]}, "memoryGB": {"options": [2, 4]}}
    )
    assert (bare.default_cores, bare.default_ram, bare.gpu_options, bare.max_interactive) == (3, 2, (), None)


def test_images_without_a_name_are_left_out() -> None:
    assert [image.types for image in values.parse_images([*IMAGES, {}, 7, {"id": ""}])] == [
        ("notebook",),
        ("headless",),
    ]


@pytest.mark.parametrize(
    "table", ["", "\n", "<none>\n", "TYPE   REASON   MESSAGE   FIRST-TIME   LAST-TIME\n"]
)
def test_no_events_are_none(table: str) -> None:
    assert values.parse_events(table) == []


def test_an_event_is_read_with_its_times() -> None:
    moments = datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert values.parse_events(EVENTS) == [
        values.Event("Normal", "Scheduled", "Successfully assigned pod to node1", moments, moments)
    ]


def test_a_message_may_break_its_line_and_hold_runs_of_blanks() -> None:
    table = """\
TYPE      REASON    MESSAGE                          FIRST-TIME             LAST-TIME
Warning   Failed    Error:  cannot  pull
  Image   not found
and more                                             2026-01-05T10:00:00Z   <nil>
Normal    Pulled    Container image already present  <nil>                  <none>
"""
    failed, pulled = values.parse_events(table)
    assert failed.message == "Error: cannot pull\nImage not found\nand more"
    assert failed.first == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert failed.last is None
    assert (pulled.reason, pulled.message, pulled.first, pulled.last) == (
        "Pulled",
        "Container image already present",
        None,
        None,
    )


def test_a_message_in_another_script_keeps_its_columns() -> None:
    table = "TYPE     REASON   MESSAGE   FIRST-TIME   LAST-TIME\nNormal   Pulled   画像 ok      <nil>        <nil>\n"
    [event] = values.parse_events(table)
    assert event.message == "画像 ok"


# What platforms might send where something else belongs; the rest is up to Hypothesis.
odd = st.sampled_from(
    [
        None,
        True,
        -1,
        10**400,
        1e308,
        float("nan"),
        "",
        "<none>",
        "\ud800",
        "../x",
        "9" * 5000,
        [],
        {},
        [[]],
        {"id": {}},
    ]
)
json_values = odd | st.text(max_size=12) | st.integers() | st.lists(odd, max_size=3)
numbers = st.integers(0, 2**16)
some_numbers = st.lists(numbers, max_size=5)
headers_of_answers = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "www-authenticate", "x-vo-authenticated"]),
    st.text(max_size=40),
    max_size=3,
)
statuses = st.sampled_from([200, 200, 200, 302, 400, 401, 404, 500, 503])


@st.composite
def mutated(draw: st.DrawFn, sample: Any) -> Any:
    """A known answer with some of its members replaced by anything, or gone."""
    changed = [copy.deepcopy(sample)]
    places = list(places_in(changed))
    # Drawing a few places is much cheaper than deciding at each, and finds the same.
    for place in draw(some_numbers):
        holder, key = places[place % len(places)]
        if isinstance(holder, dict) and place % 3 == 0:
            holder.pop(key, None)
        else:
            holder[key] = draw(json_values)
    return changed[0]


def places_in(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every member of a nested value, as what holds it and its key there."""
    keys = holder if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
    for key in list(keys):
        yield holder, key
        yield from places_in(holder[key])


@quick
@given(mutated([*SESSIONS, STATS, CONTEXT]))
def test_any_mutated_record_is_read_without_raising(raw: Any) -> None:
    values.parse_sessions(raw)
    for one in raw if isinstance(raw, list) else [raw]:
        values.SessionInfo.parse(one)
        values.Stats.parse(one)
        values.Context.parse(one)
        values.Image.parse(one)


@quick
@given(mutated(SESSIONS))
def test_what_was_read_can_always_be_shown(raw: Any) -> None:
    for info in values.parse_sessions(raw):
        f"{info.name}{info.kind}{info.image}{info.status}{info.connect_url}{info.user}".encode()


@quick
@given(st.text(alphabet=st.sampled_from("TYPEREASON<nil>  \n\t\r2026-01-05T10:00:00Zé\u2028")))
def test_any_table_is_read_without_raising(table: str) -> None:
    values.parse_events(table)
    values.parse_events("TYPE   REASON   MESSAGE   FIRST-TIME   LAST-TIME\n" + table)


CALLS = [
    (operations.fetch, SESSIONS),
    (operations.stats, STATS),
    (lambda: operations.info_outcomes("ab"), SESSIONS[0]),
    (lambda: operations.logs_outcomes("ab"), "ready\n"),
    (lambda: operations.events_outcomes("ab"), EVENTS),
    (lambda: operations.create_outcomes("n", "a/b"), "ab12"),
    (lambda: operations.destroy_outcomes("ab"), ""),
    (lambda: operations.renew_outcomes("ab"), ""),
    (operations.image_details, IMAGES),
    (operations.context, CONTEXT),
    (operations.repositories, ["images.canfar.net"]),
    (operations.availability, AVAILABILITY),
    (operations.whoami, CONTEXT),
    (lambda: apps.fetch("dk000001"), [APP]),
    (lambda: apps.attach("dk000001", "a/b"), "x1y"),
    (lambda: apps.info_outcomes("dk000001", "x1y"), APP),
    (lambda: apps.destroy_outcomes("dk000001", "x1y"), ""),
]


@st.composite
def answers(draw: st.DrawFn, sample: Any) -> tuple[int, dict[str, str], bytes]:
    """An answer to a call: of its shape, of another, or cut and stained."""
    whole = draw(json_values) if draw(numbers) % 8 == 7 else draw(mutated(sample))
    body = whole if isinstance(whole, str) else json.dumps(whole)
    raw = bytearray(body.encode("utf-8", "surrogatepass"))
    stain, place, end = draw(numbers), draw(numbers), draw(numbers)
    if raw and stain % 2:
        raw[place % len(raw)] = stain // 2 % 256
        del raw[end % (len(raw) + 1) :]
    return draw(statuses), draw(headers_of_answers), bytes(raw)


@pytest.mark.parametrize(("call", "sample"), CALLS)
def test_any_answer_to_any_call_is_a_result_or_an_error_of_ours(call: Any, sample: Any) -> None:
    @quick
    @given(answers(sample))
    def hold(answer: tuple[int, dict[str, str], bytes]) -> None:
        operation = call()
        wanted = next(operation)
        if isinstance(wanted, Batch):
            operation = wanted.parts[0][1]
            wanted = next(operation)
        status, headers, body = answer
        try:
            operation.send(Answer(wanted, status, headers, body))
        except PlatformError as error:
            str(error).encode()
        except StopIteration as done:
            repr(done.value)

    hold()


@quick
@given(st.binary(max_size=200), st.text(max_size=40), st.integers(100, 999))
def test_any_refusal_becomes_a_sentence(body: bytes, content_type: str, status: int) -> None:
    request = next(operations.context())
    error = error_of(Answer(request, status, {"content-type": content_type}, body))
    str(error).encode()
    assert len(error.detail) <= 500
