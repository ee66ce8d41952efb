"""Commands with quotes and scripts, as the portal sends them, reach a served platform's sessions whole."""

import json
import sys

import pytest

from sessions_app.connections.commands import travelling, words_of
from tests.local.harness import Skaha, eventually
from tests.portal.test_commands import NASTY, PACKED


def launched(alice: Skaha, words: list[str], script: str = "", **env: str) -> str:
    sent = travelling(words, script, env)
    pairs = [f"{name}={value}" for name, value in sent.env.items()]
    return alice.create(name="line", cmd=sent.cmd, args=sent.args, env=pairs)


def ended(alice: Skaha, session: str) -> tuple[str, str]:
    """Return how a session ended and its log."""
    status = alice.finished(session, within=60)
    return status, eventually(lambda: alice.view(session, "logs"))


def test_the_line_of_the_day_runs_whole(alice: Skaha) -> None:
    session = launched(alice, words_of('bash -c "echo hello; sleep 1; echo world"'))
    assert ended(alice, session) == ("Completed", "hello\nworld\n")


def test_nasty_words_arrive_and_the_exit_code_counts(alice: Skaha) -> None:
    code = "import sys, json; print(json.dumps(sys.argv[1:])); sys.exit(7)"
    status, log = ended(alice, launched(alice, ["python3", "-c", code, *NASTY]))
    assert (status, json.loads(log)) == ("Failed", NASTY)


@pytest.mark.parametrize("filling", ["", PACKED], ids=["short", "long"])
def test_scripts_run_with_their_variables(alice: Skaha, filling: str) -> None:
    script = f"#!/usr/bin/env python3\nimport os\n# {filling}\nprint(os.environ['A'], os.environ['REPLICA'])"
    session = launched(alice, [], script, A="b=c", REPLICA="")
    assert ended(alice, session) == ("Completed", "b=c \n")
    session = launched(alice, [], f'# {filling}\nfor n in 1 2; do echo "$n: $A"; done', A="x\\y")
    assert ended(alice, session) == ("Completed", "1: x\\y\n2: x\\y\n")


def test_an_end_reaches_the_command_behind_its_script(alice: Skaha, own: None) -> None:
    import psutil

    mark = "a mark with blanks"
    session = launched(
        alice, [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(600)", mark]
    )
    eventually(lambda: alice.view(session, "logs"))

    def running() -> list[psutil.Process]:
        return [each for each in psutil.process_iter(["cmdline"]) if mark in (each.info["cmdline"] or ())]

    [process] = running()
    assert process.cmdline()[0] == sys.executable
    alice.delete(session)
    eventually(lambda: not running())
