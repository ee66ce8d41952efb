"""The command that looks after the images: list, pull, prune."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sessions_app.local import catalogue
from sessions_app.local.install import STAMP

from .harness import IMAGES, ROOT

OLD = "marimo-0123456789ab"


def image(action: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sessions_app.local", "image", action, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )


def environment(images: Path, name: str, *, stamped: bool) -> Path:
    (images / name / "bin").mkdir(parents=True)
    (images / name / "bin" / "tool").write_text("x" * 100_000)
    (images / f"{name}.lock").touch()
    if stamped:
        (images / name / STAMP).write_text("sha256:…\n")
    return images / name


def test_an_image_is_pulled_with_progress_and_then_listed_with_its_size(tmp_path: Path) -> None:
    done = image("pull", "skaha/desktop", "--images", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "skaha/desktop:latest: pulled in " in done.stdout
    assert "Downloaded 1 of 1 npm packages" in done.stderr
    row = next(
        line for line in image("list", "--images", str(tmp_path)).stdout.splitlines() if "/desktop" in line
    )
    assert row.split("  ")[0] == "skaha/desktop:latest"
    assert " here " in row
    assert " MB " in row
    assert "is here already" in image("pull", "skaha/desktop", "--images", str(tmp_path)).stdout


def test_an_image_that_nobody_knows_is_named_with_those_there_are(tmp_path: Path) -> None:
    done = image("pull", "skaha/nothing", "--images", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("There is no image 'skaha/nothing'. There are skaha/terminal, ")


def test_a_pull_without_npm_says_what_to_install(tmp_path: Path) -> None:
    done = image("pull", "skaha/web-terminal", "--images", str(tmp_path), PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "skaha/web-terminal:latest: this machine lacks npm: install npm\n"
    listed = image("list", "--images", str(tmp_path), PATH=str(tmp_path)).stdout
    assert "this machine lacks Xtigervnc" in listed


def test_prune_removes_what_is_old_or_half_done_and_nothing_else(tmp_path: Path) -> None:
    old = environment(tmp_path, OLD, stamped=True)
    current = [each.folder for each in catalogue.IMAGES if each.recipe]
    whole = environment(tmp_path, current[0], stamped=True)
    half = environment(tmp_path, current[1], stamped=False)
    (tmp_path / "something else").mkdir()
    done = image("prune", "--images", str(tmp_path))
    assert done.stdout.endswith("Removed 2 environments, 0 MB.\n")
    assert not old.exists()
    assert not half.exists()
    assert not (tmp_path / f"{OLD}.lock").exists()
    assert whole.exists()
    assert (tmp_path / "something else").exists()


def test_prune_leaves_what_is_being_pulled(tmp_path: Path) -> None:
    half = environment(tmp_path, OLD, stamped=False)
    with (tmp_path / f"{OLD}.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "left alone, it is being pulled" in image("prune", "--images", str(tmp_path)).stdout
    assert half.exists()


def test_prune_leaves_what_a_session_uses(tmp_path: Path) -> None:
    old = environment(tmp_path, OLD, stamped=True)
    with subprocess.Popen(["sleep", "60"], env={"PATH": f"{old}/bin:/usr/bin:/bin"}) as session:
        assert "left alone, a session uses it" in image("prune", "--images", str(tmp_path)).stdout
        session.kill()
    assert old.exists()
    assert "Removed 1 environments" in image("prune", "--images", str(tmp_path)).stdout


@pytest.mark.parametrize("arguments", [["list"], ["pull", "skaha/terminal"]])
def test_manage_passes_its_arguments_on(arguments: list[str]) -> None:
    command = [sys.executable, "manage.py", "local_images", *arguments, "--images", str(IMAGES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "skaha/terminal:latest" in done.stdout
    assert "needs no pull" in done.stdout
