"""The sockets that are open in this process: how many of each person, and what a crowd leaves when it goes."""

from __future__ import annotations

import asyncio

from sessions_app.live.memory import give_back
from sessions_app.live.per_loop import PerLoop

# So many sockets make a crowd; fewer are not worth the while of giving memory back.
CROWD = 500
# It is waited until nobody has left for so many seconds; each is still on its way out when it is not counted any more.
SETTLING = 5.0


class Sockets:
    """Counts sockets, and gives memory back to the system when most of a crowd has left."""

    def __init__(self) -> None:
        self._of: dict[int, set[object]] = {}
        self._open = self._most = 0
        self._giving: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return self._open

    def of(self, person_pk: int) -> frozenset[object]:
        """Return the sockets of one person."""
        return frozenset(self._of.get(person_pk, ()))

    def enter(self, person_pk: int, socket: object, most: int) -> bool:
        """Count a socket of a person, unless they have ``most`` already; return whether it is counted."""
        mine = self._of.get(person_pk, set())
        if len(mine) >= most:
            return False
        if socket not in mine:
            self._of.setdefault(person_pk, mine).add(socket)
            self._open += 1
            self._most = max(self._most, self._open)
        return True

    def leave(self, person_pk: int, socket: object) -> None:
        """Count it no more, if it was counted."""
        mine = self._of.get(person_pk, set())
        if socket not in mine:
            return
        mine.discard(socket)
        if not mine:
            del self._of[person_pk]
        self._open -= 1
        if self._most >= CROWD and self._open <= self._most // 2 and self._giving is None:
            self._giving = asyncio.ensure_future(self._give_back())

    async def _give_back(self) -> None:
        before = -1
        while before != self._open:
            before = self._open
            await asyncio.sleep(SETTLING)
        self._most, self._giving = self._open, None
        await asyncio.to_thread(give_back)


sockets: PerLoop[Sockets] = PerLoop(Sockets)
