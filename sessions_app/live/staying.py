"""Answers that last: they end when their person signs out, in whichever browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from django.dispatch import receiver

from sessions_app import access
from sessions_app.live.per_loop import PerLoop
from sessions_app.models import Person

ENDS_HERE = b"\n[You signed out, so this download ends here.]\n"


class Stay:
    """One answer under way."""

    def __init__(self, on_over: Callable[[], None]) -> None:
        self.over = False
        self._on_over = on_over

    def end(self) -> None:
        """Learn that the person signed out."""
        self.over = True
        self._on_over()


_stays: PerLoop[dict[int, set[Stay]]] = PerLoop(dict)


@contextmanager
def staying(person: Person, on_over: Callable[[], None] = lambda: None) -> Iterator[Stay]:
    """Hold what says whether this person is still signed in; ``on_over`` is called when they are not."""
    stay, stays = Stay(on_over), _stays()
    stays.setdefault(person.pk, set()).add(stay)
    try:
        yield stay
    finally:
        stays[person.pk].discard(stay)
        if not stays[person.pk]:
            del stays[person.pk]


async def while_signed_in(person: Person, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass the pieces on for as long as this person is signed in."""
    with staying(person) as stay:
        async with aclosing(pieces) as passed_on:  # type: ignore[type-var]
            async for piece in passed_on:
                yield piece
                if stay.over:
                    yield ENDS_HERE
                    return


@receiver(access.signed_out, dispatch_uid="live.stays_end")
async def _signed_out(person_pk: int, **_: Any) -> None:
    for stay in tuple(_stays().get(person_pk, ())):
        stay.end()
