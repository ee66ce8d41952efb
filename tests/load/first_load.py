"""What a browser with an empty cache fetches for the sessions page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp

from tests.load.measuring import inflated
from tests.load.running import Portal

_LINK = re.compile(r'<link rel="(?:icon|stylesheet)" href="([^"]+)"')
_SOURCE = re.compile(r'<(?:script|img) src="([^"]+)"')
_BEHAVIOURS = re.compile(r'data-behaviour="([^"]+)"')
_IMPORT = re.compile(r'(?:\bfrom|\bimport)\s*"(\.[^"]+)"')
_DYNAMIC_IMPORT = re.compile(r'\bimport\(\s*"(\.[^"]+)"')
_STYLE_URL = re.compile(r'url\(["\']?([^"\')]+)|@import\s+["\']([^"\']+)')


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer: its body and its headers in bytes, as they travel."""

    path: str
    size: int
    headers: int
    encoding: str


async def first_load(running: Portal, client: aiohttp.ClientSession) -> list[Fetched]:
    """Fetch the page and all that it leads to, each once."""
    wanted, seen, fetched, behaviours = [f"{running.address}/"], set(), [], set()
    while wanted:
        address = wanted.pop(0)
        if address in seen:
            continue
        seen.add(address)
        assert urlsplit(address).netloc == f"localhost:{running.port}", f"{address} is on another host."
        async with client.get(address) as answer:
            body = await answer.read()
            assert answer.status == 200, f"{address} answered {answer.status}"
            headers = sum(len(name) + len(value) + 4 for name, value in answer.raw_headers)
            encoding = answer.headers.get("Content-Encoding", "")
            kind = answer.content_type
        fetched.append(Fetched(urlsplit(address).path, len(body), headers, encoding))
        text = inflated(body).decode()
        if kind == "text/html":
            behaviours = {word for found in _BEHAVIOURS.findall(text) for word in found.split()}
        wanted += [urljoin(address, each) for each in _led_to(text, kind, behaviours)]
    return fetched


def _led_to(text: str, kind: str, behaviours: set[str]) -> list[str]:
    if kind == "text/html":
        return [*_LINK.findall(text), *_SOURCE.findall(text)]
    if kind == "text/css":
        return [url or sheet for url, sheet in _STYLE_URL.findall(text) if not url.startswith("data:")]
    if "javascript" in kind:
        used = [each for each in _DYNAMIC_IMPORT.findall(text) if _module(each) in behaviours]
        return [*_IMPORT.findall(text), *used]
    return []


def _module(address: str) -> str:
    return address.rpartition("/")[2].partition(".")[0]
