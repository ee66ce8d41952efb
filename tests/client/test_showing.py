"""What ``verbose=True`` writes: a log is a stranger's text, and a terminal obeys much of what it is shown."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sessions_app.client import Session
from sessions_app.client.showing import harmless

from .conftest import Platform, Reply

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "\x1b[31mred\x1b[0m caf\u00e9 \u2713 \x1b]0;title\x07\x1b]52;c;cm0gLXJm\x1b\\\x1b[2J\x1b[6n\x1bc\x9b1A\x90q\x9c"
    "\b\b\x00\x7f 10%\r99%\r\nevil\u202etxt.exe\ttab\n"
)
PROGRAM = """
    from sessions_app.client import Session
    with Session(url="URL", token="canary") as session:
        session.CALL(["nb000001"], verbose=True)
"""


def of(platform: Platform, call: str) -> list[str]:
    """Return the program that makes a call aloud, on a platform whose answers are hostile."""
    platform.answer = lambda asked: Reply(HOSTILE.encode(), headers={"Content-Type": "text/plain"})
    code = textwrap.dedent(PROGRAM).replace("URL", platform.url).replace("CALL", call)
    return [sys.executable, "-c", code]


def surroundings(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "utf-8", **changes}


def on_a_terminal(command: list[str], environment: dict[str, str]) -> bytes:
    """Run a program with a terminal as its standard output, and return what the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    taken = b""
    # The end of a terminal is an error.
    with suppress(OSError):
        while piece := os.read(ours, 65536):
            taken += piece
    os.close(ours)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
    return taken


@pytest.mark.parametrize("call", ["logs", "events"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_terminal_is_shown_escapes_and_obeys_none(platform: Platform, call: str, encoding: str) -> None:
    shown = on_a_terminal(of(platform, call), surroundings(PYTHONIOENCODING=encoding)).decode(encoding)
    # The terminal itself writes line feeds as two.
    text = shown.replace("\r\n", "\n")
    assert not [sign for sign in text if (ord(sign) < 32 and sign not in "\t\n") or 0x7F <= ord(sign) <= 0x9F]
    assert (
        r"\x1b]0;title\x07\x1b]52;c;cm0gLXJm\x1b\\x1b[2J\x1b[6n\x1bc\x9b1A\x90q\x9c\x08\x08\x00\x7f" in text
    )
    assert "10%\n99%\nevil\\u202etxt.exe\ttab\n" in text
    assert text.startswith(f"{call.capitalize()} of session nb000001\nred caf")


@pytest.mark.parametrize("call", ["logs", "events"])
def test_a_pipe_gets_every_byte(platform: Platform, call: str) -> None:
    done = subprocess.run(
        of(platform, call), cwd=ROOT, env=surroundings(), capture_output=True, timeout=60, check=True
    )
    assert done.stdout == f"{call.capitalize()} of session nb000001\n{HOSTILE}\n".encode()
    assert done.stderr == b""


@pytest.mark.parametrize("errors", ["", ":strict", ":replace"])
def test_an_encoding_that_lacks_a_letter_loses_nothing_else(platform: Platform, errors: str) -> None:
    environment = surroundings(PYTHONIOENCODING=f"ascii{errors}")
    done = subprocess.run(
        of(platform, "logs"), cwd=ROOT, env=environment, capture_output=True, timeout=60, check=True
    )
    there = "caf? ?" if errors == ":replace" else r"caf\xe9 \u2713"
    assert there.encode() in done.stdout
    assert done.stdout.endswith(b"txt.exe\ttab\n\n")


def test_what_is_returned_is_left_alone(blocking: Session, platform: Platform) -> None:
    platform.always(HOSTILE.encode(), headers={"Content-Type": "text/plain"})
    assert blocking.logs("nb000001") == {"nb000001": HOSTILE}
    assert blocking.events("nb000001") == [{"nb000001": HOSTILE}]


class Odd(io.StringIO):
    """A standard output that says nothing of its encoding."""

    encoding: Any = None


class Bare:
    """A standard output that a program made by itself: it can be written to, and no more."""

    def __init__(self) -> None:
        self.write = (text := io.StringIO()).write
        self.getvalue = text.getvalue


@pytest.mark.parametrize("make", [lambda: None, Odd, Bare, io.StringIO])
def test_a_program_without_a_usual_output_goes_on(
    blocking: Session, monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any]
) -> None:
    out = make()
    monkeypatch.setattr(sys, "stdout", out)
    assert blocking.logs("nb000001", verbose=True) is None
    monkeypatch.undo()
    assert out is None or out.getvalue() == "Logs of session nb000001\nready\n\n"


def test_colours_alone_are_left_out() -> None:
    assert harmless("\x1b[1;38;5;196mred\x1b[m \x1b[38:2::1:2:3mblue") == "red blue"
    assert harmless("\x1b[5A\x1b[31") == r"\x1b[5A\x1b[31"
