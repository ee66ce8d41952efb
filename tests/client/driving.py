"""Make calls of a session client, one after the other, and tell what became of each.

Runs as a program in the environment of the client that it drives: module, address and token as arguments, the cases
as JSON on standard input, the outcomes as JSON on the last line of standard output. It imports nothing foreign.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import logging
import os
import sys
import urllib.request
import warnings
import webbrowser
from typing import Any

opened: list[str] = []
platform: list[str] = []


def meant(given: Any) -> Any:
    """Return an argument that JSON cannot hold."""
    if not isinstance(given, dict) or set(given) != {"$", "of"}:
        return given
    kinds: dict[str, Any] = {
        "tuple": tuple,
        "generator": iter,
        "keys": lambda pairs: dict(map(tuple, pairs)),
        "bytes": str.encode,
        "address": lambda path: platform[0] + path,
    }
    return kinds[given["$"]](given["of"])


def kind_of(problem: Exception) -> str:
    """Return what kind of failure a client tells of, in words that fit every client."""
    status = getattr(problem, "status", None) or getattr(
        getattr(problem, "response", None), "status_code", None
    )
    if status and not (200 <= status < 300):
        return f"HTTP {status}"
    names = [base.__name__ for base in type(problem).__mro__]
    if "FileNotFoundError" in names:
        return "no such file"
    if isinstance(problem, json.JSONDecodeError) or "NotUnderstoodError" in names:
        return "not understood"
    return next(name for name in ("TypeError", "ValueError", "PlatformError", "Exception") if name in names)


async def awaited(session: Any, case: dict[str, Any]) -> Any:
    return await getattr(session, case["call"])(*map(meant, case["args"]), **arguments(case))


def blocking(session: Any, case: dict[str, Any]) -> Any:
    return getattr(session, case["call"])(*map(meant, case["args"]), **arguments(case))


def arguments(case: dict[str, Any]) -> dict[str, Any]:
    return {name: meant(value) for name, value in case["kwargs"].items()}


def wiring(client: Any, facade: str, address: str, token: str) -> dict[str, Any]:
    """Return what a session is made with. Ours is to lose no time between attempts."""
    url = f"{address}/skaha/v1"
    if not hasattr(client, "Retries"):
        return {"url": url, "token": token}
    pool = getattr(client, f"{facade}Pool")(url=url, retries=client.Retries(shortest=0.0, longest=0.01))
    registry = (os.environ["CANFAR_REGISTRY__USERNAME"], os.environ["CANFAR_REGISTRY__SECRET"])
    return {"pool": pool, "token": token, "registry": registry}


async def made(client: Any, case: dict[str, Any]) -> Any:
    """Make a session as the case has it, and have it make the call."""
    given = {name: meant(value) for name, value in case["make"].items()}
    variables = {name: meant(value) for name, value in case["variables"].items()}
    os.environ.update(variables)
    try:
        if case["facade"] == "awaited":
            async with client.AsyncSession(**given) as session:
                return await awaited(session, case)
        with client.Session(**given) as session:
            return await asyncio.to_thread(blocking, session, case)
    finally:
        for name in variables:
            del os.environ[name]


async def drive(client: Any, address: str, token: str, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = []
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with client.Session(**wiring(client, "", address, token)) as waiting:
        async with client.AsyncSession(**wiring(client, "Async", address, token)) as session:
            for case in cases:
                opened.clear()
                # Says where one case ends, and how the next is to be answered.
                direct.open(f"{address}/mark?{case['mark']}", timeout=10).close()
                outcome: dict[str, Any] = {}
                with contextlib.redirect_stdout(io.StringIO()):
                    try:
                        if case["make"] is not None:
                            outcome["result"] = await made(client, case)
                        elif case["facade"] == "awaited":
                            outcome["result"] = await awaited(session, case)
                        else:
                            outcome["result"] = await asyncio.to_thread(blocking, waiting, case)
                    except Exception as problem:
                        outcome["raised"] = kind_of(problem)
                outcome["opened"] = list(opened)
                told.append(outcome)
    return told


def main() -> None:
    webbrowser.open_new_tab = webbrowser.open = lambda url, *rest: bool(opened.append(url)) or True
    warnings.simplefilter("ignore")
    # What a released client logs has tracebacks that take a second each to draw.
    logging.disable(logging.CRITICAL)
    module, address, token = sys.argv[1:]
    platform.append(address)
    client = importlib.import_module(module)
    print(json.dumps(asyncio.run(drive(client, address, token, json.load(sys.stdin)))))


if __name__ == "__main__":
    main()
