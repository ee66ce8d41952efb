"""Faults on request, for whoever builds a client: rules that spoil some answers of a platform made for it."""

import fnmatch
import json
import random
from dataclasses import dataclass, field
from typing import Any

from .request import Request, Response, text
from .rules import RefusedError

MOST_RULES = 100
MOST_SECONDS = 3600.0
MOST_MEGABYTES = 4096


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what its value may be, in words, and how that is checked."""

    meaning: str
    types: tuple[type, ...]
    least: float
    most: float


KINDS = {
    "latency": Kind("seconds to wait before the request is looked at", (int, float), 0, MOST_SECONDS),
    "status": Kind("a status from 200 to 599, answered in place of the platform", (int,), 200, 599),
    "reset": Kind("true: the connection is reset", (bool,), 1, 1),
    "truncate": Kind("the bytes of the body that are sent, of all that are promised", (int,), 0, 2**31),
    "oversize": Kind(
        f"megabytes of body, up to {MOST_MEGABYTES}; 0 for one without end", (int,), 0, MOST_MEGABYTES
    ),
    "bad_json": Kind("true: a body that is no sound JSON", (bool,), 1, 1),
    "drip": Kind("seconds between two bytes of the body", (int, float), 0, MOST_SECONDS),
}
# What frames an answer stays true, or it could not be sent.
FRAMING = ("content-length", "transfer-encoding", "connection")
MATCHERS = ("method", "path", "view", "count", "probability", "seed", "after")


@dataclass
class Rule:
    """Which requests are spoilt, and how."""

    given: dict[str, Any]
    kind: str
    left: float
    chance: random.Random
    used: int = 0

    @property
    def value(self) -> Any:
        """Answer how much of the fault."""
        return self.given[self.kind]

    def matches(self, method: str, path: str, view: str) -> bool:
        """Say whether a request is meant, and count it if so."""
        meant = (
            self.given.get("method", method).upper() == method
            and fnmatch.fnmatchcase(path, self.given.get("path", "*"))
            and self.given.get("view", view) == view
        )
        if not meant or self.left < 1 or self.chance.random() >= self.given.get("probability", 1):
            return False
        self.left -= 1
        self.used += 1
        return True


@dataclass
class Faults:
    """The rules in force, in order: the first that matches a request is applied to it."""

    rules: list[Rule] = field(default_factory=list)

    def replace(self, body: bytes) -> None:
        """Take the rules of a request in place of those in force; all of them or none."""
        try:
            given = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, "The rules must be a JSON list.") from error
        if not isinstance(given, list) or len(given) > MOST_RULES:
            raise RefusedError(400, f"The rules must be a JSON list of {MOST_RULES} at most.")
        self.rules = [_rule(number, each) for number, each in enumerate(given, 1)]

    def told(self) -> list[dict[str, Any]]:
        """Answer the rules in force, and how often each was applied."""
        return [{**rule.given, "used": rule.used} for rule in self.rules]

    def find(self, method: str, path: str, view: str) -> Rule | None:
        """Find the rule for a request."""
        return next((rule for rule in self.rules if rule.matches(method, path, view)), None)


def _rule(number: int, given: Any) -> Rule:
    """Check one rule; what is wrong with it is said in a sentence."""
    if not isinstance(given, dict):
        raise _wrong(number, "is not an object")
    kinds = [name for name in KINDS if name in given]
    if len(kinds) != 1:
        raise _wrong(number, f"must have exactly one of {', '.join(KINDS)}")
    kind = kinds[0]
    extras = ("body", "headers") if kind == "status" else ()
    if unknown := sorted(given.keys() - {kind, *extras, *MATCHERS}):
        raise _wrong(number, f"has members that mean nothing here: {', '.join(unknown)}")
    _check_amount(number, kind, given[kind])
    _check_match(number, given)
    _check_answer(number, given)
    return Rule(given, kind, given.get("count", float("inf")), random.Random(given.get("seed")))  # noqa: S311


def _check_amount(number: int, name: str, value: Any) -> None:
    kind = KINDS[name]
    if not _is(value, *kind.types) or not kind.least <= value <= kind.most:
        raise _wrong(number, f"needs for '{name}': {kind.meaning}")


def _check_match(number: int, given: dict[str, Any]) -> None:
    for name in ("method", "path", "view"):
        if not isinstance(given.get(name, ""), str):
            raise _wrong(number, f"needs a string for '{name}'")
    for name in ("count", "seed"):
        if not _is(given.get(name, 0), int) or given.get(name, 0) < 0:
            raise _wrong(number, f"needs a whole number for '{name}'")
    if not _is(given.get("probability", 1), int, float) or not 0 <= given.get("probability", 1) <= 1:
        raise _wrong(number, "needs a number from 0 to 1 for 'probability'")
    if not isinstance(given.get("after", False), bool):
        raise _wrong(number, "needs true or false for 'after'")


def _check_answer(number: int, given: dict[str, Any]) -> None:
    headers = given.get("headers", {})
    pairs = headers.items() if isinstance(headers, dict) else [(None, None)]
    if not all(isinstance(name, str) and _is_header(name) and _is_value(value) for name, value in pairs):
        raise _wrong(number, "needs an object of strings for 'headers'")
    try:
        str.encode(given.get("body", ""))
    except (TypeError, UnicodeError) as error:
        raise _wrong(number, "needs a string for 'body'") from error


def _is(value: Any, *types: type) -> bool:
    """Say whether a value is of these types; JSON's true is no number."""
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _is_header(name: str) -> bool:
    return name.isascii() and name.replace("-", "").isalnum() and name.lower() not in FRAMING


def _is_value(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _wrong(number: int, sentence: str) -> RefusedError:
    return RefusedError(400, f"Rule {number} {sentence}.")


def control(faults: Faults, request: Request) -> Response:
    """Answer `/faults`: the rules in force, which PUT replaces and DELETE takes away."""
    if request.method == "PUT":
        faults.replace(request.body)
    elif request.method == "DELETE":
        faults.rules = []
    elif request.method != "GET":
        return text(405, f"unsupported: HTTP {request.method}\n", allow="GET, PUT, DELETE")
    return Response(200, json.dumps(faults.told(), indent=2), "application/json")
