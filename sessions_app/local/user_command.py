"""`user`: add, list and remove people, and change what they have; a platform that serves knows at once."""

import argparse
import json
import re
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from .machine import UnusableError
from .people import People
from .serve import DEFAULT_DATA, STATE, check_name, keep_first_token, open_store

CHANGE = re.compile(r"[+-][A-Za-z0-9][A-Za-z0-9._-]*")


def main(arguments: list[str]) -> int:
    """Do what is asked, and print what came of it."""
    # `-astro` leaves a group: it must not be read as an option.
    changes = [each for each in arguments if CHANGE.fullmatch(each)] if arguments[:1] == ["group"] else []
    given = parser().parse_args([each for each in arguments if each not in changes])
    given.changes = changes
    given.data = given.data.absolute()
    open_store(given.data).close()
    with closing(People(given.data / STATE)) as people:
        sys.stdout.write(given.act(people, given) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the actions."""
    parser = argparse.ArgumentParser(prog="python -m sessions_app.local user", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, (act, meaning) in ACTIONS.items():
        action = actions.add_parser(name, help=meaning, description=meaning)
        action.set_defaults(act=act)
        action.add_argument(
            "--data", type=Path, default=DEFAULT_DATA, help="where the platform keeps everything"
        )
        if name == "add":
            action.add_argument(
                "--group", action="append", default=[], help="a group to be in; may be repeated"
            )
        if name == "group":
            action.usage = f"{action.prog} NAME +GROUP -GROUP"
        if name != "list":
            action.add_argument("name", metavar="NAME")
    return parser


def _add(people: People, given: argparse.Namespace) -> str:
    password = people.add(check_name(given.name), map(_group, given.group))
    return json.dumps({"user": given.name, "password": password, "token": people.new_token(given.name)})


def _list(people: People, given: argparse.Namespace) -> str:
    rows = [("NAME", "ALLOWED", "GROUPS")]
    rows += [(each.name, "yes" if each.allowed else "no", " ".join(each.groups)) for each in people.all()]
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(f"{name:{width}}   {allowed:7}   {groups}".rstrip() for name, allowed, groups in rows)


def _password(people: People, given: argparse.Namespace) -> str:
    return json.dumps({"user": given.name, "password": people.new_password(given.name)})


def _token(people: People, given: argparse.Namespace) -> str:
    token = people.new_token(given.name)
    if given.name == people.first():
        keep_first_token(given.data, token)
    return json.dumps({"user": given.name, "token": token})


def _remove(people: People, given: argparse.Namespace) -> str:
    if given.name == people.first():
        raise UnusableError(f"{given.name} is the first user, whom the platform starts with: they stay.")
    people.remove(given.name)
    return f"{given.name} is removed. Their files stay in {given.data / 'home' / given.name}."


def _regroup(people: People, given: argparse.Namespace) -> str:
    named = {sign: [_group(each[1:]) for each in given.changes if each[0] == sign] for sign in "+-"}
    people.regroup(given.name, named["+"], named["-"])
    person = people.find(given.name)
    return f"{given.name} is in {', '.join(person.groups) if person and person.groups else 'no group'}."


def _allow(people: People, given: argparse.Namespace) -> str:
    people.allow(given.name, allowed=True)
    return f"{given.name} may use the platform."


def _deny(people: People, given: argparse.Namespace) -> str:
    people.allow(given.name, allowed=False)
    return f"{given.name} may not use the platform. Their sessions go on."


def _group(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise UnusableError(f"{name!r} cannot be a group's name: use letters, digits, dots and dashes.")
    return name


ACTIONS: dict[str, tuple[Callable[[People, argparse.Namespace], str], str]] = {
    "add": (_add, "add somebody; prints their password and token, once"),
    "list": (_list, "list everybody"),
    "password": (_password, "give somebody another password, and print it once"),
    "token": (_token, "give somebody another token that does not expire, in place of the one they had"),
    "group": (_regroup, "put somebody into groups (+GROUP), and take them out of others (-GROUP)"),
    "allow": (_allow, "let somebody use the platform"),
    "deny": (_deny, "let somebody use the platform no longer"),
    "remove": (_remove, "forget somebody who has no session left"),
}
