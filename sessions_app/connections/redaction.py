"""Take the ids of sessions out of what enters the portal: programs print them, and an id opens its session.

One redactor for each person knows every id that was ever sealed for them. It looks at what is seen: an id is found
with colours, controls or zero-width characters inside it, in capitals, and in letters that look like its own. Ids of
other people it does not know: what it hides would tell who prints guesses which of them are right.
"""

from __future__ import annotations

import bisect
import re
import threading
import time
from collections.abc import Iterable
from typing import Any

import re2
from asgiref.sync import sync_to_async

from sessions_app.client import errors
from sessions_app.connections import seen
from sessions_app.models import Person, Record
from sessions_app.models.record import session_id_sealed
from sessions_app.signin import vault

HIDDEN = "[session id]"
# Shorter ones are no secrets, and would hide whatever is said.
SHORTEST = 6
_ID = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z._-]*[0-9A-Za-z])?")
_COLOURS = re.compile(r"\x1b\[[\d;:]{0,128}m")
# So many ids are looked for by one pattern; to make it takes about 20 ms and holds up everybody.
IN_ONE_PATTERN = 2000
# So many new ids wait until somebody looks; more are made a pattern of by whoever brings them.
WAITING = 250
PATTERN_MEMORY = 8 * 1024 * 1024
# What other processes of the portal sealed is learned this often, in seconds.
REFRESH = 30.0
# Of a text's end this much is looked at for the beginning of an id.
ENDING = 512


class Redactor:
    """Knows ids, and hides them in texts. May be used by several threads."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()
        self._fresh: list[str] = []
        # Ids and the pattern that finds any of them.
        self._tiers: tuple[tuple[list[str], Any], ...] = ()
        self._sorted: list[str] | None = None
        self._longest = 0
        self.learn(ids)

    @property
    def count(self) -> int:
        """How many ids it knows."""
        return len(self._ids)

    def learn(self, ids: Iterable[str]) -> None:
        """Hide these from now on as well."""
        with self._lock:
            wanted = (session_id.lower() for session_id in ids)
            new = {
                each
                for each in wanted
                if len(each) >= SHORTEST and each not in self._ids and _ID.fullmatch(each)
            }
            if not new:
                return
            self._ids |= new
            self._fresh += new
            self._sorted = None
            self._longest = max(self._longest, *map(len, new))
            if len(self._fresh) >= WAITING:
                self._make_patterns()

    def finds(self, text: str) -> bool:
        """Say whether any id can be read in a text, of any number of lines."""
        tiers = self._patterns()
        if not tiers or len(text) < SHORTEST:
            return False
        return any(pattern.search(data) is not None for data in seen.readings(text) for _, pattern in tiers)

    def hide(self, text: str) -> str:
        """Return the text without ids; what colours they had stays."""
        for _ in range(3):
            if not self.finds(text):
                return text
            text = self._without(text)
        # Somebody went to great lengths.
        return HIDDEN if self.finds(text) else text

    def hide_lines(self, lines: list[str]) -> list[str]:
        """Return the lines without ids; most often they are given back as they are."""
        # Looked at together, which costs far less than one by one. No id goes on over the end of a line.
        return [self.hide(line) for line in lines] if self.finds("\n".join(lines)) else lines

    def hide_in(self, value: Any) -> Any:
        """Return a JSON value without ids in its texts."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, list):
            return [self.hide_in(each) for each in value]
        if isinstance(value, dict):
            return {self.hide(name): self.hide_in(each) for name, each in value.items()}
        return value

    def hide_in_error(self, error: errors.PlatformError) -> errors.PlatformError:
        """Take ids out of what an error says, and return it."""
        error.args = tuple(self.hide(each) if isinstance(each, str) else each for each in error.args)
        error.detail, error.advice = self.hide(error.detail), self.hide(error.advice)
        error.request = self.hide(error.request)
        return error

    def begun(self, text: str) -> int:
        """Return where at the end of a text an id may have begun; its length where none has."""
        known = self._in_order()
        if not known:
            return len(text)
        first = max(0, len(text) - ENDING)
        begins = len(text)
        for data, place in seen.places(text[first:]):
            letters = data.decode().lower()
            for length in range(min(self._longest - 1, len(letters)), 0, -1):
                if _begins_any(letters[-length:], known):
                    begins = min(begins, first + place[-length])
                    break
        return begins

    def _without(self, text: str) -> str:
        spans: list[tuple[int, int]] = []
        for data, place in seen.places(text):
            for _, pattern in self._patterns():
                for found in pattern.finditer(data):
                    part = place[found.start() : found.end()]
                    spans.append((min(part), max(part) + 1))
        parts, at = [], 0
        for start, end in _merged(spans):
            parts += [text[at:start], HIDDEN, *_COLOURS.findall(text[start:end])]
            at = end
        return "".join([*parts, text[at:]])

    def _patterns(self) -> tuple[tuple[list[str], Any], ...]:
        if self._fresh:
            with self._lock:
                self._make_patterns()
        return self._tiers

    def _make_patterns(self) -> None:
        """Put the new ids to the last pattern's, as far as there is room."""
        tiers, fresh = list(self._tiers), self._fresh
        if tiers and len(tiers[-1][0]) + len(fresh) <= IN_ONE_PATTERN:
            fresh = [*tiers.pop()[0], *fresh]
        for start in range(0, len(fresh), IN_ONE_PATTERN):
            part = sorted(fresh[start : start + IN_ONE_PATTERN])
            tiers.append((part, _pattern_of(part)))
        self._tiers, self._fresh = tuple(tiers), []

    def _in_order(self) -> list[str]:
        known = self._sorted
        if known is None:
            with self._lock:
                known = self._sorted = sorted(self._ids)
        return known


class Passing:
    """Passes bytes on without ids; what is no UTF-8 stays as it is."""

    # So much of a line that does not end is waited for, and so much of it is held back then.
    LONGEST = 128 * 1024
    MARGIN = 16 * 1024

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes, return those that may go on: whole lines, as far as lines are of a usual length."""
        self._held += data
        end = self._held.rfind(b"\n") + 1
        whole, self._held = self._held[:end], self._held[end:]
        passed = self._hidden(whole) if whole else b""
        if len(self._held) > self.LONGEST:
            shown = self._hidden(self._held)
            passed, self._held = passed + shown[: -self.MARGIN], shown[-self.MARGIN :]
        return passed

    def finish(self) -> bytes:
        """Return the rest."""
        held, self._held = self._held, b""
        return self._hidden(held)

    def _hidden(self, data: bytes) -> bytes:
        lines = data.decode(errors="surrogateescape").split("\n")
        return "\n".join(self._redactor.hide_lines(lines)).encode(errors="surrogateescape")


def _pattern_of(ids: list[str]) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = PATTERN_MEMORY + 2048 * len(ids)
    options.case_sensitive, options.never_capture, options.longest_match = False, True, True
    options.log_errors = False
    pattern = re2.compile("|".join(map(re.escape, ids)).encode(), options)
    # It would keep 128 patterns, each with its memory.
    re2.purge()
    return pattern


def _begins_any(letters: str, known: list[str]) -> bool:
    place = bisect.bisect_left(known, letters)
    return place < len(known) and known[place].startswith(letters)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the stretches in their order, those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class _Known:
    """A person's redactor, and up to which record it was read from the database."""

    def __init__(self) -> None:
        self.redactor = Redactor()
        self.upto = 0
        self.read_at = float("-inf")

    def read(self, person: Person) -> None:
        begun = time.monotonic()
        records = Record.objects.filter(owner=person.pk, pk__gt=self.upto).order_by("pk")
        found = []
        for pk, sealed in records.values_list("pk", "id_sealed").iterator():
            found.append(_unsealed(person, sealed))
            self.upto = max(self.upto, pk)
        self.redactor.learn(found)
        self.read_at = begun


_known: dict[int, _Known] = {}


async def redactor_of(record: Record) -> Redactor:
    """Return what hides the ids of whoever owns the session; none where it is nobody's yet."""
    if record.owner_id is None:
        return Redactor()
    return await redactor_for(Person(pk=record.owner_id))


async def redactor_for(person: Person) -> Redactor:
    """Return what hides this person's ids, of which it knows all."""
    known = _known.setdefault(person.pk, _Known())
    if time.monotonic() - known.read_at > REFRESH:
        await sync_to_async(known.read)(person)
    return known.redactor


def forget_all() -> None:
    """Know nothing any more; the database is another one."""
    _known.clear()


def _hear(person: Person, session_id: str, **_: Any) -> None:
    known = _known.get(person.pk)
    if known is not None:
        known.redactor.learn([session_id])


session_id_sealed.connect(_hear, dispatch_uid="redaction.hear")


def sealed_text(slug: str, text: str) -> str:
    """Return a text about a session for the disk; unlike what is shown, it may hold ids."""
    return vault.seal(f"log:{slug}", text)


def unsealed_text(slug: str, sealed: str) -> str | None:
    """Return what was sealed; None where it can no longer be known."""
    try:
        return vault.unseal(f"log:{slug}", sealed)
    except vault.VaultError:
        return None


def _unsealed(person: Person, sealed: str) -> str:
    """Return the id; nothing where it can no longer be known."""
    try:
        return vault.unseal(person.owner_key, sealed)
    except vault.VaultError:
        return ""
