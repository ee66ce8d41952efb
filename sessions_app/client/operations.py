"""Every call of the session API, written once: generators that ask for requests and return a result.

Nothing here sends. A driver runs an operation: it carries out what the operation yields (see ``wire``) and sends the
answer back in, or throws in the ``PlatformError`` that took its place. Both sessions borrow signature and docstring.
Examples are written for ``AsyncSession``; with ``Session`` leave out ``await``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from . import values
from .asking import array_of, ask, each, object_of
from .creation import KINDS, STATUSES, VIEWS, Kind, Status, View, creation, one_of
from .errors import InvalidArgumentError, PlatformUnavailableError
from .texts import plain
from .wire import (
    JSON_LIMIT,
    LOG_LIMIT,
    SMALL_LIMIT,
    Batch,
    Operation,
    Outcome,
    Report,
    Request,
    Show,
    Visit,
    checked_id,
    is_session_id,
)


def fetch(
    kind: Kind | None = None, status: Status | None = None, view: View | None = None
) -> Operation[list[dict[str, Any]]]:
    """List your sessions as the platform describes them, or everybody's in short with ``view="all"``.

    >>> [session["id"] for session in await session.fetch(kind="notebook", status="Running")]
    ['nb000001']
    """
    given = (("type", kind, KINDS), ("status", status, STATUSES), ("view", view, VIEWS))
    params = tuple((name, one_of(name, value, known)) for name, value, known in given if value)
    return array_of((yield from ask(Request("GET", "session", params=params))))


def stats() -> Operation[dict[str, Any]]:
    """Return the load of the platform. Many platforms keep no figures: ``PlatformUnavailableError`` is normal.

    >>> (await session.stats())["cores"]["cpuCoresAvailable"]
    1200.0
    """
    answer = yield from ask(Request("GET", "session", params=(("view", "stats"),), retry=False))
    return object_of(answer)


def info(ids: Iterable[str] | str) -> Operation[list[dict[str, Any]]]:
    """Describe sessions; those that cannot be described are left out.

    >>> [session["status"] for session in await session.info(ids=["nb000001", "gone0000"])]
    ['Running']
    """
    outcomes = yield from info_outcomes(ids)
    found = [outcome.value for outcome in outcomes if outcome.value is not None]
    yield Report("info", found, outcomes)
    return found


def info_outcomes(ids: Iterable[str] | str) -> Operation[list[Outcome[dict[str, Any]]]]:
    """Describe sessions; one outcome for each id, in order.

    >>> [outcome.ok for outcome in await session.outcomes.info(["nb000001", "gone0000"])]
    [True, False]
    """
    return (yield from each(ids, _one_info))


def logs(
    ids: Iterable[str] | str, verbose: bool = False, *, max_bytes: int = LOG_LIMIT
) -> Operation[dict[str, str] | None]:
    """Return the whole logs of sessions by id, or write them to standard output if ``verbose``.

    A log longer than ``max_bytes`` counts as failed; read it with ``stream_logs``.

    >>> await session.logs(ids="nb000001")
    {'nb000001': 'ready\\n'}
    """
    outcomes = yield from logs_outcomes(ids, max_bytes=max_bytes)
    found = {outcome.item: outcome.value for outcome in outcomes if outcome.value is not None}
    yield Report("logs", found, outcomes)
    if not verbose:
        return found
    for session_id, text in found.items():
        yield Show(f"Logs of session {session_id}\n{text}\n")
    return None


def logs_outcomes(ids: Iterable[str] | str, *, max_bytes: int = LOG_LIMIT) -> Operation[list[Outcome[str]]]:
    """Return the whole logs of sessions; one outcome for each id, in order.

    >>> [outcome.value for outcome in await session.outcomes.logs(["nb000001"])]
    ['ready\\n']
    """
    return (yield from each(ids, lambda session_id: _one_text(session_id, "logs", max_bytes)))


def log_request(session_id: str, max_bytes: int) -> Request:
    """Return the request for one log, for those who read it as a stream."""
    return Request("GET", "session", checked_id(session_id), (("view", "logs"),), max_bytes)


def create(
    name: str,
    image: str,
    cores: int | None = None,
    ram: int | None = None,
    kind: Kind = "headless",
    gpu: int | None = None,
    cmd: str | None = None,
    args: str | None = None,
    env: Mapping[str, Any] | None = None,
    replicas: int = 1,
) -> Operation[list[str]]:
    """Launch a session, or several; return the ids of those that the platform took, in order.

    Without ``cores`` and ``ram`` the session shares what is free. With ``replicas`` beyond one, names end in ``-1``,
    ``-2`` and so on, and each finds ``REPLICA_ID`` and ``REPLICA_COUNT`` among its variables. A launch is sent once:
    should its answer get lost, ``outcomes.create`` tells, with ``error.sent``.

    >>> await session.create(name="fit", image="skaha/terminal:1.1.2", cmd="env", replicas=2)
    ['fit00001', 'fit00002']
    """
    outcomes = yield from create_outcomes(name, image, cores, ram, kind, gpu, cmd, args, env, replicas)
    made = [outcome.value for outcome in outcomes if outcome.value is not None]
    yield Report("create", made, outcomes)
    return made


def create_outcomes(
    name: str,
    image: str,
    cores: int | None = None,
    ram: int | None = None,
    kind: Kind = "headless",
    gpu: int | None = None,
    cmd: str | None = None,
    args: str | None = None,
    env: Mapping[str, Any] | None = None,
    replicas: int = 1,
    only: Collection[int] | None = None,
) -> Operation[list[Outcome[str]]]:
    """Launch a session, or several; one outcome for each replica, counted from 1, with the id of its session.

    ``only`` names the replicas to launch, where others were launched before.

    >>> [made.item for made in await session.outcomes.create("fit", "skaha/terminal:1.1.2", replicas=2)]
    [1, 2]
    """
    wanted = creation(name, image, cores, ram, kind, gpu, cmd, args, env, replicas)
    numbered = enumerate(wanted.parameters(), start=1)
    parts = [(number, _one_launch(params)) for number, params in numbered if only is None or number in only]
    outcomes: list[Outcome[str]] = yield Batch(parts)
    return outcomes


def events(ids: Iterable[str] | str, verbose: bool = False) -> Operation[list[dict[str, str]] | None]:
    """Return the events of sessions as ``{id: table}``, or write them to standard output if ``verbose``.

    ``values.parse_events`` reads such a table.

    >>> [list(found) for found in await session.events(ids="nb000001")]
    [['nb000001']]
    """
    outcomes = yield from events_outcomes(ids)
    found = [{outcome.item: outcome.value} for outcome in outcomes if outcome.value is not None]
    yield Report("events", found, outcomes)
    if not verbose:
        return found
    for outcome in outcomes:
        if outcome.value is not None:
            yield Show(f"Events of session {outcome.item}\n{outcome.value}\n")
    return None


def events_outcomes(ids: Iterable[str] | str) -> Operation[list[Outcome[str]]]:
    """Return the events of sessions; one outcome for each id, in order, with the platform's table.

    >>> [told] = await session.outcomes.events("nb000001")
    >>> [event.reason for event in values.parse_events(told.value)]
    ['Scheduled']
    """
    return (yield from each(ids, lambda session_id: _one_text(session_id, "events")))


def destroy(ids: Iterable[str] | str) -> Operation[dict[str, bool]]:
    """End sessions; say for each id whether the platform took the request.

    It takes it for sessions that do not exist, too: that a session is gone shows in its no longer being found.

    >>> await session.destroy(ids="nb000001")
    {'nb000001': True}
    """
    outcomes = yield from destroy_outcomes(ids)
    taken = {outcome.item: outcome.ok for outcome in outcomes}
    yield Report("destroy", taken, outcomes)
    return taken


def destroy_outcomes(ids: Iterable[str] | str) -> Operation[list[Outcome[bool]]]:
    """End sessions; one outcome for each id, in order.

    >>> [outcome.ok for outcome in await session.outcomes.destroy(["nb000001", "../image"])]
    [True, False]
    """
    return (yield from each(ids, _one_destroy))


def destroy_with(
    prefix: str, kind: Kind = "headless", status: Status = "Completed", *, pattern: str | None = None
) -> Operation[dict[str, bool]]:
    """End the sessions of a kind and status whose names begin with ``prefix``, case and all.

    Nothing in ``prefix`` is special. A regular expression may be given as ``pattern``; a name must then hold that, too.

    >>> await session.destroy_with("fit-", kind="headless", status="Completed")
    {'fit00003': True}
    """
    if not isinstance(prefix, str):
        raise InvalidArgumentError("prefix: must be a text.")
    expression = _compiled(pattern)
    rows = yield from fetch(kind, status)
    named = [(row.get("id"), row.get("name")) for row in rows if isinstance(row, dict)]
    wanted = [
        session_id
        for session_id, name in named
        if isinstance(session_id, str) and isinstance(name, str) and name.startswith(prefix)
        if expression is None or expression.search(name)
    ]
    return (yield from destroy(wanted))


def connect(ids: Iterable[str | Mapping[str, Any]] | str) -> Operation[None]:
    """Open sessions in the user's browser, those that have an address; rows of ``fetch`` serve as well as ids.

    >>> await session.connect(ids="nb000001")
    >>> await session.connect(await session.fetch(kind="notebook", status="Running"))
    """
    given = [ids] if isinstance(ids, str) else ids
    named = [one.get("id", "") if isinstance(one, Mapping) else one for one in given]
    for row in (yield from info(named)):
        address = row.get("connectURL")
        if isinstance(address, str) and address.startswith(("https://", "http://")):
            yield Visit(address)


def renew(ids: Iterable[str] | str) -> Operation[dict[str, bool]]:
    """Ask that sessions may live longer; say for each id whether the platform agreed.

    >>> await session.renew(ids="nb000001")
    {'nb000001': True}
    """
    outcomes = yield from renew_outcomes(ids)
    renewed = {outcome.item: outcome.ok for outcome in outcomes}
    yield Report("renew", renewed, outcomes)
    return renewed


def renew_outcomes(ids: Iterable[str] | str) -> Operation[list[Outcome[bool]]]:
    """Ask that sessions may live longer; one outcome for each id, in order.

    >>> [outcome.ok for outcome in await session.outcomes.renew("nb000001")]
    [True]
    """
    return (yield from each(ids, _one_renewal))


def images(kind: Kind | None = None) -> Operation[list[str]]:
    """List the names of the images that can be launched, of one kind or of all.

    >>> await session.images(kind="notebook")
    ['images.canfar.net/skaha/base-notebook:latest']
    """
    return [image.id for image in (yield from image_details(kind))]


def image_details(kind: Kind | None = None) -> Operation[list[values.Image]]:
    """List the images that can be launched, with the kinds that they serve.

    >>> [image.types for image in await session.image_details()]
    [('notebook',), ('headless',)]
    """
    params = (("type", one_of("kind", kind, KINDS)),) if kind else ()
    answer = yield from ask(Request("GET", "image", params=params))
    return values.parse_images(array_of(answer))


def context() -> Operation[values.Context]:
    """Return which resources can be asked for, and how many interactive sessions you may have.

    >>> (await session.context()).max_interactive
    5
    """
    return values.Context.parse(object_of((yield from ask(Request("GET", "context")))))


def repositories() -> Operation[list[str]]:
    """List the hosts that images may come from.

    >>> await session.repositories()
    ['images.canfar.net']
    """
    rows = array_of((yield from ask(Request("GET", "repository"))))
    return [plain(row, 253) for row in rows if isinstance(row, str) and row.strip()]


def availability() -> Operation[bool]:
    """Say whether the platform calls itself available. It may do so while parts of it are down.

    >>> await session.availability()
    True
    """
    request = Request("GET", "availability", max_bytes=SMALL_LIMIT, beside_version=True, retry=False)
    try:
        answer = yield from ask(request)
    except PlatformUnavailableError:
        return False
    said = re.search(r"<(?:\w{1,20}:)?available\s{0,20}>\s{0,20}(true|false|1|0)\b", answer.text())
    if said is None:
        answer.give_up("It does not say whether the platform is available.")
    return said[1] in {"true", "1"}


def whoami() -> Operation[str | None]:
    """Return the name of the one whose credential this is, or None where the platform does not say.

    >>> await session.whoami()
    'ann'
    """
    answer = yield from ask(Request("GET", "context"))
    return plain(answer.headers.get("x-vo-authenticated", ""), 100) or None


def _one_info(session_id: str) -> Operation[dict[str, Any]]:
    return object_of((yield from ask(Request("GET", "session", checked_id(session_id)))))


def _one_text(session_id: str, view: str, max_bytes: int = JSON_LIMIT) -> Operation[str]:
    request = Request("GET", "session", checked_id(session_id), (("view", view),), max_bytes)
    return (yield from ask(request)).text()


def _one_launch(params: tuple[tuple[str, str], ...]) -> Operation[str]:
    answer = yield from ask(Request("POST", "session", params=params, max_bytes=SMALL_LIMIT))
    session_id = answer.text().strip()
    if not is_session_id(session_id):
        answer.give_up("It does not hold the id of a session.")
    return session_id


def _one_destroy(session_id: str) -> Operation[bool]:
    yield from ask(Request("DELETE", "session", checked_id(session_id), max_bytes=SMALL_LIMIT))
    return True


def _one_renewal(session_id: str) -> Operation[bool]:
    params = (("action", "renew"),)
    yield from ask(Request("POST", "session", checked_id(session_id), params, max_bytes=SMALL_LIMIT))
    return True


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as problem:
        raise InvalidArgumentError(f"pattern: is no regular expression: {problem}.") from None
