"""Ours and released clients, given the same calls, ask the same and return the same, but where it is listed why not.

Each client runs in its own environment, in a process of its own; ``.setup/released.py`` installs the released ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .answers import SESSIONS, usual_answer
from .cases import CASES, Case
from .conftest import Asked, Platform, Reply, serving

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "var" / "released"
VERSIONS = ("1.5.2", "1.0.4")
FACADES = ("awaited", "blocking")
TOKEN = "canary-token"
# The seed's release takes a token only where the file's context has not expired.
SEEDS_FILE = """
active: local
contexts:
  local: {mode: x509, path: /nonexistent.pem, expiry: 9999999999.0,
          server: {name: local, uri: "ivo://localhost/skaha", url: "http://127.0.0.1/skaha",
                   version: v1, auths: [x509]}}
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """Calls whose requests or whose result are meant to differ from a released client's, and why."""

    why: str
    cases: tuple[str, ...]
    requests: bool = False
    result: bool = False
    versions: tuple[str, ...] = VERSIONS
    facades: tuple[str, ...] = FACADES

    def marks(self, version: str) -> set[tuple[str, str, str]]:
        """Return what is meant to differ from this version: the façade, the call and which half of it."""
        halves = [half for half, differs in (("requests", self.requests), ("result", self.result)) if differs]
        facades = self.facades if version in self.versions else ()
        return {(facade, case, half) for facade in facades for case in self.cases for half in halves}


ODD_IDS = tuple(
    f"info: the id {bad!r}" for bad in ("", "a b", "a/b", "x?view=logs", "x#y", "../image", "caf\u00e9")
)
NEW, OLD = ("1.5.2",), ("1.0.4",)
BLOCKING = ("blocking",)

DIFFERENCES = (
    Difference(
        "The documented `view` is kept; 1.5 took it away.",
        ("fetch: everybody's",),
        requests=True,
        result=True,
        versions=NEW,
    ),
    Difference(
        "What is empty counts as not given, as it is documented; 1.5 refuses it.",
        ("fetch: an empty kind",),
        requests=True,
        result=True,
        versions=NEW,
    ),
    Difference(
        "The examples of the documentation run as they stand; the released clients know `ids` alone.",
        tuple(case.name for case in CASES if "by the documentation's name" in case.name),
        requests=True,
        result=True,
    ),
    Difference("A read is asked for again while the platform is in trouble.", ("fetch: 503",), requests=True),
    Difference(
        "An answer of another shape is not handed over as if it were one.",
        ("fetch: an object", "stats: a list"),
        result=True,
    ),
    Difference(
        "An answer of another shape is that one id's failure, with either façade.",
        ("info: no json", "info: a list"),
        result=True,
        facades=BLOCKING,
    ),
    Difference(
        "Who is named twice is asked for once, and answered at both places.",
        tuple(f"{call}: twice the same" for call in ("info", "logs", "events", "destroy")),
        requests=True,
    ),
    Difference("As above.", ("renew: several",), requests=True, versions=NEW),
    Difference(
        "Ids in a generator are read once; 1.5 reads them again after it has asked.",
        ("info: a generator",),
        result=True,
        versions=NEW,
        facades=("awaited",),
    ),
    Difference(
        "What is no id never enters a path: it could name something else.",
        (*ODD_IDS, "destroy: an empty id"),
        requests=True,
    ),
    Difference(
        "As above, so there is no answer of something else to be misread.",
        ("info: the id 'x?view=logs'", "info: the id '../image'", "info: the id 'a\\nb'"),
        result=True,
        facades=BLOCKING,
    ),
    Difference(
        "Up to 512 replicas, as documented; 1.5 takes 256.",
        ("create: 257 replicas",),
        requests=True,
        result=True,
        versions=NEW,
    ),
    Difference(
        "A number is converted before it is used; 1.0 checks the converted one and uses the other.",
        ("create: replicas as a text", "create: replicas as a fraction"),
        requests=True,
        result=True,
        versions=OLD,
    ),
    Difference("As above.", ("create: replicas as a truth",), requests=True, versions=OLD),
    Difference(
        "A project may have folders.", ("create: an image of four parts",), requests=True, result=True
    ),
    Difference(
        "What stands around an image is trimmed, and a port names a registry.",
        ("create: an image with blanks", "create: an image of a registry without projects"),
        requests=True,
    ),
    Difference(
        "What can be no image is not sent; the platform would take it, and the session never start.",
        (
            "create: an image with an empty part",
            "create: an image without its tag",
            "create: an image with an unseen character",
        ),
        requests=True,
        result=True,
    ),
    Difference(
        "A blank is not the id of a session, and an id has no blanks around it.",
        ("create: a blank answer", "create: an answer with blanks"),
        result=True,
    ),
    Difference(
        "1.0 could not renew.",
        ("renew: one", "renew: several", "renew: 400"),
        requests=True,
        result=True,
        versions=OLD,
    ),
    Difference(
        "Kind and status may be given by place, as documented; 1.5 wants their names.",
        ("destroy_with: by place",),
        requests=True,
        result=True,
        versions=NEW,
    ),
    Difference(
        "A prefix is taken to the letter, as documented; 1.5 takes one with a dot for a pattern.",
        ("destroy_with: a dot",),
        requests=True,
        result=True,
        versions=NEW,
    ),
    Difference(
        "Opens what has an address, as documented; 1.5 waits for nothing and opens only what runs.",
        ("connect: pending",),
        result=True,
        versions=NEW,
    ),
    Difference(
        "What is no web address is not given to a browser.",
        ("connect: a script for an address",),
        result=True,
    ),
    Difference(
        "A session without an address, or an unknown one, is passed over with either façade.",
        ("connect: without an address", "connect: unknown"),
        result=True,
        versions=OLD,
        facades=BLOCKING,
    ),
    Difference(
        "Nobody asks without a credential by mistake with any client; ours says what is missing, as a ValueError.",
        (
            "made: of nothing",
            "made: of the environment, with an empty token",
            "made: of the environment, whose token is empty",
            "made: of the environment, without a token",
            "made: with an empty token",
        ),
        result=True,
    ),
    Difference(
        "The documented `server` and `version` name the platform; the released clients drop them.",
        ("made: by server and version",),
        requests=True,
        result=True,
    ),
    Difference(
        "A certificate that is not there is a mistake beside a token, too.",
        ("made: with a missing certificate beside a token",),
        requests=True,
        result=True,
    ),
    Difference(
        "A word that nobody knows is most often a slip; the released clients drop it.",
        ("made: with a word that nobody knows",),
        requests=True,
        result=True,
    ),
)

# By header, and whether on launches or on all other requests.
HEADER_DIFFERENCES = {
    ("user-agent", "launch"): "It names the program that asks.",
    ("user-agent", "other"): "It names the program that asks.",
    ("date", "launch"): "It told when the session object was made, which says nothing.",
    ("date", "other"): "It told when the session object was made, which says nothing.",
    ("accept-encoding", "launch"): "What is inflated in bounded steps is gzip alone.",
    ("accept-encoding", "other"): "What is inflated in bounded steps is gzip alone.",
    ("connection", "launch"): "HTTP/1.1 keeps connections without being told.",
    ("connection", "other"): "HTTP/1.1 keeps connections without being told.",
    (
        "content-length",
        "other",
    ): "The awaiting driver's library says of a DELETE, too, that its body is empty.",
    ("x-skaha-registry-auth", "other"): "The registry's secret goes where an image is named, nowhere else.",
}


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    with serving() as platform:
        yield Comparison(platform, tmp_path_factory.mktemp("released"))


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    installed = RELEASED / request.param / ".installed"
    if not installed.exists():
        pytest.fail(
            f"canfar {request.param} is not installed: run python3 .setup/released.py, as make test does."
        )
    return str(request.param)


def test_the_table_speaks_of_calls_that_are_made() -> None:
    listed = {name for difference in DIFFERENCES for name in difference.cases}
    assert listed <= {case.name for case in CASES}
    assert len({case.name for case in CASES}) == len(CASES) >= 60


def test_both_facades_of_ours_ask_the_same_and_return_the_same(comparison: Comparison) -> None:
    ours = comparison.of("ours")
    for case in CASES:
        awaited, blocking = (ours[facade, case.name] for facade in FACADES)
        assert (awaited.requests, awaited.told) == (blocking.requests, blocking.told), case.name


def test_requests_and_results_differ_where_it_is_listed_and_nowhere_else(
    comparison: Comparison, version: str
) -> None:
    ours, theirs = comparison.of("ours"), comparison.of(version)
    listed = set().union(*(difference.marks(version) for difference in DIFFERENCES))
    found = set()
    for (facade, name), seen in theirs.items():
        if ours[facade, name].requests != seen.requests:
            found.add((facade, name, "requests"))
        if ours[facade, name].told != seen.told:
            found.add((facade, name, "result"))
    assert found - listed == set(), "differs, and is not listed"
    assert listed - found == set(), "is listed, and does not differ any more"


def test_headers_differ_where_it_is_listed_and_nowhere_else(comparison: Comparison, version: str) -> None:
    ours, theirs = comparison.of("ours"), comparison.of(version)
    found = set()
    for place, seen in theirs.items():
        if ours[place].requests != seen.requests:
            continue
        for (launching, mine), (_, other) in zip(ours[place].headers, seen.headers, strict=True):
            differing = {name for name in mine.keys() | other.keys() if mine.get(name) != other.get(name)}
            found |= {(name, "launch" if launching else "other") for name in differing}
    assert found == set(HEADER_DIFFERENCES)


def test_nothing_is_sent_in_a_body(comparison: Comparison, version: str) -> None:
    for client in ("ours", version):
        for seen in comparison.of(client).values():
            assert {headers.get("content-length", "0") for _, headers in seen.headers} <= {"0"}
            assert not any("transfer-encoding" in headers for _, headers in seen.headers)


def _json(value: Any) -> Reply:
    return Reply(json.dumps(value).encode(), headers={"Content-Type": "application/json"})


def _second(asked: Asked) -> Reply:
    return Reply(b"no", 500) if "name=n-2&" in asked.target else usual_answer(asked)


MOODS: dict[str, Callable[[Asked], Reply]] = {
    "usual": usual_answer,
    **{
        str(status): lambda asked, status=status: Reply(b"no", status)
        for status in (400, 401, 403, 404, 429, 500, 503)
    },
    "redirect": lambda asked: Reply(b"", 302, {"Location": "/skaha/v1/image"}),
    "no json": lambda asked: Reply(b"neither", headers={"Content-Type": "application/json"}),
    "an object": lambda asked: _json({"a": 1}),
    "a list": lambda asked: _json([1]),
    "empty": lambda asked: Reply(b""),
    "blank": lambda asked: Reply(b" \r\n"),
    "padded": lambda asked: Reply(b"  ab12cd34 \r\n"),
    "bytes": lambda asked: Reply(b"a\xffb\r\n"),
    "latin": lambda asked: Reply(b"caf\xe9", headers={"Content-Type": "text/plain; charset=ISO-8859-1"}),
    "second": _second,
    "pending": lambda asked: _json({**SESSIONS[0], "status": "Pending"}),
    "script": lambda asked: _json({**SESSIONS[0], "connectURL": "javascript:alert(1)"}),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one call led to: requests without their headers, the headers by request, and what became of it."""

    requests: list[str]
    headers: list[tuple[bool, dict[str, str]]]
    told: dict[str, Any]


Runs = dict[tuple[str, str], Seen]


class Comparison:
    """Every client's runs, each made when it is first looked at."""

    def __init__(self, platform: Platform, home: Path) -> None:
        self.platform, self.home, self.made = platform, home, dict[str, Runs]()

    def of(self, client: str) -> Runs:
        if client not in self.made:
            self.made[client] = self._run(client)
        return self.made[client]

    def _run(self, client: str) -> Runs:
        wanted = [(facade, case) for case in CASES for facade in FACADES]
        self.platform.asked.clear()
        self.platform.answer = self._answer
        told = self._drive(client, wanted)
        groups: list[list[Asked]] = []
        for asked in self.platform.asked:
            if asked.target.startswith("/mark"):
                groups.append([])
            else:
                groups[-1].append(asked)
        assert len(groups) == len(told) == len(wanted)
        return {
            (facade, case.name): Seen(
                sorted(asked.line for asked in group),
                [
                    (asked.method == "POST" and "action=" not in asked.target, asked.headers)
                    for asked in group
                ],
                outcome,
            )
            for (facade, case), group, outcome in zip(wanted, groups, told, strict=True)
        }

    def _answer(self, asked: Asked) -> Reply:
        if asked.target.startswith("/mark?"):
            self.mood = MOODS[CASES[int(asked.target.partition("?")[2])].answer]
            return Reply()
        return self.mood(asked)

    def _drive(self, client: str, wanted: list[tuple[str, Case]]) -> list[dict[str, Any]]:
        cases = [
            {
                "facade": facade,
                "mark": CASES.index(case),
                "call": case.call,
                "args": case.args,
                "kwargs": case.kwargs,
                "make": case.make,
                "variables": case.variables,
            }
            for facade, case in wanted
        ]
        python = sys.executable if client == "ours" else str(RELEASED / client / "bin" / "python")
        module = "sessions_app.client" if client == "ours" else "canfar.sessions"
        address = self.platform.url.removesuffix("/skaha/v1")
        done = subprocess.run(
            [python, str(Path(__file__).with_name("driving.py")), module, address, TOKEN],
            input=json.dumps(cases),
            env=self._environment(client),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        told: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return told

    def _environment(self, client: str) -> dict[str, str]:
        home = self.home / client
        (home / ".canfar").mkdir(parents=True)
        if client == "1.0.4":
            (home / ".canfar" / "config.yaml").write_text(SEEDS_FILE)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        registry = {"CANFAR_REGISTRY__USERNAME": "ann", "CANFAR_REGISTRY__SECRET": "s3cret"}
        local = {"HOME": str(home), "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "PYTHONUTF8": "1"}
        return {**kept, **registry, **local}


def _is_launch(asked: Asked) -> bool:
    return asked.method == "POST" and "action=" not in asked.target
