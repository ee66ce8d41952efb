"""Who asks, told from the head of a request alone: before anything is parsed, looked up or rendered.

A browser is known once its cookie was found to be somebody's; until then, and of visitors, the address counts. A cookie
that was made up is therefore nobody's, however many are made up.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import parse_cookie

from sessions_app.limiter import network_of
from sessions_app.live.per_loop import PerLoop

Scope = dict[str, Any]

# So many browsers are remembered by whose they are; the one that came longest ago is forgotten first.
MOST_BROWSERS = 10_000


@dataclass(frozen=True, slots=True)
class Asker:
    """A person's browser; without a person whoever comes from an address."""

    address: str
    browser: str = ""
    person: int | None = None

    @property
    def lane(self) -> str:
        """Who waits in one line with whom."""
        return f"address {self.address}" if self.person is None else f"person {self.person}"


class Known:
    """Whose the browsers are that came lately."""

    def __init__(self) -> None:
        self._people: OrderedDict[str, int] = OrderedDict()

    def learn(self, browser: str, person: int) -> None:
        """Remember that a browser is this person's."""
        self._people[browser] = person
        self._people.move_to_end(browser)
        if len(self._people) > MOST_BROWSERS:
            self._people.popitem(last=False)

    def person_of(self, browser: str) -> int | None:
        """Return whose it is, if that is known."""
        return self._people.get(browser)


known: PerLoop[Known] = PerLoop(Known)


def asker_of(scope: Scope) -> Asker:
    """Return who asks."""
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope.get("headers", []):
        headers.setdefault(name.lower(), []).append(value)
    address = _address_of(scope, headers)
    browser = _session_key_in(headers.get(b"cookie", []))
    person = known().person_of(browser) if browser and not _is_from_elsewhere(headers) else None
    return Asker(address) if person is None else Asker(address, browser, person)


def session_key_of(scope: Scope) -> str:
    """Return the session key in the cookies, or an empty string."""
    return _session_key_in([value for name, value in scope.get("headers", []) if name.lower() == b"cookie"])


def _session_key_in(cookies: list[bytes]) -> str:
    name = settings.SESSION_COOKIE_NAME
    # Most of what comes without a sign-in has none, and reading cookies costs more than looking.
    if not any(name.encode() in each for each in cookies):
        return ""
    return str(parse_cookie("; ".join(each.decode("latin-1") for each in cookies)).get(name, ""))


def _address_of(scope: Scope, headers: dict[bytes, list[bytes]]) -> str:
    peer = str((scope.get("client") or ["unknown"])[0])
    forwarded = ",".join(each.decode("latin-1") for each in headers.get(b"x-forwarded-for", []))
    return network_of(peer, forwarded)


def _is_from_elsewhere(headers: dict[bytes, list[bytes]]) -> bool:
    """Whether a page of another site asks, in a browser that says so: that page may not use up what its reader has."""
    site, mode = headers.get(b"sec-fetch-site", []), headers.get(b"sec-fetch-mode", [])
    return site in ([b"cross-site"], [b"same-site"]) and mode != [b"navigate"]
