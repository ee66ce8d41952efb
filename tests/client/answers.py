"""What a healthy platform answers, as the examples in the docstrings have it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conftest import Asked, Reply

SESSIONS: list[dict[str, Any]] = [
    {
        "id": "nb000001",
        "userid": "ann",
        "image": "images.canfar.net/skaha/base-notebook:latest",
        "type": "notebook",
        "status": "Running",
        "name": "nb",
        "startTime": "2025-04-10T15:45Z",
        "expiryTime": "2025-04-14T15:45:00Z",
        "connectURL": "https://host/session/notebook/nb000001/lab?token=nb000001",
        "requestedRAM": "8.59",
        "requestedCPUCores": "2",
        "requestedGPUCores": "0",
        "isFixedResources": True,
    },
    {"id": "fit00003", "type": "headless", "status": "Completed", "name": "fit-3"},
    {"id": "oth00004", "type": "headless", "status": "Completed", "name": "Fit-4"},
]
APP = {
    "id": "dk000001",
    "appid": "x1y",
    "type": "desktop-app",
    "status": "Running",
    "image": "images.canfar.net/skaha/terminal:1.1.2",
}
STATS = {
    "cores": {
        "requestedCPUCores": 370.0,
        "cpuCoresAvailable": 1200.0,
        "maxCPUCores": {"cpuCores": 16.0, "withRam": "192G"},
    },
    "ram": {
        "requestedRAM": "1024.5G",
        "ramAvailable": "4800G",
        "maxRAM": {"ram": "192G", "withCPUCores": 16.0},
    },
}
CONTEXT = {
    "cores": {"default": 2, "defaultRequest": 1, "defaultLimit": 8, "options": [1, 2, 3]},
    "memoryGB": {"default": 8, "defaultRequest": 4, "defaultLimit": 32, "options": [1, 2, 4, 8]},
    "gpus": {"options": [1, 2]},
    "maxInteractiveSessions": "5",
}
IMAGES = [
    {"id": "images.canfar.net/skaha/base-notebook:latest", "types": ["notebook"], "digest": "sha256:aa"},
    {"id": "images.canfar.net/skaha/terminal:1.1.2", "types": ["headless"], "digest": "sha256:bb"},
]
EVENTS = """\
TYPE     REASON      MESSAGE                              FIRST-TIME             LAST-TIME
Normal   Scheduled   Successfully assigned pod to node1   2026-01-05T10:00:00Z   2026-01-05T10:00:00Z
"""
AVAILABILITY = (
    '<?xml version="1.0"?><vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">'
    "<vosi:available>true</vosi:available><vosi:note>fine</vosi:note></vosi:availability>"
)


def usual_answer(asked: Asked) -> Reply:
    """Answer as a healthy platform does."""
    params = dict(asked.params)
    path = asked.path.removeprefix("/skaha/")
    if path == "availability":
        return _text(AVAILABILITY, "text/xml")
    if found := re.fullmatch(r"v1/session/(\w+)", path):
        return _session(asked.method, found[1], params)
    if found := re.fullmatch(r"v1/session/(\w+)/app/?(\w*)", path):
        return _app(asked.method, found[2], params)
    if path == "v1/session" and asked.method == "POST":
        number = params["name"].rpartition("-")[2]
        return _text(f"fit{int(number) if number.isdigit() else 1:05}\r\n")
    return _collection(path, params)


def _session(method: str, session_id: str, params: dict[str, str]) -> Reply:
    if method in {"DELETE", "POST"}:
        return _text("")
    if params.get("view") == "logs":
        return _text("ready\n")
    if params.get("view") == "events":
        return _text(EVENTS)
    found = [session for session in SESSIONS if session["id"] == session_id]
    return _json(found[0]) if found else _text(f"session {session_id} not found\n", status=404)


def _app(method: str, app_id: str, params: dict[str, str]) -> Reply:
    if method in {"DELETE", "POST"}:
        return _text("" if app_id else f"{APP['appid']}\n")
    if not app_id:
        # All of a person's apps, whichever desktop is named.
        rows = [APP, {**APP, "id": "dk000002", "appid": "z9z"}]
        return _json([row for row in rows if params.get("status") in {None, row["status"]}])
    said = f"desktop app with session {APP['id']} and app ID {app_id} was not found\n"
    return _json(APP) if app_id == APP["appid"] else _text(said, status=404)


def _collection(path: str, params: dict[str, str]) -> Reply:
    kind, status = params.get("type"), params.get("status")
    if path == "v1/session" and params.get("view") != "stats":
        rows = [row for row in SESSIONS if kind in {None, row["type"]} and status in {None, row["status"]}]
        return _json(rows)
    if path == "v1/image":
        return _json([image for image in IMAGES if kind is None or kind in image["types"]])
    by_path = {"v1/session": STATS, "v1/context": CONTEXT, "v1/repository": ["images.canfar.net"]}
    return _json(by_path[path]) if path in by_path else _text("not there", status=404)


def _json(value: Any) -> Reply:
    return _text(json.dumps(value), "application/json")


def _text(text: str, kind: str = "text/plain", status: int = 200) -> Reply:
    from .conftest import Reply

    return Reply(text.encode(), status, {"Content-Type": kind, "X-VO-Authenticated": "ann"})
