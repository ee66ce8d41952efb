"""The apps of a desktop: what is asked for, and what becomes of the answers."""

from __future__ import annotations

from typing import Any

import pytest

from sessions_app.client import errors

from .conftest import Make, Platform


async def test_each_call_asks_one_line(either: Any, platform: Platform) -> None:
    apps = either.apps("dk000001")
    await apps.fetch("Running")
    await apps.attach("skaha/terminal", 1, ram=4)
    await apps.info("x1y")
    await apps.destroy(["x1y", "z9z", "x1y"])
    image = "image=images.canfar.net%2Fskaha%2Fterminal%3Alatest"
    *one_by_one, first, second = platform.lines
    assert one_by_one == [
        "GET session/dk000001/app?status=Running",
        f"POST session/dk000001/app?{image}&cores=1&ram=4",
        "GET session/dk000001/app/x1y",
    ]
    # The deletions are under way together and may arrive in either order.
    assert sorted([first, second]) == ["DELETE session/dk000001/app/x1y", "DELETE session/dk000001/app/z9z"]


async def test_the_apps_of_other_desktops_are_left_out(either: Any) -> None:
    assert [app["appid"] for app in await either.apps("dk000001").fetch()] == ["x1y"]
    assert await either.apps("dk000009").fetch() == []


@pytest.mark.parametrize("wrong", ["", "..", "a/b", "a?x=y", "A"])
async def test_what_is_no_id_never_becomes_a_request(either: Any, platform: Platform, wrong: str) -> None:
    for outcome in (
        *await either.apps("dk000001").outcomes.info(wrong),
        *await either.apps("dk000001").outcomes.destroy(wrong),
        *await either.apps(wrong).outcomes.destroy("x1y"),
    ):
        assert isinstance(outcome.error, errors.NotFoundError)
    for call in (either.apps(wrong).fetch, lambda: either.apps(wrong).attach("skaha/terminal")):
        with pytest.raises(errors.NotFoundError):
            await call()
    assert platform.asked == []


@pytest.mark.parametrize(
    "given", [{"image": "terminal"}, {"image": "a/b", "cores": 0}, {"image": "a/b", "ram": 513}]
)
async def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    either: Any, platform: Platform, given: Any
) -> None:
    with pytest.raises(errors.InvalidArgumentError):
        await either.apps("dk000001").attach(**given)
    with pytest.raises(errors.InvalidArgumentError):
        await either.apps("dk000001").fetch("running")
    assert platform.asked == []


async def test_an_app_without_an_id_in_its_answer_may_run_all_the_same(
    either: Any, platform: Platform
) -> None:
    platform.always(b" \n")
    with pytest.raises(errors.NotUnderstoodError) as caught:
        await either.apps("dk000001").attach("skaha/terminal")
    assert caught.value.sent
    assert len(platform.asked) == 1


async def test_an_app_is_asked_for_once_even_when_its_answer_is_lost(either: Any, platform: Platform) -> None:
    platform.always(b"later", 503)
    with pytest.raises(errors.PlatformUnavailableError):
        await either.apps("dk000001").attach("skaha/terminal")
    assert len(platform.asked) == 1


async def test_a_desktop_that_is_not_running_is_told_without_its_id(either: Any, platform: Platform) -> None:
    platform.always(b"session dk000001 not found\n", 404)
    with pytest.raises(errors.NotFoundError) as caught:
        await either.apps("dk000001").attach("skaha/terminal")
    assert caught.value.request == "POST session/dk…/app"
    assert "dk000001" not in str(caught.value)


async def test_the_registrys_secret_goes_with_what_names_an_image(make: Make, platform: Platform) -> None:
    apps = make(registry=("ann", "s3cret")).apps("dk000001")
    await apps.attach("skaha/terminal")
    await apps.fetch()
    await apps.destroy("x1y")
    sent = [asked.headers.get("x-skaha-registry-auth") for asked in platform.asked]
    assert sent == ["YW5uOnMzY3JldA==", None, None]
