"""All 45 items of the contract's chapter 13 are in this suite: over plain HTTP, and through the session client."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
ITEMS = set(range(1, 46))
# What no call of the session client can say or show.
NOT_THE_CLIENTS = {
    28: "the client refuses an unknown kind itself, and has no other spelling for the known ones",
    32: "the client puts its parameters into the query: every test of it shows this",
    33: "the client has no other way to send parameters",
    43: "the client knows no other method",
    44: "the client is told where the platform is",
    45: "the same",
}


def items_of(*modules: str) -> set[int]:
    """Return the numbers at the beginning of the docstrings of these modules' tests: "1, 7", "8 to 12: how"."""
    found: set[int] = set()
    for module in modules:
        tree = ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))
        tests = [node for node in tree.body if getattr(node, "name", "").startswith("test_")]
        for test in tests:
            assert isinstance(test, ast.FunctionDef)
            through_client = "mine" in {argument.arg for argument in test.args.args}
            if through_client == (modules == CLIENTS):
                found |= numbers(ast.get_docstring(test) or "")
    return found


def numbers(docstring: str) -> set[int]:
    listed = re.match(r"[\d, to]*", docstring)
    assert listed
    found: set[int] = set()
    for part in listed[0].split(","):
        ends = [int(word) for word in part.split() if word.isdigit()]
        found |= set(range(ends[0], ends[-1] + 1)) if ends else set()
    return found


HTTPS = ("test_wire", "test_lifecycle", "test_apps")
CLIENTS = ("test_client", "test_lifecycle", "test_apps")


def test_every_item_is_shown_over_plain_http() -> None:
    assert ITEMS - items_of(*HTTPS) == set()


def test_every_item_that_the_client_can_express_is_shown_through_it() -> None:
    assert ITEMS - items_of(*CLIENTS) == set(NOT_THE_CLIENTS)
