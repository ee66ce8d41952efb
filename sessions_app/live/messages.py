"""What travels over the socket: JSON objects, one per frame, told apart by ``t``.

One socket serves a whole tab. Inside it are *topics*: a session's slug ``s`` and what is followed of it
``w``, ``"log"`` or ``"events"``; or the person's list, with an empty slug and ``"list"``.

From the browser:

``{"t":"follow","s":…,"w":"log","epoch":e,"after":n,"tail":20000}``
    Follow a log behind line ``n`` of epoch ``e``: both are null the first time. ``tail`` is how many lines
    the page is able to show; of more than that, only the last ones are sent, behind a gap.
``{"t":"follow","s":…,"w":"events"}``
    Follow the events and the session's own state.
``{"t":"follow","s":"","w":"list"}``
    Be told when the list of one's sessions changes.
``{"t":"leave","s":…,"w":…}``
    Follow no longer.
``{"t":"ack","s":…,"w":…,"n":…}``
    Everything up to the frame that carried this ``n`` is on the page. At most 256 KiB of a socket are sent
    beyond what was acknowledged; a viewer that is slower than the log is later sent what is missing, or a
    gap.
``{"t":"ping"}``, ``{"t":"pong"}``
    Asks for a pong; answers a ping.

From the portal:

``{"t":"log","s":…,"n":…,"e":…,"from":k,"lines":[…],"at":[[i,seconds],…],"partial":null}``
    Lines k, k+1, … of epoch e, each one whole; ``at`` are runs of their arrival: ``lines[i]`` and those behind
    it, up to the next run, were first read at that UNIX second (the first i is 0). Where lines do not begin
    plain there is ``"looks":[[i,look],…]``, runs of the look with which they begin, as parameters of SGR
    (``looks.py``); before the first of them they begin plain. ``"long":[[i,length],…]`` names the lines of
    which only the beginning is sent. ``partial`` is the text of the line behind them while it is not whole yet
    (its number is ``from + len(lines)``), or null, and ``look`` how it begins unless that is plain. Each such
    frame replaces the partial line shown before.
``{"t":"gap","s":…,"e":…,"from":a,"to":b,"kept":true|false}``
    Lines a to b are not sent: they are more than ``tail`` and can be had by HTTP (``kept``), or they are no
    longer there. What follows begins at b + 1; it may be another gap, of the other kind.
``{"t":"epoch","s":…,"e":…,"why":"start"|"restarted"|"reread","earlier":[{"e":…,"first":a,"last":b},…]}``
    What follows is another text, numbered from 1: the first one; one that the platform began anew; or one in
    which the portal cannot find the place of the page again. ``earlier``, not with "restarted", names the
    epochs before it of which lines a to b are still kept, oldest first.
``{"t":"events","s":…,"n":…,"rows":[{"id","source","type","reason","message","first","last","count","says"}, …]}``
    The timeline, newest last: all there is, times in ISO 8601 or null. ``source`` is platform, state, person or
    fold; ``id`` stays the same when a row is told anew; ``says`` is a sentence in our words or an empty text. Rows
    with ``"fold":"start"`` are steps of the start, shown when the row of the source fold is opened.
``{"t":"list","s":"","w":"list","v":…}``
    The version of the list: when it is another one than before, there is something to ask for.
``{"t":"session","s":…,"state":…,"reason":…}``
    The session's state: pending, running, ending, completed, failed, unknown, or gone when it is no longer
    listed.
``{"t":"state","s":…,"w":…,"state":"live"|"waiting"|"trouble"|"ended","text":…,"line":…}``
    How the topic is, with a sentence or an empty text; for logs with the number of the last line there is, and with
    ``"silent":true`` while the session computes and has written nothing for a minute.
``{"t":"denied","s":…,"w":…,"why":"absent"|"busy"}``
    There is no such session for this person; or too much is followed already.
``{"t":"ping"}``, ``{"t":"pong"}``
    A heartbeat every 15 s, to be answered; the answer to a ping.

Close codes, all of them from 4000 on, as servers refuse to send most others: 4003 not JSON, 4008 not a message of
these or too many of them, 4009 longer than 8 KiB (and above 16 KiB the connection is cut), 4500 an error of the
portal, 4401 not signed in (any more), 4408 too slow or silent, 4409 the socket is old: open
another, 4429 too many sockets of one person. No secret travels here: a session is its slug, and its id is
taken out of logs and events.

The same by HTTP (``over_http.py``), where sockets are blocked and for what a socket leaves out. Answers are JSON;
401 says that nobody is signed in, 404 that there is no such session for this person, 422 what is wrong with the
question and 429 that too much is asked at once, each but 404 with ``{"error":"<sentence>"}``.

``GET /s/<slug>/log/since?e=…&after=…&tail=…&seen=…``, ``GET /s/<slug>/events/since?seen=…``
    ``{"frames":[frame, …],"seen":"…"}``: the frames that a socket would get that follows from this place, at
    most about 256 KiB of them; when there are none, the first ones that come within 10 s. ``e`` and ``after``
    are left out the first time. ``seen`` is the token of the answer before: without it everything is said that
    has no cursor, the state, the partial line, the events. "busy" comes as a ``denied`` frame. Of one browser three
    requests wait at a time: any other is answered at once, with ``"again":seconds`` before which it is not to come.
``GET /s/<slug>/log/lines?e=…&from=…&to=…``
    ``{"e":e,"from":n,"lines":[…],"at":[[i,seconds],…],"first":a,"last":b}``: kept lines of epoch e, the newest
    one if none is named, from line ``from`` (1) to ``to``, as far as about 64 KiB go but one at least. n is the
    number of the first of them; a to b is what is kept of the epoch, null if nothing is. ``looks`` and ``long``
    as above; with ``whole=1`` long lines are whole.
``GET /s/<slug>/log/search?q=…&regex=1&case=1&e=…&after=…``
    ``{"hits":[[line,[[start,end],…],text,second],…],"e":e,"upto":n,"end":bool,"next_e":…,"previous_e":…}``: one
    step of a search of the kept lines of epoch e, the newest if none is named, behind line ``after``. It came as
    far as line n; unless ``end``, the next step asks with ``after`` n. ``next_e`` and ``previous_e`` are the
    kept epochs beside e, or null: who searches all of them begins with the oldest and goes on with the next.
    Start and end count UTF-16 units of what a person sees, escape sequences taken out (``escapes.py``); text is
    the line as it is kept. Behind the second stand, where they say something, the length of a line of which the
    beginning is sent, else null, the look with which the line begins, and what was found behind that beginning:
    ``[[which of the ranges, number of its first character, text before it, of it, behind it],…]``.
    ``q`` is plain text, or a pattern of RE2 with ``regex=1``; ``case`` is 1 or 0, and
    without it upper case counts if ``q`` has any. What finds nothing but empty text finds nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

NOT_JSON = 4003
NOT_A_MESSAGE = 4008
TOO_LONG = 4009
OUR_ERROR = 4500
NOT_SIGNED_IN = 4401
TOO_SLOW = 4408
TOO_OLD = 4409
TOO_MANY = 4429

LONGEST_MESSAGE = 8 * 1024
# What looks like a slug; anything else, half a character for one, is not looked for.
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,24}", re.ASCII)
TAIL = 20_000
HIGHEST = 2**53


class BadMessageError(Exception):
    """The browser sent what is not a message; ``code`` closes the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Topic:
    """What is followed."""

    slug: str
    what: str


@dataclass(frozen=True, slots=True)
class Follow:
    """Begin to follow a topic; the rest is for logs."""

    topic: Topic
    epoch: int | None = None
    after: int | None = None
    tail: int = TAIL


@dataclass(frozen=True, slots=True)
class Leave:
    """Stop following a topic."""

    topic: Topic


@dataclass(frozen=True, slots=True)
class Ack:
    """Say what is drawn."""

    topic: Topic
    upto: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask whether anybody is there."""


@dataclass(frozen=True, slots=True)
class Pong:
    """Say that somebody is there."""


Message = Follow | Leave | Ack | Ping | Pong


def parse(text: str | None) -> Message:
    """Return the browser's message, or raise ``BadMessageError``."""
    if text is None:
        raise BadMessageError(NOT_JSON)
    if len(text) > LONGEST_MESSAGE or len(text.encode(errors="replace")) > LONGEST_MESSAGE:
        raise BadMessageError(TOO_LONG)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadMessageError(NOT_JSON) from error
    if not isinstance(said, dict):
        raise BadMessageError(NOT_A_MESSAGE)
    return _understood(said)


def _understood(said: dict[str, Any]) -> Message:
    match said.get("t"):
        case "follow":
            position = (_number(said.get("epoch")), _number(said.get("after")))
            tail = _number(said.get("tail"))
            return Follow(_topic(said), *position, TAIL if tail is None else max(1, tail))
        case "leave":
            return Leave(_topic(said))
        case "ack":
            return Ack(_topic(said), _number(said.get("n")) or 0)
        case "ping":
            return Ping()
        case "pong":
            return Pong()
    raise BadMessageError(NOT_A_MESSAGE)


def _topic(said: dict[str, Any]) -> Topic:
    slug, what = said.get("s"), said.get("w")
    if (slug, what) == ("", "list"):
        return Topic("", "list")
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug) or what not in ("log", "events"):
        raise BadMessageError(NOT_A_MESSAGE)
    return Topic(slug, what)


def _number(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= HIGHEST:
        raise BadMessageError(NOT_A_MESSAGE)
    return value


def frame(kind: str, **fields: Any) -> str:
    """Return a message of the portal as text."""
    return json.dumps({"t": kind, **fields}, ensure_ascii=False, separators=(",", ":"))
