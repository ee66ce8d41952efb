"""What is asked for and not had as such: other tags, GPUs, images of another kind, a shell."""

import signal
from pathlib import Path

import pytest

from sessions_app.local import machine

from .harness import TERMINAL, Skaha, eventually, running

NAMELESS, DIGEST = TERMINAL.removesuffix(":latest"), "sha256:" + "0" * 64


@pytest.mark.parametrize("reference", [f"{NAMELESS}:1.1.1", f"{NAMELESS}@{DIGEST}", f"{TERMINAL}@{DIGEST}"])
def test_any_tag_or_digest_of_an_image_it_knows_is_taken_and_what_stands_for_it_is_told(
    alice: Skaha, reference: str
) -> None:
    session = alice.create("true", image=reference)
    assert alice.finished(session) == "Completed"
    short = reference.removeprefix("images.canfar.net/")
    told = f"`{short}` is not in this catalogue; `skaha/terminal:latest` stands for it"
    assert told in alice.view(session, "events")
    assert alice.info(session)["image"] == reference


def test_an_image_named_as_it_is_has_nothing_that_stands_for_it(alice: Skaha) -> None:
    [digest] = [row["digest"] for row in alice.get("/image").json() if row["id"] == TERMINAL]
    for reference in (TERMINAL, NAMELESS, f"{NAMELESS}@{digest}"):
        session = alice.create("true", image=reference)
        assert alice.finished(session) == "Completed"
        assert "StandsFor" not in alice.view(session, "events")


@pytest.mark.parametrize(
    "reference", ["nothing:1", "terminal:", "terminal:a b", "terminal:latest@sha256:1", "terminal/x:1"]
)
def test_what_names_no_image_of_the_catalogue_is_not_found(alice: Skaha, reference: str) -> None:
    session = alice.create("true", image=f"images.canfar.net/skaha/{reference}")
    eventually(lambda: "there is no such image" in alice.view(session, "events"))
    alice.delete(session)


def test_an_image_for_another_kind_says_what_it_serves(alice: Skaha) -> None:
    session = alice.create(image=TERMINAL, type="notebook")
    told = "it serves headless sessions; nothing in it runs as a notebook session"
    eventually(lambda: told in alice.view(session, "events"))
    alice.delete(session)


def test_a_gpu_that_is_not_there_is_told_kept_and_listed(alice: Skaha) -> None:
    assert alice.get("/context").json()["gpus"] == {"options": []}
    session = alice.create("true", gpus=1)
    assert alice.finished(session) == "Completed"
    assert "Asked for 1 GPU; this machine has none, it runs without" in alice.view(session, "events")
    assert alice.info(session)["requestedGPUCores"] == "1"
    for wrong in ("x", "-1", "1.5", "29", "9" * 5000):
        answer = alice.post("/session", name="t", image=TERMINAL, gpus=wrong)
        assert (answer.status_code, answer.text) == (400, f"Invalid value for 'gpus': {wrong}\n")
    none = alice.create("true", gpus=0)
    assert alice.finished(none) == "Completed"
    assert "WithoutGPU" not in alice.view(none, "events")


def test_gpus_on_offer_are_options_are_waited_for_and_are_told_not_to_be_there(data: Path) -> None:
    with running(data, "--gpus", "2", "--grace", "1") as platform:
        alice = platform.alice
        assert alice.get("/context").json()["gpus"] == {"options": [1, 2]}
        first = alice.create("sleep", "60", gpus=2, name="first")
        assert "Asked for 2 GPUs; this machine has none, it runs without" in alice.view(first, "events")
        second = alice.create("sleep", "60", gpus=1)
        eventually(lambda: "Waits for 1 GPU; `first` holds it" in alice.view(second, "events"))
        assert alice.post("/session", name="t", image=TERMINAL, gpus=3).status_code == 400
        alice = platform.again(signal.SIGKILL).alice
        assert alice.info(first)["requestedGPUCores"] == "2"
        alice.delete(first)
        alice.until(second, "Running")


def test_a_machine_without_a_shell_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with running(data) as platform:
        session = platform.alice.create("sh", "-c", "true")
        assert platform.alice.finished(session) == "Failed"
        assert "Could not run 'sh': No such file or directory" in platform.alice.view(session, "events")


def test_a_script_in_a_variable_is_run_by_the_shell_of_the_image(alice: Skaha) -> None:
    script = "echo \"one  two\" '=' $((1+1)); exit 3"
    session = alice.create(
        "sh", "-c", 'eval\t"$SCRIPT"', env=[f"SCRIPT={script}"]
    )  # `args` is cut at each blank, so a tab stands between the words.
    assert alice.finished(session) == "Failed"
    assert alice.view(session, "logs") == "one  two = 2\n"
    assert "Exited with code 3" in alice.view(session, "events")


@pytest.mark.parametrize(
    ("visible", "count"),
    [(None, 4), ("", 0), ("-1", 0), ("2", 1), ("0, 3", 2), ("0,-1,1", 1), ("GPU-8932f937,1", 2)],
)
def test_the_gpus_are_those_whose_driver_is_here_and_that_are_left_visible(
    visible: str | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "drivers", lambda: 4)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == count
