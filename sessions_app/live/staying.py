"""Answers that last: they end when their person signs out, in whichever browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from django.dispatch import receiver

from sessions_app import access
from sessions_app.guarding import PortalRequest
from sessions_app.live.per_loop import PerLoop
from sessions_app.models import Person

# What a server adds to a request's scope: called, it closes the connection hard.
BREAK_OFF = "canfarweb.break_off"
# How long somebody who signed out has to read that a download ends, in seconds.
FAREWELL = 2.0
ENDS_HERE = b"\n[You signed out, so this download ends here.]\n"


class Stay:
    """One answer under way."""

    def __init__(self, on_over: Callable[[], object]) -> None:
        self.over = False
        self._on_over = on_over

    def end(self) -> None:
        """Learn that the person signed out."""
        self.over = True
        self._on_over()


_stays: PerLoop[dict[int, set[Stay]]] = PerLoop(dict)


@contextmanager
def staying(person: Person, on_over: Callable[[], object] = lambda: None) -> Iterator[Stay]:
    """Hold what says whether this person is still signed in; ``on_over`` is called when they are not."""
    stay, stays = Stay(on_over), _stays()
    stays.setdefault(person.pk, set()).add(stay)
    try:
        yield stay
    finally:
        stays[person.pk].discard(stay)
        if not stays[person.pk]:
            del stays[person.pk]


def break_off_of(request: PortalRequest) -> Callable[[], object] | None:
    """Return what breaks the answer off, where the server can."""
    found: Callable[[], object] | None = getattr(request, "scope", {}).get("extensions", {}).get(BREAK_OFF)
    return found


async def while_signed_in(request: PortalRequest, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass the pieces on for as long as this person is signed in; who does not read by then is not waited for."""
    break_off, loop = break_off_of(request) or _nothing_to_do, asyncio.get_running_loop()
    # Also when the last words were sent: what lies between here and there may still be read by nobody.
    with staying(request.person, lambda: loop.call_later(FAREWELL, break_off)) as stay:
        async with aclosing(pieces) as passed_on:  # type: ignore[type-var]
            async for piece in passed_on:
                yield piece
                if stay.over:
                    yield ENDS_HERE
                    return


def _nothing_to_do() -> None:
    """Stand where a server cannot break answers off."""


@receiver(access.signed_out, dispatch_uid="live.stays_end")
async def _signed_out(person_pk: int, **_: Any) -> None:
    for stay in tuple(_stays().get(person_pk, ())):
        stay.end()
