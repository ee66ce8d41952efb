"""The calls that ours and a released client are compared by: what is called, with what, how the platform answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """One call. ``answer`` names one of the platform's moods; the usual one is that of ``answers``.

    With ``make`` a session is made for this call alone, with these arguments and these variables of the environment.
    """

    name: str
    call: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    answer: str = "usual"
    make: dict[str, Any] | None = None
    variables: dict[str, Any] = field(default_factory=dict)


def special(kind: str, of: Any) -> dict[str, Any]:
    """Return an argument that JSON cannot hold, for ``driving``."""
    return {"$": kind, "of": of}


def launch(about: str, answer: str = "usual", /, **given: Any) -> Case:
    """A call of ``create``, the image and the name given unless they are what it is about."""
    return Case(
        f"create: {about}", "create", (), {"name": "n", "image": "skaha/terminal:1.1.2", **given}, answer
    )


def made(about: str, variables: dict[str, Any] | None = None, /, **given: Any) -> Case:
    """A session made with these arguments, in an environment of these variables, that is asked for its list."""
    return Case(f"made: {about}", "fetch", make=given, variables=variables or {})


URL, SERVER = special("address", "/skaha/v1"), special("address", "/skaha")
ELSEWHERE = {"CANFAR_URL": "http://127.0.0.1:9/skaha/v1", "CANFAR_TOKEN": "other-token"}
NAMED = {"CANFAR_URL": URL, "CANFAR_TOKEN": "canary-token"}
ONE, TWO, GONE = "nb000001", "fit00003", "gone0000"

CASES = [
    Case("fetch", "fetch"),
    Case("fetch: a kind", "fetch", ("headless",)),
    Case("fetch: a kind and a status", "fetch", (), {"status": "Running", "kind": "notebook"}),
    Case("fetch: nothing named", "fetch", (None, None)),
    Case("fetch: everybody's", "fetch", (), {"view": "all"}),
    Case("fetch: an empty kind", "fetch", ("",)),
    Case("fetch: a kind in capitals", "fetch", ("Notebook",)),
    Case("fetch: an unknown status", "fetch", (), {"status": "Sleeping"}),
    *(
        Case(f"fetch: {mood}", "fetch", (), {}, mood)
        for mood in ("400", "401", "403", "404", "429", "500", "503")
    ),
    *(
        Case(f"fetch: {mood}", "fetch", (), {}, mood)
        for mood in ("redirect", "no json", "an object", "empty")
    ),
    Case("stats", "stats"),
    Case("stats: 503", "stats", (), {}, "503"),
    Case("stats: a list", "stats", (), {}, "a list"),
    Case("info: one", "info", (ONE,)),
    Case("info: by name", "info", (), {"ids": [ONE]}),
    *(
        Case(f"{call}: by the documentation's name {name}", call, (), {name: [ONE]})
        for call, name in (
            ("info", "session_id"),
            ("info", "id"),
            ("logs", "id"),
            ("events", "id"),
            ("destroy", "id"),
            ("connect", "id"),
        )
    ),
    Case("info: by two names", "info", (ONE,), {"id": ONE}),
    Case("info: several", "info", ([ONE, TWO, GONE],)),
    Case("info: a tuple", "info", (special("tuple", [ONE, TWO]),)),
    Case("info: a generator", "info", (special("generator", [ONE, TWO]),)),
    Case("info: none", "info", ([],)),
    Case("info: twice the same", "info", ([ONE, TWO, ONE],)),
    Case("info: nothing", "info", (None,)),
    Case("info: a number", "info", (7,)),
    *(Case(f"info: {mood}", "info", ([ONE],), {}, mood) for mood in ("500", "no json", "a list")),
    *(
        Case(f"info: the id {bad!r}", "info", ([bad],))
        for bad in ("", "a b", "a/b", "x?view=logs", "x#y", "../image", "caf\u00e9", "a\nb")
    ),
    Case("logs: one", "logs", (ONE,)),
    Case("logs: several", "logs", ([ONE, TWO],)),
    Case("logs: aloud", "logs", ([ONE],), {"verbose": True}),
    Case("logs: none", "logs", ([],)),
    Case("logs: twice the same", "logs", ([ONE, ONE],)),
    Case("logs: 404", "logs", ([ONE],), {}, "404"),
    Case("logs: bytes that are no text", "logs", ([ONE],), {}, "bytes"),
    Case("logs: in another encoding", "logs", ([ONE],), {}, "latin"),
    Case("events: one", "events", (ONE,)),
    Case("events: several", "events", ([ONE, TWO],)),
    Case("events: aloud", "events", ([ONE],), {"verbose": True}),
    Case("events: none", "events", ([],)),
    Case("events: twice the same", "events", ([ONE, ONE],)),
    Case("events: 404", "events", ([ONE],), {}, "404"),
    launch("the least"),
    Case(
        "create: by place",
        "create",
        ("n", "skaha/terminal:1.1.2", 2, 4, "headless", 1, "ls", "-l", {"A": "b"}, 2),
    ),
    *(launch(f"{count} replicas", replicas=count) for count in range(1, 9)),
    launch("no replica", replicas=0),
    launch("257 replicas", replicas=257),
    launch("513 replicas", replicas=513),
    launch("replicas as a text", replicas="3"),
    launch("replicas as a fraction", replicas=2.0),
    launch("replicas as a truth", replicas=True),
    launch("a name in another script", name="\u540d\u524d caf\u00e9"),
    launch("a name of two lines", name="a\nb"),
    launch("an empty name", name=""),
    launch("a number for a name", name=7),
    launch("a bare image", image="skaha/terminal"),
    launch("an image of another registry", image="localhost:5000/a/b"),
    launch("an image by digest", image="skaha/t@sha256:00"),
    launch("an image of one part", image="terminal"),
    launch("an image of four parts", image="a/b/c/d"),
    launch("an image with blanks", image=" skaha/t "),
    launch("an image of a registry without projects", image="localhost:5000/x"),
    launch("an image with an empty part", image="a//b"),
    launch("an image without its tag", image="skaha/t:"),
    launch("an image with an unseen character", image="skaha/\u200bt"),
    launch("cores as a text", cores="2"),
    launch("cores as a truth", cores=True),
    launch("no core", cores=0),
    launch("cores in parts", cores=2.5),
    launch("257 cores", cores=257),
    launch("513 of memory", ram=513),
    launch("no graphics card", gpu=0),
    launch("28 graphics cards", gpu=28),
    launch("29 graphics cards", gpu=29),
    launch("no kind", kind=None),
    launch("a kind in capitals", kind="Headless"),
    launch("a desktop with cores", kind="desktop", cores=2, ram=4),
    launch("two desktops", kind="desktop", replicas=2),
    launch("a notebook with variables", kind="notebook", env={"A": "1"}),
    launch("a notebook with an empty command", kind="notebook", cmd="", env={}),
    launch("a command of several words", cmd="python3", args="-c print(1) --flag='a b' & ~ + %20 \u00e9"),
    launch("an empty command", cmd="", args=""),
    launch("arguments as a list", args=["a"]),
    launch("variables with = and new lines", env={"A": "b=c", "B=C": "d", "E": "f\ng", "H": ""}),
    launch("variables in another script", env={"\u540d": "\u524d", "S": "\U0001f52d & ? # /"}),
    launch("variables that are no texts", env={"T": True, "N": None, "L": [1, "b"], "F": 1.5}),
    launch("the replicas' own variables", env={"REPLICA_ID": "mine", "A": "1", "REPLICA_COUNT": "9"}),
    launch("variables as a list", env=["A=1"]),
    launch("a number for a variable's name", env=special("keys", [[1, "a"]])),
    launch("refused", "400"),
    launch("one replica of three refused", "second", replicas=3),
    launch("a blank answer", "blank"),
    launch("an answer with blanks", "padded"),
    Case("renew: one", "renew", (ONE,)),
    Case("renew: several", "renew", ([ONE, TWO, ONE],)),
    Case("renew: 400", "renew", ([ONE],), {}, "400"),
    Case("destroy: one", "destroy", (ONE,)),
    Case("destroy: several", "destroy", ([ONE, TWO],)),
    Case("destroy: none", "destroy", ([],)),
    Case("destroy: twice the same", "destroy", ([ONE, TWO, ONE],)),
    Case("destroy: 404", "destroy", ([ONE],), {}, "404"),
    Case("destroy: 500", "destroy", ([ONE, TWO],), {}, "500"),
    Case("destroy: an empty id", "destroy", ([""],)),
    Case("destroy_with: a prefix", "destroy_with", ("fit",)),
    Case(
        "destroy_with: by name",
        "destroy_with",
        (),
        {"prefix": "fit", "kind": "headless", "status": "Completed"},
    ),
    Case("destroy_with: by place", "destroy_with", ("nb", "notebook", "Running")),
    Case("destroy_with: a capital", "destroy_with", ("Fit",)),
    Case("destroy_with: everything", "destroy_with", ("",)),
    Case("destroy_with: nothing fits", "destroy_with", ("zzz",)),
    Case("destroy_with: a dot", "destroy_with", ("f.t",)),
    Case("destroy_with: 500", "destroy_with", ("fit",), {}, "500"),
    Case("connect: running", "connect", ([ONE],)),
    Case("connect: without an address", "connect", ([TWO],)),
    Case("connect: unknown", "connect", ([GONE],)),
    Case("connect: pending", "connect", ([ONE],), {}, "pending"),
    Case("connect: a script for an address", "connect", ([ONE],), {}, "script"),
    made("of the environment", NAMED),
    made("of the environment, with a time limit as a text", NAMED, timeout="5"),
    made(
        "of the environment, with numbers as texts",
        {**NAMED, "CANFAR_TIMEOUT": "5", "CANFAR_CONCURRENCY": "7"},
    ),
    made("of the environment, with its options", NAMED, timeout=120, concurrency=100, loglevel=40),
    made("of the environment, with no number", NAMED, timeout="five"),
    made("of the environment, with no time", NAMED, timeout=0),
    made("of the environment, with an empty token", NAMED, token=""),
    made("of the environment, whose token is empty", {"CANFAR_URL": URL, "CANFAR_TOKEN": ""}),
    made("of the environment, without a token", {"CANFAR_URL": URL}),
    made("of the environment, without a platform", {"CANFAR_TOKEN": "canary-token"}),
    made(
        "of the environment, with a missing certificate",
        {"CANFAR_URL": URL, "CANFAR_CERTIFICATE": "/nowhere.pem"},
    ),
    made("of nothing"),
    made("by address and token", url=URL, token="canary-token"),
    made("by address and token, with a time limit as a text", url=URL, token="canary-token", timeout="5"),
    made("by address and token, whatever the environment says", ELSEWHERE, url=URL, token="canary-token"),
    made("by token, where the environment names the platform", {"CANFAR_URL": URL}, token="canary-token"),
    made("by server and version", server=SERVER, version="v1", token="canary-token"),
    made("with an empty token", url=URL, token=""),
    made("with a missing certificate", url=URL, certificate="/nowhere.pem"),
    made(
        "with a missing certificate beside a token", url=URL, token="canary-token", certificate="/nowhere.pem"
    ),
    made("with a word that nobody knows", url=URL, token="canary-token", unknown=1),
]
