"""The live tests that the released clients bring along pass against a served local platform.

``.setup/released.py`` fetches them; they are run as they are, each release's in its own environment, one process for
each of their files, all beside one another on one platform. Run are those that ask a server, listed below. Left out are
the many that answer themselves with mocks or check arguments alone, and one that cannot pass here:
``test_data_smoke.py`` of 1.5.2 lists files in the platform's storage, and the local platform has none. Their
``conftest.py`` is not loaded, as it takes the variables away that say where the platform is.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.local.harness import Platform, running

HERE = Path(__file__).parent
RELEASED = HERE.parents[1] / "var" / "released"
PATIENCE = 240

SYNC = (
    "test_fetch_with_kind",
    "test_session_stats",
    "test_create_session",
    "test_get_session_info",
    "test_session_logs",
    "test_session_events",
    "test_delete_session",
)
ASYNC = (
    "test_fetch_with_kind",
    "test_get_session_stats",
    "test_create_session",
    "test_get_succeeded",
    "test_get_logs",
    "test_session_events",
    "test_delete_session",
)
READS = {
    "test_images.py": ("test_images_fetch", "test_images_with_kind"),
    "test_context.py": ("test_context",),
    "test_overview.py": ("test_available",),
    "test_cli_stats_ps.py": ("test_stats_command_integration", "test_ps_command_integration"),
}
LIFECYCLES = (
    "test_sync_session_lifecycle_is_self_contained",
    "test_async_session_lifecycle_is_self_contained",
)
# Each is a process: the release, and which tests of which files.
RUNS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "1.0.4 blocking": ("1.0.4", {"test_session.py": SYNC}),
    "1.0.4 async": ("1.0.4", {"test_async_session.py": ASYNC}),
    "1.0.4 reads": ("1.0.4", READS),
    "1.4.1 blocking": ("1.4.1", {"test_session.py": SYNC}),
    "1.4.1 async": ("1.4.1", {"test_async_session.py": ASYNC}),
    "1.4.1 reads": ("1.4.1", READS),
    "1.5.2": ("1.5.2", {"test_sessions_integration.py": LIFECYCLES, **READS}),
}


class Run:
    """One process that runs some of a release's tests."""

    def __init__(self, name: str, platform: Platform, folder: Path) -> None:
        self.version, self.files = RUNS[name]
        self.results = folder / "results.xml"
        home = RELEASED / self.version
        ids = [f"tests/{file}::{test}" for file, tests in self.files.items() for test in tests]
        if self.version == "1.0.4":
            configure(folder, platform)
        options = ["-c", os.devnull, "--rootdir", ".", "--noconftest", "-o", "asyncio_mode=auto"]
        plugins = ["-p", "no:cacheprovider", "-p", "quick_clock", f"--junitxml={self.results}"]
        self.process = subprocess.Popen(
            [home / "bin" / "python", "-m", "pytest", *options, *plugins, *ids],
            cwd=home / "live",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "PYTHONPATH": str(HERE),
                "PYTHONDONTWRITEBYTECODE": "1",
                "CANFAR_URL": platform.alice.url,
                "CANFAR_TOKEN": platform.alice.token,
                "RELEASED_CLOCK": os.environ.get("RELEASED_CLOCK", "4"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def passed(self) -> list[str]:
        """Wait for the end; answer which tests passed."""
        said, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, said
        cases = [case for case in ElementTree.parse(self.results).iter("testcase") if not len(case)]
        return [f"{case.get('classname', '').rpartition('.')[2]}.py::{case.get('name')}" for case in cases]


def configure(home: Path, platform: Platform) -> None:
    """Write a configuration: 1.0.4 minds when a sign-in ends, also where the variables name another one."""
    place = {"name": "local", "uri": "ivo://local/skaha", "url": platform.alice.url.removesuffix("/v1")}
    context = {
        "mode": "oidc",
        "token": {"access": platform.alice.token},
        "expiry": {"access": time.time() + 86_400},
        "server": {**place, "version": "v1", "auths": ["oidc"]},
    }
    (home / ".canfar").mkdir()
    # JSON is YAML too.
    (home / ".canfar" / "config.yaml").write_text(
        json.dumps({"active": "local", "contexts": {"local": context}})
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    started: dict[str, Run] = {}
    with running(tmp_path_factory.mktemp("released") / "data", "--grace", "1") as platform:
        try:
            for name in RUNS:
                started[name] = Run(name, platform, tmp_path_factory.mktemp("home"))
            yield started
        finally:
            for run in started.values():
                run.process.kill()
                run.process.communicate()


@pytest.mark.parametrize("name", RUNS)
def test_what_a_release_tests_live_passes_here(runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    wanted = [f"{file}::{test}" for file, tests in run.files.items() for test in tests]
    passed = run.passed()
    assert sorted(passed) == sorted(wanted)
    assert len(passed) == {"blocking": 7, "async": 7, "reads": 6, "1.5.2": 8}[name.split()[-1]]
