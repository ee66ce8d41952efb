"""How often something may be asked for: by one address, for one account, by one person."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from weakref import WeakKeyDictionary

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from sessions_app.models import Person

# Tries of one account's password, or of one token, a minute; how many one address may make is a setting.
PER_ACCOUNT = RateLimitItemPerMinute(5, namespace="account")
PER_LINK = RateLimitItemPerMinute(60, namespace="welcome")
# What one person may do a minute. A launch of many is one.
LAUNCHES = RateLimitItemPerMinute(30, namespace="launch")
OPENINGS = RateLimitItemPerMinute(100, namespace="open")
SEARCHES = RateLimitItemPerMinute(90, namespace="search")

_limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, SlidingWindowCounterRateLimiter] = WeakKeyDictionary()


class LimitedError(Exception):
    """It was asked for too often; ``seconds`` says how long to wait."""

    def __init__(self, what: str, seconds: int) -> None:
        super().__init__(f"{what} Wait {seconds} second{'' if seconds == 1 else 's'} and try again.")
        self.seconds = seconds

    def dressed(self, answer: HttpResponse) -> HttpResponse:
        """Return the answer with its status and with how long to wait."""
        answer.status_code = 429
        answer.headers["Retry-After"] = str(self.seconds)
        return answer


async def count_signin(request: HttpRequest) -> None:
    """Count a try to sign in from this address."""
    limit = RateLimitItemPerMinute(settings.SIGNINS_PER_ADDRESS, namespace="signin")
    await _count(limit, address_of(request), "Too many tries to sign in came from your address.")


async def count_account(name: str) -> None:
    """Count a try for this name or token, known or not."""
    await _count(PER_ACCOUNT, name, "Too many tries to sign in were made with this name or token.")


async def count_link(request: HttpRequest) -> None:
    """Count a visit of a sign-in link from this address."""
    await _count(PER_LINK, address_of(request), "Too many sign-in links were tried from your address.")


async def count(limit: RateLimitItem, person: Person, what: str) -> None:
    """Count something that this person asks for."""
    await _count(limit, str(person.pk), what)


def address_of(request: HttpRequest) -> str:
    """Return whose address a request comes from."""
    return network_of(request.META.get("REMOTE_ADDR", ""), request.headers.get("x-forwarded-for", ""))


def network_of(peer: str, forwarded: str) -> str:
    """Return whose address this is: the peer's, or what the proxy that we were told to believe says of it.

    Of an IPv6 address the network counts: one subscriber has all of its addresses.
    """
    told = peer
    if settings.BEHIND_PROXY:
        # Each proxy adds whom it sees at the end; what stands before that anybody may have written.
        told = forwarded.rpartition(",")[2].strip() or told
    try:
        address = ipaddress.ip_address(told)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)


async def _count(limit: RateLimitItem, key: str, what: str) -> None:
    limiter = _limiter()
    if await limiter.hit(limit, key):
        return
    until = (await limiter.get_window_stats(limit, key)).reset_time
    raise LimitedError(what, max(1, math.ceil(until - time.time())))


def _limiter() -> SlidingWindowCounterRateLimiter:
    loop = asyncio.get_running_loop()
    if loop not in _limiters:
        _limiters[loop] = SlidingWindowCounterRateLimiter(MemoryStorage())
    return _limiters[loop]
