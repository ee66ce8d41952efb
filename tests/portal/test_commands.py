"""A command line means what it means in a shell, on every platform and in every image that has a `sh`."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

from sessions_app.connections.commands import (
    SCRIPT_VARIABLE,
    UnreadableError,
    interpreter_of,
    left_to_no_shell,
    travelling,
    words_of,
)
from tests.portal.lossy import RefusedError, lossy

NASTY = [
    "a b",
    '"',
    "it's",
    "=x=",
    "A=1",
    "$HOME",
    "${IFS}",
    "$(id)",
    "`id`",
    "\\n",
    "\\",
    "two\nlines",
    "tab\there",
    "é∑ 😀",
    "",
    ";",
    "&&",
    "*",
    "?",
    "[a]",
    "#no comment",
    "~",
    "!x",
    "  blanks  within  ",
    "%s%d",
    "-n",
    "{a,b}",
]
# Debian's sh is dash, others' is bash, and Alpine's is busybox.
SHELLS = ("dash", "bash", "busybox")
SHOWS = "import sys, json; print(json.dumps(sys.argv[1:])); sys.exit(7)"
PACKED = "packed " * 2000


def arrived(sent) -> tuple[list[str], dict[str, str]]:
    """Take what is sent through the losses of a platform, with the variables that its client adds."""
    env = {**sent.env, "REPLICA_ID": 1, "REPLICA_COUNT": 1}
    return lossy(sent.cmd, sent.args, [f"{name}={value}" for name, value in env.items()])


def run(shell: str, sent) -> subprocess.CompletedProcess:
    """Run what reaches a container whose `sh` is this shell."""
    words, env = arrived(sent)
    assert words[0] == "sh"
    as_sh = ["busybox", "sh"] if shell == "busybox" else [shell]
    return subprocess.run(
        [*as_sh, *words[1:]],
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_quoted_argument_is_one_word():
    assert words_of('bash -c "echo hello; sleep 1"') == ["bash", "-c", "echo hello; sleep 1"]


def test_arguments_of_their_own_are_cut_at_blanks_unless_a_word_begins_with_a_quote():
    assert words_of("python3", "-c print('x')") == ["python3", "-c", "print('x')"]
    assert words_of("bash", '-c "echo hello; sleep 1"') == ["bash", "-c", "echo hello; sleep 1"]


@pytest.mark.parametrize(("line", "said"), [('a "b', "A quote is not closed."), ("a \\", "ends in a lone")])
def test_a_line_that_cannot_be_read_says_why(line, said):
    with pytest.raises(UnreadableError, match=said):
        words_of(line)


def test_plain_words_are_sent_as_they_always_were():
    sent = travelling(["python3", "fit.py", "--all", "print('x')"], "", {"A": "1"})
    assert (sent.cmd, sent.args, dict(sent.env), sent.as_script) == (
        "python3",
        "fit.py --all print('x')",
        {"A": "1"},
        False,
    )


def test_without_its_script_a_platform_would_have_lost_such_arguments():
    with pytest.raises(RefusedError):
        lossy("bash", '-c "echo hello"', [])
    assert lossy("bash", "-c echo hello", ["A=b=c", "B="]) == (["bash", "-c", "echo", "hello"], {})


@pytest.mark.parametrize("word", NASTY)
def test_nothing_that_is_sent_for_a_nasty_word_can_be_harmed(word):
    sent = travelling(["echo", word, "a b"], "", {"LOST": "a=b"})
    assert not set(sent.args) & set("\"'\\$\n=")
    assert sent.args.count(" ") == 1
    assert set(sent.env) == {SCRIPT_VARIABLE}
    assert sent.env[SCRIPT_VARIABLE].replace("+", "").replace("/", "").isalnum()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_word_reaches_the_command_and_its_exit_code_comes_back(shell):
    ran = run(shell, travelling([sys.executable, "-c", SHOWS, *NASTY], "", {}))
    assert (ran.stderr, ran.returncode) == ("", 7)
    assert json.loads(ran.stdout) == NASTY


@pytest.mark.parametrize("shell", SHELLS)
def test_variables_that_a_platform_loses_travel_with_the_script(shell):
    env = {"PLAIN": "1", "EQUALS": "a=b=c", "EMPTY": "", "QUOTES": 'it\'s "$x" \\n'}
    show = "import os; print([os.environ.get(n) for n in ('PLAIN', 'EQUALS', 'EMPTY', 'QUOTES', 'CANFARWEB_SCRIPT')])"
    ran = run(shell, travelling([sys.executable, "-c", show], "", env))
    assert ran.stdout == f"{[*env.values(), None]}\n"


def test_a_plain_command_travels_as_a_script_for_the_sake_of_its_variables_only_where_they_would_be_lost():
    assert travelling(["env"], "", {"A": "b=c"}).as_script
    assert not travelling(["env"], "", {"A": "b=c"}, passes_values_whole=True).as_script


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 8000])
def test_a_script_of_any_length_runs_whole(shell, length):
    said = ("wörds and $blanks " * 500)[:length]
    ran = run(shell, travelling([], f"printf %s {shlex.quote(said)}\nexit 3", {}))
    assert (ran.stdout, ran.stderr, ran.returncode) == (said, "", 3)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("length", ["", "# " + PACKED])
def test_a_script_that_names_its_program_is_run_by_it(shell, length):
    script = f"#!{shlex.quote(sys.executable)} -u\r\nimport sys\n{length}\nprint('é', sys.stdin.read())\nsys.exit(4)"
    ran = run(shell, travelling([], script, {"A": "b=c"}))
    assert (ran.stderr, ran.returncode) == ("", 4)


@pytest.mark.parametrize(
    ("first", "program"),
    [
        ("#!/bin/bash -e", "bash"),
        ("#!/usr/bin/env -S python3 -u", "python3"),
        ("#!/bin/sh", "sh"),
        ("ls", "sh"),
        ("", "sh"),
    ],
)
def test_the_program_of_a_script_is_named(first, program):
    assert interpreter_of(f"{first}\nexit") == program


@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_reaches_the_command_itself(shell):
    words, env = arrived(
        travelling([sys.executable, "-c", "import time\nprint('up', flush=True); time.sleep(60)"], "", {})
    )
    as_sh = ["busybox", "sh"] if shell == "busybox" else [shell]
    started = subprocess.Popen(
        [*as_sh, *words[1:]], env={"PATH": os.environ["PATH"], **env}, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout.readline() == "up\n"
    started.send_signal(signal.SIGTERM)
    assert started.wait(20) == -signal.SIGTERM
    started.stdout.close()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_that_was_lost_on_its_way_fails_in_words(shell):
    sent = travelling(["echo", "a b"], "", {})
    as_sh = ["busybox", "sh"] if shell == "busybox" else [shell]
    ran = subprocess.run(
        [*as_sh, *sent.args.split(" ")], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
    )
    assert ran.returncode != 0
    assert "the platform lost the script" in ran.stderr


def test_an_image_without_base64_fails_and_says_so(tmp_path):
    sent = travelling(["echo", "a b"], "", {})
    ran = subprocess.run(
        [shutil.which(SHELLS[0]), *sent.args.split(" ")],
        env={"PATH": str(tmp_path), **sent.env},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 127
    assert "base64" in ran.stderr


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("make all && ls", "&&"),
        ("sort a > b", ">"),
        ("sort a 2>&1", "2>&1"),
        ("cd /tmp; ls", ";"),
        ("ls *.fits", "*.fits"),
        ("ls '*.fits' \"a?\"", ""),
        ("ls ~/data", "~"),
        ("python3 -c raise(SystemExit(3))", ""),
        ('echo "$HOME" a', "$HOME"),
        ("ls $HOME", "$HOME"),
        ("sh -c 'a | b'", ""),
        ("/bin/bash -c '$HOME'", ""),
        ("grep 'a|b' file", ""),
        ("python3 fit.py", ""),
    ],
)
def test_what_only_a_shell_would_act_on_is_noticed(line, part):
    assert left_to_no_shell(line) == part


def test_a_moment_is_enough_to_decode_the_longest_script():
    began = time.monotonic()
    assert run(SHELLS[0], travelling([], "exit 0\n" + "# comment\n" * 800, {})).returncode == 0
    assert time.monotonic() - began < 20
