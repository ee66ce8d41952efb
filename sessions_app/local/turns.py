"""Say for what a session waits and who has it, to the person whose session it is."""

from collections.abc import Iterable, Iterator, Sequence

from .capacity import SLACK, Share, Taken, share_of
from .machine import GIB
from .session import Session

MOST_NAMES = 3


def sentences(
    waiting: Sequence[Session], admitted: Iterable[Session], whole: Share
) -> Iterator[tuple[Session, str]]:
    """Compose a sentence for each session that waits; others' sessions have no name in it."""
    held = _Held(admitted, whole)
    known: dict[tuple[str, Share], str] = {}
    for session in waiting:
        wanted = share_of(session, whole)
        if (session.user, wanted) not in known:
            if wanted.fits(held.taken, whole):
                first = _names([held.kept_for(wanted, waiting)], session.user)
                known[session.user, wanted] = f"Waits for its turn; {first} came first and needs the room"
            else:
                known[session.user, wanted] = _sentence(session.user, wanted, held)
        yield session, known[session.user, wanted]


def _sentence(user: str, wanted: Share, held: "_Held") -> str:
    lacking = wanted.lacking(held.taken, held.whole)
    holding = held.in_the_way(wanted, lacking)
    what, them = _amounts(wanted, lacking, held.whole.without(held.taken))
    return f"Waits for {what}; {_names(holding, user)} {'hold' if len(holding) > 1 else 'holds'} {them}"


class _Held:
    """What is taken now and by whom, looked through once for all who wait."""

    def __init__(self, admitted: Iterable[Session], whole: Share) -> None:
        self.whole = whole
        self._shares = [(session, share_of(session, whole)) for session in admitted]
        self._taken = Taken((session for session, _ in self._shares), whole)
        self.taken = self._taken.together
        self._largest_last: dict[tuple[bool, ...], list[tuple[Session, Share]]] = {}

    def kept_for(self, wanted: Share, waiting: Sequence[Session]) -> Session:
        """Find for whom room is kept that would do: the oldest that could not start beside this one."""
        claims = ((each, share_of(each, self.whole) + self._taken.since(each)) for each in waiting)
        return next((each for each, claim in claims if not wanted.fits(claim, self.whole)), waiting[0])

    def in_the_way(self, wanted: Share, lacking: tuple[bool, ...]) -> list[Session]:
        """Find the fewest sessions, the largest first, after whose end there is room; oldest first."""
        left, found = self.taken, []
        for session, share in reversed(self._ordered(lacking)):
            if wanted.fits(left, self.whole):
                break
            left = left.without(share)
            found.append(session)
        return sorted(found, key=lambda session: session.created)

    def _ordered(self, lacking: tuple[bool, ...]) -> list[tuple[Session, Share]]:
        def weight(each: tuple[Session, Share]) -> tuple[float, float]:
            parts = zip(each[1].parts, self.whole.parts, lacking, strict=True)
            return max((part / there for part, there, lacks in parts if lacks and there), default=0.0), each[
                0
            ].created

        if lacking not in self._largest_last:
            self._largest_last[lacking] = sorted(self._shares, key=weight)
        return self._largest_last[lacking]


def _amounts(wanted: Share, lacking: Sequence[bool], free: Share) -> tuple[str, str]:
    """Word what is asked for of that which is lacking, and the word that stands for it."""
    texts = (
        _count(wanted.cores, "core"),
        f"{_number(wanted.ram / GIB)} GiB of memory",
        _count(wanted.gpus, "GPU"),
    )
    some = [place for place, lacks in enumerate(lacking) if lacks]
    what = " and ".join(texts[place] for place in some)
    if len(some) > 1:
        return what, "them"
    left = free.parts[some[0]]
    if some[0] == 1:
        left = round(left / GIB, 1)
    if left > SLACK:
        verb = "is" if left == 1 or some[0] == 1 else "are"
        return f"{what}, of which {_number(left)}{' GiB' if some[0] == 1 else ''} {verb} free", "the rest"
    return what, "them" if some[0] != 1 and wanted.parts[some[0]] > 1 else "it"


def _count(number: float, word: str) -> str:
    return f"{_number(number)} {word}{'' if number == 1 else 's'}"


def _number(number: float) -> str:
    return f"{round(number, 2):g}"


def _names(sessions: Sequence[Session], user: str) -> str:
    """Name a person's own sessions, as many as one reads, and count the rest."""
    own = [f"`{session.name}`" for session in sessions if session.user == user]
    others = len(sessions) - len(own)
    parts = own[:MOST_NAMES]
    if more := len(own) - len(parts):
        parts.append(f"{more} more of yours")
    if others:
        parts.append("another person's session" if others == 1 else f"{others} sessions of other people")
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
