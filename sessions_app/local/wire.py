"""The forms of the platform's answers: JSON as Gson prints it, XML documents, times and quantities."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import quoteattr

from . import catalogue, machine
from .catalogue import Image
from .events import moment
from .kinds import DESKTOP_APP, HEADLESS, USUAL_PAGES, base_path
from .session import Session
from .usage import Sample, Usage

VOSI = "ivo://ivoa.net/std/VOSI"
PLATFORM = "http://www.opencadc.org/std/platform"


def pretty(value: Any) -> str:
    """Write JSON as the platform does: two spaces, no escapes for what needs none."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def compact(value: Any) -> str:
    """Write JSON in one line, as `/context` and `/repository` do."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def pretty_list(rows: list[dict[str, Any]]) -> str:
    """Write a list of flat objects as `pretty` would, in half its time: json indents in plain Python."""
    if not rows:
        return "[]"
    return "[\n" + ",\n".join(map(_object, rows)) + "\n]"


def _object(row: dict[str, Any]) -> str:
    inner = ",\n".join(f'    "{key}": {_value(value)}' for key, value in row.items())
    return f"  {{\n{inner}\n  }}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"      {_value(one)}" for one in value) + "\n    ]"
    return json.dumps(value)


_quote = json.JSONEncoder(ensure_ascii=False).encode


def start_time(at: float) -> str:
    """Write a start time; its seconds vanish when they are zero (contract 2.3)."""
    text = moment(at)
    return text.replace(":00Z", "Z") if text.endswith(":00Z") else text


def gigabytes(size: float) -> str:
    """Write bytes as the decimal gigabytes of the API, without a unit (contract 2.7)."""
    return f"{size / 1e9:.2f}"


def cores_text(cores: float) -> str:
    """Write a number of cores: whole, or with three decimals (contract 2.7)."""
    return str(int(cores)) if cores == int(cores) else f"{cores:.3f}"


def session_row(session: Session, used: Sample | None, port: int, groups: list[int]) -> dict[str, Any]:
    """Compose a session's members in their order; what is unknown is left out (contract 2.3)."""
    row: dict[str, Any] = {
        "id": session.parent or session.id,
        "userid": session.user,
        "runAsUID": str(os.getuid()),
        "runAsGID": str(os.getgid()),
        "supplementalGroups": groups,
        **({"appid": session.app} if session.app else {}),
        "image": session.image,
        "type": session.kind,
        "status": session.status,
        "name": session.name,
        **_times(session),
        "connectURL": connect_url(session, port),
    }
    if session.ram is not None:
        row["requestedRAM"] = gigabytes(session.ram * machine.GIB)
    if session.cores is not None:
        row["requestedCPUCores"] = cores_text(session.cores)
    row["requestedGPUCores"] = str(session.gpus)
    if used and session.active:
        row["ramInUse"] = gigabytes(used.ram)
        if used.cores is not None:
            row["cpuCoresInUse"] = f"{used.cores:.3f}"
    row["isFixedResources"] = session.fixed
    return row


def _times(session: Session) -> dict[str, str]:
    """Write when a session started and when it will be ended; neither while it is queued (contract 4.6)."""
    if session.started is None:
        return {}
    return {"startTime": start_time(session.started), "expiryTime": moment(session.expires)}


def public_row(session: Session) -> dict[str, Any]:
    """Compose the four members that everybody may see (contract 2.4)."""
    row = {"userid": session.user, "type": session.kind, "status": session.status}
    return row if session.started is None else row | {"startTime": start_time(session.started)}


def connect_url(session: Session, port: int) -> str:
    """Compose the address of a session under a host name of its own (contract 2.6)."""
    image = catalogue.find(session.image)
    base, program = base_path(session.kind, session.id), image.programs.get(session.kind) if image else None
    if not base:
        return ""
    page = program.start.format(id=session.id) if program else USUAL_PAGES.get(session.kind, "/")
    return f"http://s-{session.slug}.localhost:{port}{base}{page}"


def image_rows(images: Iterable[Image]) -> list[dict[str, Any]]:
    """List images (contract 9.1)."""
    return [{"id": image.id, "types": list(image.kinds), "digest": image.digest} for image in images]


def stats(usage: Usage, sessions: list[Session]) -> dict[str, Any]:
    """Compose the platform's state: what is used of what the machine has (contract 3.1)."""
    cores, ram = float(machine.cores()), machine.memory_options()[-1]
    active = [session for session in sessions if session.active]
    headless, apps = (sum(session.kind == kind for session in active) for kind in (HEADLESS, DESKTOP_APP))
    return {
        # Older clients read it; newer servers leave it out (contract 3.2).
        "instances": {
            "session": len(active) - headless - apps,
            "desktopApp": apps,
            "headless": headless,
            "total": len(active),
        },
        "cores": {
            "requestedCPUCores": usage.busy_cores(),
            "cpuCoresAvailable": cores,
            "maxCPUCores": {"cpuCores": cores, "withRam": f"{ram}G"},
        },
        "ram": {
            "requestedRAM": _size(usage.used_memory()),
            "ramAvailable": _size(machine.memory()),
            "maxRAM": {"ram": f"{ram}G", "withCPUCores": cores},
        },
    }


def _size(size: int) -> str:
    return f"{size / 1e9:.3f}".rstrip("0").rstrip(".") + "G"


def context(sessions: int, gpus: int) -> dict[str, Any]:
    """Compose what can be asked for; the maximum is a string, as in the chart's file (contract 9.2)."""
    return {
        "cores": _choices(machine.core_options(), 2, 1),
        "memoryGB": _choices(machine.memory_options(), 4, 1),
        "gpus": {"options": list(range(1, gpus + 1))},
        "maxInteractiveSessions": str(sessions),
    }


def _choices(options: list[int], usual: int, least: int) -> dict[str, Any]:
    usual = max(option for option in options if option <= max(usual, options[0]))
    return {"default": usual, "defaultRequest": least, "defaultLimit": options[-1], "options": options}


def capabilities(base: str) -> str:
    """Compose the capabilities, with the scheme and port that we were reached at (contract 1.2)."""
    parts = [
        _capability(f"{VOSI}#capabilities", f"{base}/capabilities", secured=False),
        _capability(f"{VOSI}#availability", f"{base}/availability", secured=False),
        *(
            _capability(f"{PLATFORM}#{name}-1", f"{base}/v1/{name}", secured=True)
            for name in ("session", "context", "image", "repository")
        ),
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" '
        'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n' + "".join(parts) + "</vosi:capabilities>\n"
    )


def _capability(standard: str, url: str, secured: bool) -> str:
    method = '      <securityMethod standardID="ivo://ivoa.net/sso#token" />\n' if secured else ""
    return (
        f"  <capability standardID={quoteattr(standard)}>\n"
        '    <interface xsi:type="vs:ParamHTTP" role="std" version="1.0">\n'
        f'      <accessURL use="base">{url}</accessURL>\n{method}'
        "    </interface>\n  </capability>\n"
    )


def availability() -> str:
    """Compose the availability (contract 1.3)."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">\n'
        "  <vosi:available>true</vosi:available>\n"
        "  <vosi:note>The local platform is available. It is not for production.</vosi:note>\n"
        f"</vosi:availability>\n<!-- {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} -->\n"
    )
