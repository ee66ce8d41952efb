"""The calls about the apps of a desktop session, written once as ``operations`` are.

Each takes the desktop's id first, which a session's ``apps`` gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .asking import array_of, ask, each, object_of
from .creation import MOST_CORES, MOST_RAM, STATUSES, Status, one_of, optional_whole, text
from .images import full_image
from .wire import SMALL_LIMIT, Operation, Outcome, Report, Request, checked_id, is_session_id


def fetch(session_id: str, status: Status | None = None) -> Operation[list[dict[str, Any]]]:
    """List the desktop's apps as the platform describes them.

    >>> [app["status"] for app in await session.apps("dk000001").fetch(status="Running")]
    ['Running']
    """
    params = (("status", one_of("status", status, STATUSES)),) if status else ()
    rows = array_of((yield from ask(_request("GET", session_id, params=params))))
    # The platform lists the apps of all of a person's desktops, whichever is named.
    return [row for row in rows if isinstance(row, dict) and row.get("id") == session_id]


def attach(session_id: str, image: str, cores: int | None = None, ram: int | None = None) -> Operation[str]:
    """Start an app on the desktop, which must be running, and return the app's id. It is asked for once.

    >>> await session.apps("dk000001").attach("skaha/terminal:1.1.2", cores=1, ram=4)
    'x1y'
    """
    given = {
        "image": full_image(text("image", image)),
        "cores": optional_whole("cores", cores, MOST_CORES),
        "ram": optional_whole("ram", ram, MOST_RAM),
    }
    params = tuple((name, str(value)) for name, value in given.items() if value is not None)
    answer = yield from ask(_request("POST", session_id, params=params, max_bytes=SMALL_LIMIT))
    app_id = answer.text().strip()
    if not is_session_id(app_id):
        answer.give_up("It does not hold the id of an app.")
    return app_id


def info(session_id: str, app_ids: Iterable[str] | str) -> Operation[list[dict[str, Any]]]:
    """Describe apps of the desktop; those that cannot be described are left out.

    >>> [app["image"] for app in await session.apps("dk000001").info(["x1y", "zzz"])]
    ['images.canfar.net/skaha/terminal:1.1.2']
    """
    outcomes = yield from info_outcomes(session_id, app_ids)
    found = [outcome.value for outcome in outcomes if outcome.value is not None]
    yield Report("apps info", found, outcomes)
    return found


def info_outcomes(session_id: str, app_ids: Iterable[str] | str) -> Operation[list[Outcome[dict[str, Any]]]]:
    """Describe apps of the desktop; one outcome for each id, in order.

    >>> [outcome.ok for outcome in await session.apps("dk000001").outcomes.info(["x1y", "zzz"])]
    [True, False]
    """
    return (yield from each(app_ids, lambda app_id: _one_info(session_id, app_id)))


def destroy(session_id: str, app_ids: Iterable[str] | str) -> Operation[dict[str, bool]]:
    """End apps of the desktop; say for each id whether the platform took the request, as it does for unknown ones.

    >>> await session.apps("dk000001").destroy("x1y")
    {'x1y': True}
    """
    outcomes = yield from destroy_outcomes(session_id, app_ids)
    taken = {outcome.item: outcome.ok for outcome in outcomes}
    yield Report("apps destroy", taken, outcomes)
    return taken


def destroy_outcomes(session_id: str, app_ids: Iterable[str] | str) -> Operation[list[Outcome[bool]]]:
    """End apps of the desktop; one outcome for each id, in order.

    >>> [outcome.ok for outcome in await session.apps("dk000001").outcomes.destroy(["x1y", "../x"])]
    [True, False]
    """
    return (yield from each(app_ids, lambda app_id: _one_destroy(session_id, app_id)))


def _one_info(session_id: str, app_id: str) -> Operation[dict[str, Any]]:
    return object_of((yield from ask(_request("GET", session_id, checked_id(app_id)))))


def _one_destroy(session_id: str, app_id: str) -> Operation[bool]:
    yield from ask(_request("DELETE", session_id, checked_id(app_id), max_bytes=SMALL_LIMIT))
    return True


def _request(method: str, session_id: str, app_id: str = "", **options: Any) -> Request:
    below = f"app/{app_id}" if app_id else "app"
    return Request(method, "session", checked_id(session_id), below=below, **options)
