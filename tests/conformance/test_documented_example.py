"""The example that the released client's documentation gives runs on a local platform of two cores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.load.behind import EXAMPLE, ways
from tests.local.harness import NOTEBOOK, Platform, eventually, running


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    share = ("--capacity-cores", "2", "--capacity-ram", "8", "--grace", "1")
    with running(tmp_path_factory.mktemp("example") / "data", *share) as platform:
        yield platform


@pytest.mark.parametrize("way", ["AsyncSession", "Session", "canfar create"])
def test_the_documented_example_runs_and_tells_what_it_got_instead(
    platform: Platform, tmp_path: Path, way: str
) -> None:
    alice = platform.alice
    ids = ways(alice, tmp_path)[way](**EXAMPLE)
    assert len(ids) == 2
    # Each asks for all there is, so one waits for the other and neither for ever.
    assert [alice.finished(session, within=60) for session in ids] == ["Completed"] * 2
    for number, session in enumerate(ids, 1):
        log = alice.view(session, "logs")
        assert "TEST=test" in log
        assert f"REPLICA_ID={number}" in log
        told = alice.view(session, "events")
        assert (
            "`skaha/terminal:1.1.1` is not in this catalogue; `skaha/terminal:latest` stands for it" in told
        )
        assert "Asked for 1 GPU; this machine has none, it runs without" in told
        row = alice.info(session)
        assert (row["requestedGPUCores"], row["image"]) == ("1", EXAMPLE["image"])
    alice.emptied()


@pytest.mark.parametrize("way", ["AsyncSession", "Session", "canfar create"])
def test_a_notebook_and_a_job_start_at_once_behind_two_large_ones_that_wait(
    platform: Platform, tmp_path: Path, way: str
) -> None:
    alice, create = platform.alice, ways(platform.alice, tmp_path)[way]
    sleeping = {"image": EXAMPLE["image"], "kind": "headless", "cmd": "sleep", "args": "600"}
    holding = create(name="holding", cores=2, ram=4, **sleeping)
    large = create(name="large", cores=2, ram=4, replicas=2, **sleeping)
    job = create(name="job", **sleeping)
    notebook = create(name="lab", image=f"{NOTEBOOK.removesuffix(':latest')}:24.07", kind="notebook")
    alice.until(job[0], "Running", within=60)
    alice.until(notebook[0], "Running", within=240)
    assert [alice.info(session)["status"] for session in large] == ["Pending"] * 2
    told = eventually(lambda: (text := alice.view(large[0], "events")) and " Waiting " in text and text)
    assert "; `holding` holds them" in told
    alice.delete(holding[0])
    # Replicas are asked for at once, so either may be the first.
    eventually(lambda: any(alice.info(session)["status"] == "Running" for session in large))
    alice.emptied()
