"""The shapes of the API's answers and forms, as JSON schemas for the OpenAPI document."""

import re
from typing import Any

from .catalogue import HOST
from .kinds import IMAGE_KINDS, MOST_GPUS, WORDS
from .session import COMPLETED, FAILED, PENDING, RUNNING

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number", "minimum": 0}
WHOLE: Schema = {"type": "integer", "minimum": 0}
DECIMAL: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}
MOMENT: Schema = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z$"}
GIGABYTES: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,3})?G$"}
STATUS: Schema = {"type": "string", "enum": [PENDING, RUNNING, COMPLETED, FAILED, "Terminating"]}
KIND: Schema = {"type": "string", "enum": list(IMAGE_KINDS)}
LABEL: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 63,
    "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
}


def ref(name: str) -> Schema:
    """Refer to a named shape."""
    return {"$ref": f"#/components/schemas/{name}"}


def many(items: Schema) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": items}


def exactly(optional: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """Describe an object with these members and no others."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def noted(shape: Schema, description: str) -> Schema:
    """Add a note to a shape."""
    return {**shape, "description": description}


SESSION = exactly(
    ("appid", "startTime", "expiryTime", "requestedRAM", "requestedCPUCores", "ramInUse", "cpuCoresInUse"),
    id=noted(TEXT, "Eight characters; for a desktop-app the id of its desktop."),
    userid=TEXT,
    runAsUID=TEXT,
    runAsGID=TEXT,
    supplementalGroups=noted(many(WHOLE), "The numbers of the person's groups."),
    appid=noted(TEXT, "Three characters; desktop-apps alone have it."),
    image=TEXT,
    type=KIND,
    status=STATUS,
    name=noted(TEXT, "In lower case."),
    startTime=noted(MOMENT, "Not there while the session waits for room."),
    expiryTime=MOMENT,
    connectURL=noted(
        TEXT, "Empty for headless sessions and desktop-apps. It opens the session, so it is a secret."
    ),
    requestedRAM=noted(DECIMAL, "Decimal gigabytes, for fixed requests alone: `ram=1` is shown as 1.07."),
    requestedCPUCores=DECIMAL,
    requestedGPUCores=noted(DECIMAL, "The GPUs that were asked for; its events say if there were fewer."),
    ramInUse=noted(DECIMAL, "Decimal gigabytes."),
    cpuCoresInUse=DECIMAL,
    isFixedResources=noted({"type": "boolean"}, "Whether memory was asked for."),
)

PUBLIC_SESSION = exactly(("startTime",), userid=TEXT, type=KIND, status=STATUS, startTime=MOMENT)

STATS = exactly(
    ("instances",),
    instances=noted(
        exactly(session=WHOLE, desktopApp=WHOLE, headless=WHOLE, total=WHOLE), "For older clients."
    ),
    cores=exactly(
        requestedCPUCores=NUMBER,
        cpuCoresAvailable=noted(NUMBER, "All there are, not those that are free."),
        maxCPUCores=exactly(cpuCores=NUMBER, withRam=GIGABYTES),
    ),
    ram=exactly(
        requestedRAM=GIGABYTES,
        ramAvailable=noted(GIGABYTES, "All there is, not what is free."),
        maxRAM=exactly(ram=GIGABYTES, withCPUCores=NUMBER),
    ),
)

_CHOICES = exactly(
    default=WHOLE, defaultRequest=WHOLE, defaultLimit=WHOLE, options={**many(WHOLE), "minItems": 1}
)
CONTEXT = exactly(
    cores=_CHOICES,
    memoryGB=noted(_CHOICES, "In GiB."),
    gpus=exactly(options=many(WHOLE)),
    maxInteractiveSessions=noted({"type": "string", "pattern": "^[0-9]+$"}, "A number, as a string."),
)

IMAGE = exactly(
    id={"type": "string", "pattern": r"^[^/ ]+/[^ ]+:[^ ]+$"},
    types={**many(KIND), "minItems": 1},
    digest={"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
)

_VALUE = exactly(**{"$": TEXT})
_IDENTITY = exactly(identity=exactly(**{"@type": TEXT, "$": TEXT}))
USER = exactly(
    user=exactly(
        internalID=exactly(uri=_VALUE),
        identities=exactly(**{"$": many(_IDENTITY)}),
        personalDetails=exactly(firstName=_VALUE, lastName=_VALUE),
        posixDetails=exactly(username=_VALUE, uid=_VALUE, gid=_VALUE, homeDirectory=_VALUE),
    )
)

_IMAGE_NAME = {"type": "string", "pattern": f"^{re.escape(HOST)}/.+$"}
_AMOUNTS = {
    "cores": noted(NUMBER, "Its whole part must be one of the options in the context."),
    "ram": noted(NUMBER, "In GiB; its whole part must be one of the options in the context."),
}
NEW_SESSION: Schema = {
    "type": "object",
    "required": ["name", "image"],
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9-]*$"},
        "image": _IMAGE_NAME,
        "type": noted({"type": "string", "enum": list(WORDS)}, "In any case of letters; headless if absent."),
        **_AMOUNTS,
        "gpus": noted(
            {**WHOLE, "maximum": MOST_GPUS},
            "One of the options in the context; where it has none, a session that asks for some runs without.",
        ),
        "cmd": noted(TEXT, "Headless only: the program, not split."),
        "args": noted(TEXT, "Headless only: split at each single space."),
        "env": noted(
            many({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*=.*$"}),
            "Headless only: KEY=VALUE, repeated. Values arrive whole, `=` in them too.",
        ),
    },
}
NEW_APP: Schema = {
    "type": "object",
    "required": ["image"],
    "properties": {"image": _IMAGE_NAME, **_AMOUNTS},
}
CHANGE: Schema = {
    "type": "object",
    "required": ["action"],
    "properties": {"action": {"type": "string", "enum": ["renew"]}},
}
LOGIN: Schema = {
    "type": "object",
    "required": ["username", "password"],
    "properties": {
        "username": {"type": "string", "minLength": 1},
        "password": {"type": "string", "minLength": 1, "format": "password"},
    },
}

NAMED: dict[str, Schema] = {
    "Session": SESSION,
    "PublicSession": PUBLIC_SESSION,
    "Stats": STATS,
    "Context": CONTEXT,
    "Image": IMAGE,
    "User": USER,
}
