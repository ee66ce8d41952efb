"""The released ``canfar`` command, in an environment of its own, cannot tell a served local platform from Skaha.

``.setup/released.py`` installs it, with the typer that it works with (contract 14.6). It is told where the platform is
as the contract's 14.3 says, by two variables, and it finds no configuration.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.harness import NOTEBOOK, TERMINAL, Skaha, eventually

from .conftest import Under

COMMAND = Path(__file__).parents[2] / "var" / "released" / "1.5.2" / "bin" / "canfar"
WIDE = "300"


class Canfar:
    """The released command, as one person uses it."""

    def __init__(self, person: Skaha, home: Path) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "CANFAR_URL": person.url,
            "CANFAR_TOKEN": person.token,
            "COLUMNS": WIDE,
            "BROWSER": "echo opened %s",
        }

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            [COMMAND, *words], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def rows(self, *words: str) -> dict[str, dict[str, object]]:
        return {row["id"]: row for row in json.loads(self("ps", "--output", "json", *words))}

    def create(self, *words: str) -> list[str]:
        found: list[str] = json.loads(self("create", "--output", "json", *words))
        return found


@pytest.fixture
def canfar(under: Under, tmp_path: Path) -> Iterator[Canfar]:
    if not under.own:
        pytest.skip("what it starts would cost others something")
    under.alice.emptied()
    yield Canfar(under.alice, tmp_path)
    under.alice.emptied()


def test_ps_shows_what_create_launched(canfar: Canfar) -> None:
    assert "No pending or running sessions found" in canfar("ps")
    made = canfar.create("--name", "several", "--replicas", "2", "headless", TERMINAL, "--", "sleep", "60")
    assert len(made) == 2
    assert {row["name"] for row in canfar.rows().values()} == {"several-1", "several-2"}
    shown = canfar("ps")
    assert all(session in shown for session in made)
    assert set(canfar("ps", "--quiet").split()) >= set(made)
    assert canfar.rows("--kind", "notebook") == {}
    assert set(eventually(lambda: canfar.rows("--status", "Running"))) <= set(made)


def test_ps_leaves_out_what_has_ended_unless_it_is_asked_for(canfar: Canfar) -> None:
    [session] = canfar.create("--name", "short", "headless", TERMINAL, "--", "true")
    ended = eventually(lambda: canfar.rows("--all", "--status", "Completed"))
    assert set(ended) == {session}
    assert session not in canfar("ps")


def test_info_logs_and_events_tell_of_one_session(canfar: Canfar) -> None:
    [session] = canfar.create(
        *("--name", "told", "--cpu", "1", "--memory", "2", "--env", "WORD=caf\u00e9"),
        *("headless", TERMINAL, "--", "env"),
    )
    eventually(lambda: canfar.rows("--all", "--status", "Completed"))
    info = canfar("info", session)
    assert all(word in info for word in (session, "told", TERMINAL, "Completed"))
    logs = canfar("logs", session)
    assert all(word in logs for word in ("WORD=caf\u00e9", "REPLICA_ID=1", "REPLICA_COUNT=1"))
    events = canfar("events", session)
    assert all(word in events for word in ("Normal", "Scheduled", "Started", "Completed"))


def test_open_opens_a_running_notebook_in_the_browser(canfar: Canfar) -> None:
    [session] = canfar.create("--name", "mine", "notebook", NOTEBOOK)
    running = eventually(lambda: canfar.rows("--status", "Running"), within=120, every=0.5)
    assert f"opened {running[session]['connectURL']}" in canfar("open", session)


def test_delete_ends_a_session(canfar: Canfar) -> None:
    [session] = canfar.create("--name", "gone", "headless", TERMINAL, "--", "sleep", "60")
    assert "True" in canfar("delete", "--force", session)
    assert canfar.rows("--all") == {}


def test_prune_ends_what_begins_with_a_word(canfar: Canfar) -> None:
    canfar.create("--name", "old-one", "--replicas", "2", "headless", TERMINAL, "--", "sleep", "60")
    [kept] = canfar.create("--name", "new-one", "headless", TERMINAL, "--", "sleep", "60")
    eventually(lambda: len(canfar.rows("--status", "Running")) == 3)
    assert "Deleted 2 sessions" in canfar("prune", "old", "headless", "Running")
    assert set(canfar.rows()) == {kept}


def test_stats_and_images_say_what_there_is(canfar: Canfar) -> None:
    stats = canfar("stats")
    assert "N/A" not in stats
    assert f"Total \u2502 {len(os.sched_getaffinity(0))} " in stats
    listed = canfar("image", "ls")
    assert all(image.removeprefix("images.canfar.net/") in listed for image in (TERMINAL, NOTEBOOK))


def test_the_line_that_the_portal_shows_launches_the_same(canfar: Canfar, under: Under) -> None:
    from sessions_app.connections.writes import LaunchRequest
    from sessions_app.views.launch_summary import command_line

    line = "python3 -c \"import os, sys; print(sys.argv[1:], os.environ['A'])\" 'a  b' '' '$HOME=\"\\'"
    asked = LaunchRequest("shown", TERMINAL, "headless", cmd=line, env={"A": "b=c"})
    name, *words = shlex.split(command_line(asked))
    assert (name, words.pop(0)) == ("canfar", "create")
    [session] = canfar.create(*words)
    assert under.alice.finished(session) == "Completed"
    log = eventually(lambda: under.alice.view(session, "logs"))
    assert log == "['a  b', '', '$HOME=\"\\\\'] b=c\n"
