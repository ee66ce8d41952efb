"""So many at once for each person, and so many in all."""

from __future__ import annotations

from collections import Counter

from sessions_app.models import Person


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

    def take(self, person: Person) -> Place:
        """Take one; raises ``NoPlaceError``."""
        if self._taken[person.pk] >= self.each:
            raise NoPlaceError(own=True)
        if self._taken.total() >= self.in_all:
            raise NoPlaceError(own=False)
        self._taken[person.pk] += 1
        return Place(self, person.pk)

    def taken_by(self, person: Person) -> int:
        """Return how many this person has."""
        return self._taken[person.pk]

    def give_back(self, person_pk: int) -> None:
        """Take one off."""
        self._taken[person_pk] -= 1
        self._taken += Counter()  # Drops who has none.


class Place:
    """One that is taken; it is given back once, at the latest when nobody knows of it any more."""

    __slots__ = ("_owner", "_places")

    def __init__(self, places: Places, owner: int) -> None:
        self._places: Places | None = places
        self._owner = owner

    def give_back(self) -> None:
        """Let others have it."""
        places, self._places = self._places, None
        if places is not None:
            places.give_back(self._owner)

    # An answer that was never begun is never closed either.
    __del__ = give_back
