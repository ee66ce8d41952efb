"""What a person proved to their platform with, kept sealed."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from sessions_app.models.person import Person
from sessions_app.signin import vault


class CredentialManager(models.Manager["Credential"]):
    """Keep and hand out credentials."""

    async def akeep(self, person: Person, token: str) -> None:
        """Keep ``token`` as this person's credential, in place of an earlier one."""
        await self.akeep_sealed(person, vault.seal(person.owner_key, token))

    async def akeep_sealed(self, person: Person, sealed: str) -> None:
        """Keep what was sealed for this person before."""
        await self.aupdate_or_create(person=person, defaults={"sealed": sealed})

    async def atoken(self, person: Person) -> str | None:
        """Return the person's token; None when there is none or it cannot be opened."""
        row = await self.filter(person=person).afirst()
        if row is None:
            return None
        try:
            return vault.unseal(person.owner_key, row.sealed)
        except vault.VaultError:
            return None

    async def adrop_refused(self, person: Person, token: str) -> bool:
        """Forget the credential if it is still this one; say whether it was."""
        return await self.atoken(person) == token and bool((await self.filter(person=person).adelete())[0])

    async def adrop(self, person: Person) -> None:
        """Forget the person's credential."""
        await self.filter(person=person).adelete()


class Credential(models.Model):
    """One bearer token, sealed for its owner."""

    person = models.OneToOneField(Person, on_delete=models.CASCADE, related_name="credential")
    sealed = models.TextField()
    kept = models.DateTimeField(auto_now=True)

    objects: ClassVar[CredentialManager] = CredentialManager()

    def __str__(self) -> str:
        return f"credential of {self.person_id}"
