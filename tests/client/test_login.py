"""A name and its password for a token, from a service that answers in every way."""

import gzip

import pytest

from sessions_app.client import errors
from sessions_app.client.drivers.login import login

from .conftest import Platform


async def test_the_token_comes_whole_also_when_it_is_compressed(platform: Platform) -> None:
    platform.always(gzip.compress(b"a-token\n"), headers={"Content-Encoding": "gzip"}, keep=False)
    assert await login(platform.url, "ann", "canary-4711") == "a-token"
    assert "canary-4711" not in platform.asked[0].target


async def test_a_long_error_is_cut_and_told_without_the_password(platform: Platform) -> None:
    platform.always(b"no canary-4711 here " * 10_000, 400, keep=False)
    with pytest.raises(errors.RefusedError, match=r"no .* here") as caught:
        await login(platform.url, "ann", "canary-4711")
    assert "canary-4711" not in f"{caught.value!s} {caught.value!r} {caught.value.detail}"


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"x" * 200_000, {}), (gzip.compress(b"x" * 2_000_000), {"Content-Encoding": "gzip"})],
    ids=["long", "compressed"],
)
async def test_an_answer_too_large_for_a_token_is_not_read_to_its_end(
    platform: Platform, body: bytes, headers: dict[str, str]
) -> None:
    platform.always(body, headers=headers, keep=False)
    with pytest.raises(errors.TooLargeError):
        await login(platform.url, "ann", "canary-4711")
