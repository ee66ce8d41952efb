"""A token for a name and its password, as CADC's login service gives one. The password is sent once."""

from __future__ import annotations

from pathlib import Path

import httpx

from ..answers import Answer, Collector, retry_after
from ..errors import NotSignedInError, PlatformUnavailableError
from ..running import Effort
from ..wire import SMALL_LIMIT, Request
from .troubles import TROUBLE, trouble
from .wiring import headers_of, kept_headers, tls_context

# Seconds: the service hashes slowly on purpose, and lets people wait in line.
PATIENCE = 20.0
_ASKED = Request("POST", "login", retry=False, max_bytes=SMALL_LIMIT)


async def login(
    address: str,
    name: str,
    password: str,
    *,
    authorities: str | Path | None = None,
    proxy: str | None = None,
) -> str:
    """Return a token for ``name``; raises ``NotSignedInError`` when the two do not belong together.

    >>> await login("http://localhost:8001/ac/login", "ann", password)
    """
    effort = Effort()
    # In the body: an address gets logged.
    form = {"username": name, "password": password}
    try:
        async with (
            httpx.AsyncClient(
                verify=tls_context(address, None, authorities),
                proxy=proxy,
                trust_env=False,
                timeout=PATIENCE,
            ) as client,
            client.stream(
                "POST", address, data=form, headers=headers_of({"Accept": "text/plain"})
            ) as response,
        ):
            answer = await _collected(response, password)
    except TROUBLE as problem:
        raise trouble(problem, _ASKED, effort) from None
    if answer.status == 401:
        raise NotSignedInError("The name or the password is not right.", status=401)
    after = retry_after(answer.headers.get("retry-after", ""))
    if answer.status == 503 and after is not None and b"wrong passwords" in answer.body:
        raise PlatformUnavailableError(
            "Too many wrong passwords were tried for this name.",
            status=503,
            retry_after=after,
            advice=f"Wait {after:.0f} seconds and try again.",
        )
    return answer.checked().text().strip()


async def _collected(response: httpx.Response, password: str) -> Answer:
    collector = Collector(_ASKED, response.status_code, kept_headers(response))
    async for piece in response.aiter_raw():
        collector.feed(piece)
        if collector.full:
            break
    return collector.answer((password,))
