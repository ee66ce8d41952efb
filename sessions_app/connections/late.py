"""Takes ids out of what was stored before they were known.

A session that was launched elsewhere can be named by a command, an event or an error before a list of the platform
has told of it. So what is stored of a person is remembered until a list that was asked for later was taken in; where
lists told of ids meanwhile that were not known, it is looked at once more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.db import models, transaction
from django.db.models.signals import post_save
from django.db.utils import DatabaseError
from django.dispatch import receiver

from sessions_app.connections.redaction import Redactor
from sessions_app.models import Operation, Record, Step

if TYPE_CHECKING:
    from sessions_app.connections.rows import Listing

logger = logging.getLogger(__name__)

# What of each may name a session.
_TEXTS: dict[type[models.Model], tuple[str, ...]] = {
    Record: ("name", "image", "reason", "events"),
    Operation: ("request",),
    Step: ("name", "message", "detail"),
}
# So much that was stored lately is remembered for one person; a list is read every few seconds.
MOST = 1000
# And so much looked at before others have their turn at the database.
AT_ONCE = 100

Place = tuple[type[models.Model], int]

# By the key of their person: what was stored lately, and when.
_stored: dict[int, dict[Place, float]] = {}
# Rows are stored in threads.
_lock = threading.Lock()


def note(owner: int | None, row: models.Model) -> None:
    """Remember that texts of this row were stored now."""
    if owner is None or row.pk is None:
        return
    place = (type(row), row.pk)
    with _lock:
        mine = _stored.setdefault(owner, {})
        # The newest stands last.
        mine.pop(place, None)
        mine[place] = time.monotonic()
        while len(mine) > MOST:
            del mine[next(iter(mine))]


class Cleaner:
    """Looks at what was stored of one person whenever their lists told of something new."""

    def __init__(self, listing: Listing, redactor: Redactor) -> None:
        self._listing, self._redactor = listing, redactor
        self._known = 0

    async def clean(self, began: float) -> None:
        """Take ids out of what was stored lately.

        ``began`` is when the list was asked for that was taken in: what was stored before can name nothing that later
        lists tell of. Where the database takes nothing, the next list does it.
        """
        with _lock:
            stored = dict(_stored.get(self._listing.person.pk, {}))
        known = self._redactor.count
        if stored and known != self._known:
            try:
                for start in range(0, len(stored), AT_ONCE):
                    part = list(stored)[start : start + AT_ONCE]
                    await self._show(await sync_to_async(_cleaned)(part, self._redactor))
            except DatabaseError as error:
                logger.warning("What is stored could not be looked at for ids (%s).", error)
                return
        self._known = known
        self._forget({place: at for place, at in stored.items() if at < began})

    async def _show(self, slugs: list[str]) -> None:
        """Bring the list's own copies of these records up to date."""
        for slug in slugs:
            known = self._listing.known(slug)
            if known is not None:
                await known.record.arefresh_from_db(fields=_TEXTS[Record])
                self._listing.touch()

    def _forget(self, looked_at: dict[Place, float]) -> None:
        with _lock:
            mine = _stored.get(self._listing.person.pk, {})
            for place, at in looked_at.items():
                if mine.get(place) == at:
                    del mine[place]
            if not mine:
                _stored.pop(self._listing.person.pk, None)


def _cleaned(places: list[Place], redactor: Redactor) -> list[str]:
    """Clean these; return the slugs of the records among those that were changed."""
    return [row.slug for row in _changed(places, redactor) if isinstance(row, Record)]


def _changed(places: list[Place], redactor: Redactor) -> Iterator[models.Model]:
    for model, texts in _TEXTS.items():
        keys = [pk for of, pk in places if of is model]
        for row in model._default_manager.filter(pk__in=keys).only("pk", *texts):
            # To look is quick; most often nothing is found.
            if _quiet(row, redactor) and _clean(model, row.pk, redactor):
                yield row


@transaction.atomic
def _clean(model: type[models.Model], pk: int, redactor: Redactor) -> bool:
    # Somebody may have added to it.
    row = model._default_manager.select_for_update().filter(pk=pk).first()
    quiet = _quiet(row, redactor) if row is not None else {}
    return bool(quiet) and bool(model._default_manager.filter(pk=pk).update(**quiet))


def _quiet(row: models.Model, redactor: Redactor) -> dict[str, Any]:
    """Return the fields in which an id was found, without it."""
    found = {}
    for name in _TEXTS[type(row)]:
        value = getattr(row, name)
        hidden = redactor.hide_in(value)
        if hidden != value:
            most = getattr(row._meta.get_field(name), "max_length", None)
            found[name] = hidden[:most] if isinstance(hidden, str) else hidden
    return found


@receiver(post_save, sender=Record, dispatch_uid="late.record")
def _record_stored(instance: Record, **_: Any) -> None:
    note(instance.owner_id, instance)


@receiver(post_save, sender=Operation, dispatch_uid="late.operation")
def _operation_stored(instance: Operation, **_: Any) -> None:
    note(instance.person_id, instance)


@receiver(post_save, sender=Step, dispatch_uid="late.step")
def _step_stored(instance: Step, **_: Any) -> None:
    note(instance.operation.person_id, instance)
