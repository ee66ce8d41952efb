"""Say for what a session waits and who has it, to the person whose session it is."""

from collections.abc import Iterable, Iterator, Sequence

from .capacity import SLACK, Share, share_of, taken_by
from .machine import GIB
from .session import Session

MOST_NAMES = 3


def sentences(
    waiting: Sequence[Session], admitted: Iterable[Session], whole: Share
) -> Iterator[tuple[Session, str]]:
    """Compose a sentence for each session that waits; others' sessions have no name in it."""
    admitted = sorted(admitted, key=lambda session: session.created)
    taken = taken_by(admitted, whole)
    known: dict[tuple[str, tuple[bool, ...]], str] = {}
    for session in waiting:
        wanted = share_of(session, whole)
        lacking = tuple(
            mine > 0 and mine + theirs > there + SLACK
            for mine, theirs, there in zip(wanted.parts, taken.parts, whole.parts, strict=True)
        )
        if not any(lacking):
            yield (
                session,
                f"Waits for its turn; {_names([waiting[0]], session.user)} came first and needs the room",
            )
            continue
        if (session.user, lacking) not in known:
            holding = [each for each in admitted if _holds(share_of(each, whole), lacking)]
            plural = "hold" if len(holding) > 1 else "holds"
            known[session.user, lacking] = f"{_names(holding, session.user)} {plural}"
        free = Share(*(there - theirs for there, theirs in zip(whole.parts, taken.parts, strict=True)))
        what, them = _amounts(session, wanted, lacking, free)
        yield session, f"Waits for {what}; {known[session.user, lacking]} {them}"


def _holds(share: Share, lacking: Sequence[bool]) -> bool:
    return any(part > 0 and lacks for part, lacks in zip(share.parts, lacking, strict=True))


def _amounts(session: Session, wanted: Share, lacking: Sequence[bool], free: Share) -> tuple[str, str]:
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
