"""How both drivers behave on a real connection, with a platform that does everything a platform may do wrong."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import io
import logging
import os
import random
import socket
import threading
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sessions_app.client import AsyncPool, AsyncSession, Retries, Session, errors
from sessions_app.client.drivers.timing import Clock
from sessions_app.client.retries import Budget

from .conftest import Make, Platform, Reply, Threaded, eager

# 10,000 is what the client is held to; the quick suite cancels fewer.
CANCELLED = 10 * max(int(os.environ.get("CLIENT_EXAMPLES", "50")), 50)
JSON = {"Content-Type": "application/json"}


async def reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def stop_midway(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1, 2")
    await writer.drain()


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_headers(writer: asyncio.StreamWriter) -> None:
    await drip(writer, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500)


async def drip_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    await drip(writer, b" " * 500)


async def drip_a_log(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
    await drip(writer, b"x" * 60)


async def fall_silent(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\nx")
    await writer.drain()
    await asyncio.sleep(20)


async def fall_to_nothing(writer: asyncio.StreamWriter) -> None:
    """A compressed body of which bytes come, and no text any more."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    deflate = zlib.compressobj(wbits=31)
    writer.write(deflate.compress(b"x") + deflate.flush(zlib.Z_FULL_FLUSH))
    for _ in range(400):
        writer.write(b"\x00\x00\x00\xff\xff")
        await writer.drain()
        await asyncio.sleep(0.05)


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    await writer.drain()


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        writer.write(b"line\n" * 10_000)
        await writer.drain()


async def endless_nothing(writer: asyncio.StreamWriter) -> None:
    """A compressed body that never inflates to a single byte."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    deflate = zlib.compressobj(wbits=31)
    writer.write(deflate.compress(b"") + deflate.flush(zlib.Z_FULL_FLUSH))
    while True:
        writer.write(b"\x00\x00\x00\xff\xff" * 10_000)
        await writer.drain()


@functools.cache
def bomb(megabytes: int) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        for _ in range(megabytes):
            file.write(b"\0" * 1024**2)
    return packed.getvalue()


def nowhere() -> str:
    """Return an address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


@pytest.mark.parametrize("script", [reset, hang_up, stop_midway])
async def test_a_broken_answer_is_unreachable_and_a_read_is_tried_again(
    either: Any, platform: Platform, script: Any
) -> None:
    platform.in_turn(Reply(script=script), Reply(b"[]", headers=JSON))
    assert await either.fetch() == []
    assert len(platform.asked) == 2


@pytest.mark.parametrize("script", [reset, hang_up, stop_midway])
async def test_a_lost_answer_to_a_launch_is_told_and_never_sent_again(
    either: Any, platform: Platform, script: Any
) -> None:
    platform.always(script=script)
    [lost] = await either.outcomes.create("n", "a/b")
    assert isinstance(lost.error, errors.PlatformUnreachableError)
    assert lost.error.sent
    assert lost.attempts == len(platform.asked) == 1


async def test_a_refused_connection_means_that_nothing_was_sent(make: Make) -> None:
    session = make(url=nowhere())
    [lost] = await session.outcomes.create("n", "a/b")
    assert isinstance(lost.error, errors.PlatformUnreachableError)
    assert not lost.error.sent
    assert "nothing answers" in str(lost.error)


async def test_an_unknown_name_is_told(make: Make) -> None:
    with pytest.raises(errors.PlatformUnreachableError, match="reached") as caught:
        await make(url="http://platform.invalid/v1").fetch()
    assert not caught.value.sent


async def test_what_is_not_http_is_not_understood(either: Any, platform: Platform) -> None:
    platform.always(script=no_http)
    with pytest.raises(errors.NotUnderstoodError):
        await either.fetch()


@pytest.mark.parametrize("script", [drip_headers, drip_body])
async def test_a_dripping_answer_ends_at_the_deadline(make: Make, platform: Platform, script: Any) -> None:
    platform.always(script=script)
    begun = time.monotonic()
    with pytest.raises(errors.TooSlowError) as caught:
        await make(timeout=0.3).fetch()
    assert time.monotonic() - begun < 10
    assert caught.value.sent


async def test_a_launch_without_an_answer_in_time_may_have_arrived(make: Make, platform: Platform) -> None:
    platform.always(delay=10)
    [lost] = await make(timeout=1).outcomes.create("n", "a/b")
    assert isinstance(lost.error, errors.TooSlowError)
    assert lost.error.sent
    assert len(platform.asked) == 1


async def test_waiting_for_a_free_place_does_not_count_against_the_timeout(
    make: Make, platform: Platform
) -> None:
    platform.always(b"{}", delay=0.5)
    session = make(concurrency=2, timeout=2)
    outcomes = await session.outcomes.info([f"a{number}" for number in range(10)])
    assert all(outcome.ok for outcome in outcomes)
    assert platform.most_busy == 2


async def test_many_items_never_open_more_connections_than_places(make: Make, platform: Platform) -> None:
    platform.always(b"{}", delay=0.005)
    outcomes = await make(concurrency=8).outcomes.info([f"a{number}" for number in range(100)])
    assert [outcome.item for outcome in outcomes] == [f"a{number}" for number in range(100)]
    assert platform.most_busy <= 8
    assert platform.connections <= 8


async def test_single_calls_open_no_connections_beyond_the_places(make: Make, platform: Platform) -> None:
    session = make(concurrency=2)
    await session.info([f"a{number}" for number in range(6)])
    await asyncio.gather(*(session.fetch() for _ in range(6)))
    assert platform.connections <= 2


async def test_a_closed_blocking_session_leaves_no_thread(platform: Platform) -> None:
    def use() -> None:
        with Session(url=platform.url) as session:
            session.info(["a", "b", "c"])

    before = set(threading.enumerate())
    await asyncio.gather(*(asyncio.to_thread(use) for _ in range(3)))
    deadline = time.monotonic() + 2
    while ours := [one.name for one in set(threading.enumerate()) - before if one.name.startswith("canfar")]:
        assert time.monotonic() < deadline, ours
        await asyncio.sleep(0.01)


def test_a_clock_calls_back_in_time_whatever_was_set_before() -> None:
    clock, called, wrong = Clock(), threading.Event(), list[int]()
    far = clock.set(60, lambda: None)
    off = clock.set(0.02, lambda: wrong.append(1))
    clock.call_off(off)
    begun = time.monotonic()
    clock.set(0.05, called.set)
    assert called.wait(2)
    assert time.monotonic() - begun >= 0.05
    assert wrong == []
    clock.call_off(far)
    clock.end()


async def test_one_failure_among_many_is_found_at_its_place(either: Any, platform: Platform) -> None:
    platform.answer = lambda asked: Reply(b"x", 404) if asked.path.endswith("b2") else Reply(b'{"n": 1}')
    outcomes = await either.outcomes.info(["a1", "b2", "c3"])
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, errors.NotFoundError)
    assert await either.info(["a1", "b2", "c3"]) == [{"n": 1}, {"n": 1}]
    assert await either.destroy(["a1", "b2"]) == {"a1": True, "b2": False}


async def test_failures_are_logged_in_one_line_each_without_the_id(
    either: Any, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    platform.always(b"session hgd7k2mq not found", 404)
    await either.info(["hgd7k2mq"])
    [record] = [record for record in caplog.records if record.name == "sessions_app.client"]
    assert record.getMessage().startswith("GET session/hg…: ")
    assert "hgd7k2mq" not in record.getMessage()
    assert record.exc_info is None


async def test_errors_can_be_raised_once_all_were_tried(make: Make, platform: Platform) -> None:
    platform.answer = lambda asked: Reply(b"x", 404) if asked.path.endswith("a1") else Reply(b'{"n": 1}')
    with pytest.raises(errors.SomeFailedError) as caught:
        await make(errors="raise").info(["a1", "b2"])
    assert caught.value.results == [{"n": 1}]
    assert [outcome.ok for outcome in caught.value.outcomes] == [False, True]


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_a_redirect_is_not_followed(either: Any, platform: Platform, status: int) -> None:
    platform.always(status=status, headers={"Location": platform.url + "/elsewhere"})
    with pytest.raises(errors.NotUnderstoodError, match="redirect"):
        await either.fetch()
    assert platform.lines == ["GET session"]


async def test_no_cookie_is_kept_and_no_credential_is_mixed_up(make: Make, platform: Platform) -> None:
    platform.always(b"[]", headers={"Set-Cookie": "CADC_SSO=canary; Path=/"})
    session = make()
    for _ in range(3):
        await session.fetch()
    assert not any("cookie" in asked.headers for asked in platform.asked)
    assert {asked.headers["authorization"] for asked in platform.asked} == {"Bearer canary-token"}


async def test_two_people_on_one_pool_keep_their_credentials(pool: AsyncPool, platform: Platform) -> None:
    platform.answer = lambda asked: Reply(
        b'{"who": "%s"}' % asked.headers["authorization"].encode(), headers={"Set-Cookie": "a=b"}
    )
    people = {name: AsyncSession(pool=pool, token=name) for name in ("ann", "bob")}

    async def ask(name: str) -> None:
        [found] = await people[name].info("ab")
        assert found == {"who": f"Bearer {name}"}

    await asyncio.gather(*(ask(random.choice(["ann", "bob"])) for _ in range(300)))
    assert not any("cookie" in asked.headers for asked in platform.asked)


async def test_every_request_has_the_released_clients_headers_and_an_empty_body(
    either: Any, platform: Platform
) -> None:
    await either.fetch()
    await either.create("n", "a/b")
    for asked in platform.asked:
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
        assert asked.headers["accept"] == "application/json"
        assert asked.headers["accept-encoding"] == "gzip"
        assert asked.headers["user-agent"].startswith("canfarweb/")
        assert asked.headers["x-skaha-authentication-type"] == "RUNTIME-TOKEN"
        assert asked.headers["host"] == platform.url.split("/")[2]
        assert asked.headers.get("content-length", "0") == "0"
        assert "transfer-encoding" not in asked.headers
    assert platform.asked[1].headers["content-length"] == "0"


async def test_the_query_goes_out_as_it_was_quoted(either: Any, platform: Platform) -> None:
    await either.create("n", "skaha/x", cmd="a b", args="~é+&=/:@'()*!", env={"A": "b=c%2F\n"})
    query = "cmd=a+b&args=~%C3%A9%2B%26%3D%2F%3A%40%27%28%29%2A%21&env=A%3Db%3Dc%252F%0A"
    start = "POST session?name=n&image=images.canfar.net%2Fskaha%2Fx%3Alatest&type=headless"
    assert platform.lines == [f"{start}&{query}&env=REPLICA_ID%3D1&env=REPLICA_COUNT%3D1"]


async def test_availability_is_asked_beside_the_version(either: Any, platform: Platform) -> None:
    assert await either.availability() is True
    assert platform.asked[0].line == "GET /skaha/availability"


async def test_the_registrys_secret_goes_with_launches_only(make: Make, platform: Platform) -> None:
    session = make(registry=("ann", "s3cret"))
    await session.fetch()
    await session.create("n", "a/b")
    await session.renew("ab")
    sent = [asked.headers.get("x-skaha-registry-auth") for asked in platform.asked]
    assert sent == [None, "YW5uOnMzY3JldA==", None]


async def test_compressed_answers_are_inflated(either: Any, platform: Platform) -> None:
    packed = gzip.compress(b'[{"id": "ab"}]')
    platform.always(packed, headers={"Content-Encoding": "gzip"})
    assert await either.fetch() == [{"id": "ab"}]
    platform.always(gzip.compress(b"one ") + gzip.compress(b"two"), headers={"Content-Encoding": "gzip"})
    assert await either.logs("ab") == {"ab": "one two"}


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"no gzip at all", "gzip"),
        (gzip.compress(b"[]" * 1000)[:-9], "gzip"),
        (b"x", "br"),
        (zlib.compress(b"[]"), "deflate"),
    ],
    ids=["none", "cut", "unasked", "deflate"],
)
async def test_a_damaged_or_unasked_encoding_is_not_understood(
    either: Any, platform: Platform, body: bytes, encoding: str
) -> None:
    platform.always(body, headers={"Content-Encoding": encoding})
    with pytest.raises(errors.NotUnderstoodError):
        await either.fetch()


HOSTILE: dict[str, Callable[[], Reply]] = {
    "bomb": lambda: Reply(bomb(200), headers={"Content-Encoding": "gzip"}),
    "bomb of JSON": lambda: Reply(
        gzip.compress(b"[" + b" " * 2**25 + b"]"), headers={"Content-Encoding": "gzip"}
    ),
    "endless": lambda: Reply(script=endless),
    "endless nothing": lambda: Reply(script=endless_nothing),
    "endless error": lambda: Reply(b"reason " * 10**6, 500),
    "depth": lambda: Reply(b"[" * (8 * 2**20 - 1)),
    "depth and back": lambda: Reply(b"[" * 90_000 + b"]" * 90_000),
    "8 MB of members": lambda: Reply(b"[" + b"{}," * 2_700_000 + b"1]"),
    "8 MB of one text": lambda: Reply(b'["' + b"x" * (8 * 2**20 - 8) + b'"]'),
    "8 MB of one number": lambda: Reply(b"1" * 8 * 2**20),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_body_costs_little_memory_and_raises_only_our_errors(
    either: Any, platform: Platform, name: str
) -> None:
    reply = HOSTILE[name]()
    platform.answer = lambda asked: reply
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    before = peak_memory()
    with contextlib.suppress(errors.PlatformError):
        assert await either.within(5).fetch() == [reply.body[2:-2].decode()]
    assert peak_memory() - before < 64 * 1024**2


async def test_a_gzip_bomb_is_too_large(either: Any, platform: Platform) -> None:
    platform.always(bomb(200), headers={"Content-Encoding": "gzip"})
    with pytest.raises(errors.TooLargeError):
        await either.fetch()


def peak_memory() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


async def test_an_endless_body_stops_at_its_cap(either: Any, platform: Platform) -> None:
    platform.always(script=endless)
    with pytest.raises(errors.TooLargeError):
        await either.fetch()
    [outcome] = await either.outcomes.logs("ab", max_bytes=100_000)
    assert isinstance(outcome.error, errors.TooLargeError)


async def test_an_endless_body_of_nothing_stops_too(either: Any, platform: Platform) -> None:
    platform.always(script=endless_nothing)
    with pytest.raises(errors.TooLargeError):
        await either.fetch()


async def test_an_endless_error_is_cut_and_told(either: Any, platform: Platform) -> None:
    platform.always(b"reason " * 100_000, 400)
    with pytest.raises(errors.RefusedError, match="reason"):
        await either.fetch()


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"a":' * 100_000, b"[" + b"{}," * 300_000 + b"1]", b"1" * 5000]
)
async def test_hostile_json_is_an_error_of_ours(either: Any, platform: Platform, body: bytes) -> None:
    platform.always(body, headers=JSON)
    with pytest.raises((errors.NotUnderstoodError, errors.TooLargeError)):
        await either.fetch()


async def test_reads_are_tried_three_times_at_most_and_launches_once(make: Make, platform: Platform) -> None:
    session = make(retries=Retries(shortest=0, longest=0.01, budget=Budget(share=10)))
    platform.always(b"later", 503)
    with pytest.raises(errors.PlatformUnavailableError):
        await session.fetch()
    assert platform.lines == ["GET session"] * 3
    [outcome] = await session.outcomes.destroy("ab")
    assert outcome.attempts == 3
    platform.asked.clear()
    [outcome] = await session.outcomes.create("n", "a/b")
    await session.renew("ab")
    assert len(platform.asked) == 2
    assert outcome.attempts == 1


async def test_a_503_of_the_load_is_normal_and_not_tried_again(either: Any, platform: Platform) -> None:
    platform.always(b"temporarily unavailable: null", 503, headers={"Retry-After": "30"})
    with pytest.raises(errors.PlatformUnavailableError) as caught:
        await either.stats()
    assert caught.value.retry_after == 30
    assert len(platform.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500])
async def test_other_refusals_are_not_tried_again(either: Any, platform: Platform, status: int) -> None:
    platform.always(b"no", status)
    with pytest.raises(errors.PlatformError):
        await either.fetch()
    assert len(platform.asked) == 1


async def test_under_full_failure_retries_stay_within_their_budget(make: Make, platform: Platform) -> None:
    platform.always(b"down", 502)
    outcomes = await make(concurrency=8).outcomes.info([f"a{number}" for number in range(200)])
    assert not any(outcome.ok for outcome in outcomes)
    assert len(platform.asked) <= 220
    assert sum(outcome.attempts for outcome in outcomes) == len(platform.asked)


async def test_a_platform_that_asks_for_time_is_given_it_or_left_alone(
    make: Make, platform: Platform
) -> None:
    platform.in_turn(Reply(b"", 503, {"Retry-After": "1"}), Reply(b"[]"))
    begun = time.monotonic()
    await make(timeout=5).fetch()
    assert time.monotonic() - begun >= 1
    platform.asked.clear()
    platform.always(b"", 503, headers={"Retry-After": "30"})
    with pytest.raises(errors.PlatformUnavailableError):
        await make(timeout=5).fetch()
    assert len(platform.asked) == 1


async def test_a_stream_hands_over_a_log_in_pieces(pool: AsyncPool, platform: Platform) -> None:
    platform.always(gzip.compress(b"line\n" * 100_000), headers={"Content-Encoding": "gzip"})
    async with AsyncSession(pool=pool).stream_logs("ab") as chunks:
        sizes = [len(chunk) async for chunk in chunks]
    assert sum(sizes) == 500_000
    assert max(sizes) <= 64 * 1024
    assert not chunks.truncated


async def test_a_stream_stops_at_its_cap_and_says_so(session: AsyncSession, platform: Platform) -> None:
    platform.always(script=endless)
    async with session.stream_logs("ab", max_bytes=123_456) as chunks:
        assert sum([len(chunk) async for chunk in chunks]) == 123_456
    assert chunks.truncated


async def test_a_stream_that_is_exactly_as_long_as_its_cap_is_whole(
    session: AsyncSession, platform: Platform
) -> None:
    platform.always(b"x" * 1000)
    async with session.stream_logs("ab", max_bytes=1000) as chunks:
        assert sum([len(chunk) async for chunk in chunks]) == 1000
    assert not chunks.truncated


async def test_a_blocking_stream_does_the_same(blocking: Any, platform: Platform) -> None:
    def read() -> tuple[int, bool]:
        with blocking.stream_logs("ab", max_bytes=123_456) as chunks:
            return sum(len(chunk) for chunk in chunks), chunks.truncated

    platform.always(script=endless)
    assert await asyncio.to_thread(read) == (123_456, True)


@pytest.mark.parametrize("status", [401, 403, 404, 302])
async def test_a_stream_that_is_refused_raises_on_entering(
    session: AsyncSession, platform: Platform, status: int
) -> None:
    platform.always(b"no", status)
    with pytest.raises(errors.PlatformError) as caught:
        async with session.stream_logs("ab"):
            pytest.fail("entered")
    assert caught.value.status == status


async def test_a_stream_that_breaks_off_raises_and_frees_its_place(platform: Platform) -> None:
    async with AsyncPool(url=platform.url, concurrency=1, retries=eager()) as pool:
        session = AsyncSession(pool=pool, timeout=2)
        platform.always(script=stop_midway)
        with pytest.raises(errors.PlatformUnreachableError):
            async with session.stream_logs("ab") as chunks:
                assert [chunk async for chunk in chunks]
        platform.always(script=endless)
        async with session.stream_logs("ab") as chunks:
            await anext(chunks)
        platform.always(b"[]")
        assert await session.fetch() == []


async def test_a_slow_reader_of_a_stream_is_not_called_slow_platform(platform: Platform) -> None:
    platform.always(b"x" * 300_000)
    async with AsyncSession(url=platform.url, timeout=0.3) as session, session.stream_logs("ab") as chunks:
        await anext(chunks)
        await asyncio.sleep(0.5)
        assert [chunk async for chunk in chunks]


async def streamed(session: Any) -> bytes:
    """Return one log, read piece by piece by a session of either kind."""
    if isinstance(session, Threaded):

        def read() -> bytes:
            with session.blocking.stream_logs("ab") as chunks:
                return b"".join(chunks)

        return await asyncio.to_thread(read)
    async with session.stream_logs("ab") as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_stream_may_take_longer_than_nothing_of_it_may_come(make: Make, platform: Platform) -> None:
    platform.always(script=drip_a_log)
    begun = time.monotonic()
    assert await streamed(make(timeout=1.5)) == b"x" * 60
    assert time.monotonic() - begun > 2.5


@pytest.mark.parametrize("script", [fall_silent, fall_to_nothing])
async def test_a_stream_of_which_nothing_comes_any_more_is_too_slow(
    make: Make, platform: Platform, script: Any
) -> None:
    platform.always(script=script)
    with pytest.raises(errors.TooSlowError, match="fell silent in the middle"):
        await streamed(make(timeout=0.5))


async def test_calls_cancelled_at_random_moments_leave_the_pool_whole(platform: Platform) -> None:
    """Httpx's own pool loses a place for ever now and then when this happens to it."""
    platform.answer = lambda asked: Reply(b"[" + b" " * 50_000 + b"]", delay=random.uniform(0, 0.02))
    async with AsyncPool(url=platform.url, concurrency=5, retries=eager()) as pool:
        session = AsyncSession(pool=pool, timeout=5)

        async def ask_on() -> None:
            while True:
                await (session.fetch() if random.random() < 0.7 else session.info(["a", "b", "c"]))

        async def cancelled(moment: float) -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ask_on(), moment)

        for _ in range(CANCELLED // 50):
            await asyncio.gather(*(cancelled(random.uniform(0, 0.1)) for _ in range(50)))
        assert pool.driver._grounds.here().places._value == 5
        async with asyncio.timeout(5):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.01)
        platform.always(b"[]", delay=0.02)
        # The quickest counts: on a busy machine the others tell of their neighbours.
        assert min([await seconds(session.fetch()) for _ in range(5)]) < 0.5
        assert await seconds(*(session.fetch() for _ in range(20))) < 10


async def seconds(*calls: Awaitable[Any]) -> float:
    begun = time.monotonic()
    await asyncio.gather(*calls)
    return time.monotonic() - begun


async def test_one_refresh_serves_all_who_wait(pool: AsyncPool, platform: Platform) -> None:
    given: list[str] = []

    async def provide() -> str:
        await asyncio.sleep(0.02)
        given.append(f"token-{len(given)}")
        return given[-1]

    platform.answer = lambda asked: (
        Reply(b"[]")
        if asked.headers["authorization"] == "Bearer token-1"
        else Reply(b"Token has expired", 401)
    )
    session = AsyncSession(pool=pool, token=provide)
    assert await asyncio.gather(*(session.fetch() for _ in range(50))) == [[]] * 50
    assert given == ["token-0", "token-1"]
    assert len(platform.asked) <= 100


async def test_a_token_that_stays_refused_is_asked_for_once_more_only(make: Make, platform: Platform) -> None:
    calls: list[int] = []

    async def provide() -> str:
        calls.append(1)
        return "stale"

    def provide_now() -> str:
        calls.append(1)
        return "stale"

    platform.always(b"Token has expired", 401)
    probe = make()
    session = make(token=provide_now if hasattr(probe, "blocking") else provide)
    with pytest.raises(errors.NotSignedInError):
        await session.fetch()
    assert (len(calls), len(platform.asked)) == (2, 2)
    platform.asked.clear()
    [outcome] = await session.outcomes.create("n", "a/b")
    assert isinstance(outcome.error, errors.NotSignedInError)
    assert len(platform.asked) == 1


@pytest.mark.parametrize("given", ["", None])
async def test_a_provider_without_a_token_is_told_and_nobody_is_asked_for_nobody(
    make: Make, platform: Platform, given: Any
) -> None:
    async def provide() -> Any:
        return given

    def provide_now() -> Any:
        return given

    session = make(token=provide_now if hasattr(make(), "blocking") else provide)
    for call in (session.fetch(), session.create("n", "a/b"), session.info(["a", "b"])):
        with pytest.raises(ValueError, match=r"token (is empty|gave none)"):
            await call
    assert platform.asked == []


async def test_a_refused_token_is_not_sent_again_where_there_is_no_other(
    pool: AsyncPool, platform: Platform
) -> None:
    tokens = iter(["refused"])

    async def provide() -> str:
        for token in tokens:
            return token
        raise errors.NotSignedInError

    platform.always(b"Token has expired", 401)
    session = AsyncSession(pool=pool, token=provide)
    for _ in range(3):
        with pytest.raises(errors.NotSignedInError):
            await session.fetch()
    assert len(platform.asked) == 1


async def test_what_goes_wrong_in_a_provider_is_raised_as_it_is(pool: AsyncPool, platform: Platform) -> None:
    async def provide() -> str:
        raise LookupError("no way to refresh")

    with pytest.raises(LookupError):
        await AsyncSession(pool=pool, token=provide).info(["a", "b", "c"])
    assert platform.asked == []


async def test_a_bad_id_costs_no_request(either: Any, platform: Platform) -> None:
    outcomes = await either.outcomes.info(["../image", "ab"])
    assert [(outcome.ok, outcome.attempts) for outcome in outcomes] == [(False, 0), (False, 1)]
    assert platform.lines == ["GET session/ab"]


async def test_a_closed_session_opens_anew_at_its_next_call(platform: Platform) -> None:
    session = AsyncSession(url=platform.url)
    async with session:
        await session.fetch()
    assert len(await session.fetch()) == 3
    await session.aclose()


async def test_closing_a_session_leaves_a_shared_pool_open(pool: AsyncPool, platform: Platform) -> None:
    async with AsyncSession(pool=pool) as session:
        await session.fetch()
    await AsyncSession(pool=pool).fetch()
    assert platform.connections == 1


async def test_nothing_secret_is_logged_even_at_debug(
    make: Make, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    session = make(registry=("ann", "canary-registry"))
    with caplog.at_level(logging.DEBUG):
        await session.create("n", "a/b", env={"KEY": "canary-value"})
        platform.always(b"no: canary-token KEY=canary-value", 500)
        await session.create("n", "a/b", env={"KEY": "canary-value"})
        platform.always(b"no: canary-token hgd7k2mq", 500)
        await session.info("hgd7k2mq")
    assert "canary" not in caplog.text
    assert "hgd7k2mq" not in caplog.text
