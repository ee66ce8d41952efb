"""So many at once for each person, and so many in all; who gets nowhere with theirs makes room for who has none."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from weakref import WeakSet

from sessions_app.models import Person

# How long nothing may move at a place that somebody else wants, in seconds.
STALE = 10.0


class NoPlaceError(Exception):
    """This person has as many as they may already; or, where it is not ``own``, others have all there are."""

    def __init__(self, *, own: bool) -> None:
        super().__init__("No place is free.")
        self.own = own


class Places:
    """How many there are of one thing."""

    def __init__(self, each: int, in_all: int) -> None:
        self.each, self.in_all = each, in_all
        self._taken: Counter[int] = Counter()
        # Those that can be taken away.
        self._loose: WeakSet[Place] = WeakSet()

    def take(self, person: Person, break_off: Callable[[], object] | None = None) -> Place:
        """Take one; raises ``NoPlaceError``. ``break_off`` ends what is done there, for somebody who has none."""
        if self._taken[person.pk] >= self.each:
            raise NoPlaceError(own=True)
        if self._taken.total() >= self.in_all and not self._make_room():
            raise NoPlaceError(own=False)
        self._taken[person.pk] += 1
        place = Place(self, person.pk, break_off)
        if break_off is not None:
            self._loose.add(place)
        return place

    def taken_by(self, person: Person) -> int:
        """Return how many this person has."""
        return self._taken[person.pk]

    def _make_room(self) -> bool:
        """End what has moved longest ago, if that is long enough."""
        stale = [place for place in self._loose if time.monotonic() - place.moved_at > STALE]
        if not stale:
            return False
        min(stale, key=lambda place: place.moved_at).take_away()
        return True

    def forget(self, place: Place) -> None:
        """Let nobody take it away any more."""
        self._loose.discard(place)

    def give_back(self, person_pk: int) -> None:
        """Take one off."""
        self._taken[person_pk] -= 1
        self._taken += Counter()  # Drops who has none.


class Place:
    """One that is taken; it is given back once, at the latest when nobody knows of it any more."""

    __slots__ = ("__weakref__", "_break_off", "_owner", "_places", "moved_at")

    def __init__(self, places: Places, owner: int, break_off: Callable[[], object] | None) -> None:
        self._places: Places | None = places
        self._owner = owner
        self._break_off = break_off
        self.moved_at = time.monotonic()

    def moved(self) -> None:
        """Say that what is done here goes on."""
        self.moved_at = time.monotonic()

    def take_away(self) -> None:
        """End what is done here."""
        self.give_back()
        if self._break_off is not None:
            self._break_off()

    def give_back(self) -> None:
        """Let others have it."""
        places, self._places = self._places, None
        if places is not None:
            places.forget(self)
            places.give_back(self._owner)

    # An answer that was never begun is never closed either.
    __del__ = give_back
