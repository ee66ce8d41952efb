"""One-time sign-in links, as `manage.py up` prints them."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from sessions_app.models.credential import Credential
from sessions_app.models.person import Person
from sessions_app.signin import vault

LIFETIME = timedelta(hours=12)


class WelcomeKeyManager(models.Manager["WelcomeKey"]):
    """Make a key, and let it be used once."""

    def make(self, person: Person, token: str = "", *, beside_others: bool = False) -> str:
        """Return a fresh key for ``person``; only its digest is kept, and older ones stop working.

        The link brings ``token`` along, sealed: who signed out has no credential here any more.
        """
        stale = self.filter(person=person)
        if beside_others:
            stale = stale.exclude(used=None, expires__gt=timezone.now())
        stale.delete()
        key = secrets.token_urlsafe(24)
        sealed = vault.seal(person.owner_key, token) if token else ""
        self.create(person=person, digest=_digest(key), sealed=sealed, expires=timezone.now() + LIFETIME)
        return key

    async def afor(self, key: str) -> Person | None:
        """Return whom the key would sign in, without using it."""
        row = await self.filter(**_valid(key)).select_related("person").afirst()
        return row.person if row else None

    async def ause(self, key: str) -> Person | None:
        """Return whom the key signs in and use it up; None when it is unknown, old or used."""
        if await self.filter(**_valid(key)).aupdate(used=timezone.now()) != 1:
            return None
        row = await self.select_related("person").aget(digest=_digest(key))
        if row.sealed:
            await Credential.objects.akeep_sealed(row.person, row.sealed)
            await self.filter(pk=row.pk).aupdate(sealed="")
        return row.person


class WelcomeKey(models.Model):
    """The digest of one sign-in link, and the credential that comes with it."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    digest = models.CharField(max_length=64, unique=True)
    sealed = models.TextField(default="")
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True)

    objects: ClassVar[WelcomeKeyManager] = WelcomeKeyManager()

    def __str__(self) -> str:
        return f"welcome key of {self.person_id}"


def _valid(key: str) -> dict[str, Any]:
    return {"digest": _digest(key), "used": None, "expires__gt": timezone.now()}


def _digest(key: str) -> str:
    return vault.fingerprint("welcome", key)
