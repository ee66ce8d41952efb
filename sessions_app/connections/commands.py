"""What a batch session runs: a command line as a shell user writes it, or a script, and how it travels.

Platforms cut ``args`` at each single blank, read ``"``, ``\\`` and ``$`` in it as their own, and lose variables whose
values are empty or hold a ``=`` (skaha-contract.md, 4.2). What such a journey would harm travels in base64 in a
variable, and the image's own ``sh`` unpacks it and becomes the command, so that signals and exit codes stay as they
are. Nothing else that is sent holds a quote, a ``\\``, a ``$``, a line break or a blank but the tab, which no platform
cuts at.
"""

from __future__ import annotations

import base64
import gzip
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SCRIPT_VARIABLE = "CANFARWEB_SCRIPT"
# A longer one is packed, which needs the image's gzip beside its base64.
LONGEST_UNPACKED = 4500
# A word of this kind reaches its program as it is on every platform.
_PLAIN = re.compile(r"[^\s\"\\$\x00-\x1f\x7f]+")
_FRAGILE_VALUE = re.compile(r"[=\"\\$\x00-\x1f\x7f]")
# Its words are read once more by a shell, so that blanks in a row count as one and nothing may depend on them.
_START = (
    ': "${CANFARWEB_SCRIPT:?the platform lost the script}"; '
    'canfarweb_script=$(printf %s "$CANFARWEB_SCRIPT" | base64 -d UNPACK) || exit 127; '
    'unset CANFARWEB_SCRIPT; eval "$canfarweb_script"'
)
# What a shell would act on outside quotes; here it is passed on as it is.
_SHELLS_OWN = re.compile(r"\d?>>?(?:&\d)?|\|\|?|&&?|;|<<?|`|(?<!\S)~(?=[/\s]|$)|[^\s\"]*[*?][^\s\"]*")
_EXPANSION = re.compile(r"\$(?:\w+|\{\w+\}|\()")
_SHELLS = re.compile(r"(?:.*/)?(?:ba|da|z|k|a)?sh")


class UnreadableError(ValueError):
    """The command line cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Travelling:
    """What is sent to a platform for a command, and what it runs."""

    cmd: str | None = None
    args: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    as_script: bool = False


def words_of(line: str, args: str = "") -> list[str]:
    """Return the words of a command line, and of arguments in a field of their own.

    >>> words_of('bash -c "echo hello; sleep 1"')
    ['bash', '-c', 'echo hello; sleep 1']
    """
    return _quoted_words(line) + argument_words(args)


def argument_words(args: str) -> list[str]:
    """Return arguments as platforms take them, cut at each blank; a word that begins with a quote reads as in a shell.

    >>> argument_words("-c print('x')"), argument_words("-c 'a b'")
    (['-c', "print('x')"], ['-c', 'a b'])
    """
    args = args.strip()
    if re.search(r"(?:^|\s)[\"']", args):
        return _quoted_words(args)
    return args.split(" ") if args else []


def travelling(
    words: Sequence[str], script: str, env: Mapping[str, str], *, passes_values_whole: bool = False
) -> Travelling:
    """Return what to send so that every platform runs these words, or this script, with these variables."""
    # Whoever sends nothing but variables has the image's own command run; there is no way round for them.
    lost = {name for name, value in env.items() if not passes_values_whole and is_fragile(value)}
    if not words and not script:
        return Travelling(env=env)
    if not script and not lost and all(map(is_plain, words)):
        return Travelling(words[0], " ".join(words[1:]) or None, env)
    body = [f"export {name}={shlex.quote(env[name])}" for name in env if name in lost]
    body.append(_runnable(script) if script else f"exec {shlex.join(words)}")
    text = "\n".join(body).encode()
    is_packed = len(text) > LONGEST_UNPACKED
    kept = {name: value for name, value in env.items() if name not in lost}
    carried = {**kept, SCRIPT_VARIABLE: _armoured(text, packed=is_packed)}
    return Travelling("sh", f"-c {_start(is_packed)}", carried, as_script=True)


def is_plain(word: str) -> bool:
    """Say whether every platform hands this word to a program as it is."""
    return bool(_PLAIN.fullmatch(word))


def is_fragile(value: str) -> bool:
    """Say whether a platform of the present release loses or changes a variable of this value."""
    return not value or bool(_FRAGILE_VALUE.search(value))


def left_to_no_shell(line: str) -> str:
    """Return the first part of a command line that a shell would act on, although none reads it; empty if none.

    >>> left_to_no_shell("ls *.fits"), left_to_no_shell("ls '*.fits'")
    ('*.fits', '')
    """
    words = _quoted_words(line)
    if not words or _SHELLS.fullmatch(words[0]):
        return ""
    bare = re.sub(r"'[^']*'|\\.", "''", line)
    found = _SHELLS_OWN.search(re.sub(r'"[^"]*"', '""', bare)) or _EXPANSION.search(bare)
    return found.group() if found else ""


def interpreter_of(script: str) -> str:
    """Return the name of the program that a script's first line asks for, or ``sh``."""
    words = _interpreter(script)
    if words and words[0].rpartition("/")[2] == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0].rpartition("/")[2] if words else "sh"


def _quoted_words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        said = "A quote is not closed." if "quotation" in str(error) else "The line ends in a lone \\."
        raise UnreadableError(said) from error
    return words


def _start(is_packed: bool) -> str:
    code = _START.replace(" UNPACK", " | gzip -dc" if is_packed else "")
    return f"eval\t`echo\t{_armoured(code.encode(), b' ')}|base64\t-d||echo\texit\t127`"


def _armoured(text: bytes, filling: bytes = b"\n", *, packed: bool = False) -> str:
    """Return base64 that needs no ``=`` at its end."""
    while len(carried := gzip.compress(text, mtime=0) if packed else text) % 3:
        text += filling
    return base64.b64encode(carried).decode()


def _interpreter(script: str) -> list[str]:
    first = script.partition("\n")[0]
    return first.removeprefix("#!").split() if first.startswith("#!") else []


def _runnable(script: str) -> str:
    """Return a script as `sh` is to run it; one that asks for another program is handed to that."""
    script = script.replace("\r\n", "\n")
    words = _interpreter(script)
    if not words or words[-1].rpartition("/")[2] == "sh":
        return script
    end = "CANFARWEB_END"
    while end in script:
        end += "_"
    # Read through a descriptor, as there may be no folder to write to and standard input belongs to the script.
    return f"exec {shlex.join(words)} /dev/fd/9 9<<'{end}'\n{script.rstrip()}\n{end}"
