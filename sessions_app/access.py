"""Who may see or change what: the only judge.

Whatever is not yours looks like what is not there, so that no answer tells a stranger that a session exists.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_delete
from django.dispatch import Signal, receiver
from django.http import Http404

from sessions_app.models import Credential, Operation, Person, Record

# Sent with ``person_pk`` when all browsers of a person are signed out.
signed_out = Signal()
# Sent with ``person_pk`` when what a person may see became less: whatever is open for them is to be judged again.
rights_changed = Signal()


class NotThereError(Http404):
    """There is no such thing for this person."""


async def person_of(session: SessionBase) -> Person | None:
    """Return who is signed in with this browser session now; a page and a socket are told the same."""
    said = await session.aget(SESSION_KEY)
    if said is None or not str(said).isdigit():
        return None
    # Whoever signed in on another platform is nobody here: their credential is not for this one.
    person = await Person.objects.filter(pk=int(said), platform=settings.PLATFORM_KEY).afirst()
    if person is None or await session.aget(HASH_SESSION_KEY, "") != person.get_session_auth_hash():
        return None
    return person


async def sign_out(person: Person) -> None:
    """End every browser session of this person, with all that is open in it, and forget their credential."""
    await Person.objects.filter(pk=person.pk).aupdate(departures=F("departures") + 1)
    await Credential.objects.adrop(person)
    await signed_out.asend(Person, person_pk=person.pk)


async def record_for(person: Person, slug: str) -> Record:
    """Return the record of that slug if this person may see and change it, else raise ``NotThereError``."""
    record = await Record.objects.filter(slug=slug, owner=person).afirst()
    if record is None:
        raise NotThereError("There is no such session.")
    return record


async def records_for(person: Person, slugs: list[str]) -> list[Record]:
    """Return the person's records among ``slugs``, in their order; what is not theirs is left out."""
    found = {record.slug: record async for record in Record.objects.filter(slug__in=slugs, owner=person)}
    return [found[slug] for slug in dict.fromkeys(slugs) if slug in found]


async def operation_for(person: Person, slug: str) -> Operation:
    """Return the person's operation of that slug, else raise ``NotThereError``."""
    operation = await Operation.objects.filter(slug=slug, person=person).afirst()
    if operation is None:
        raise NotThereError("There is no such operation.")
    return operation


@receiver(post_delete, sender=Record, dispatch_uid="access.record_deleted")
def _record_deleted(instance: Record, **_: Any) -> None:
    """Whoever judges again is to find it gone, so it is told once it is."""
    transaction.on_commit(partial(rights_changed.send, Record, person_pk=instance.owner_id))
