"""A person: who is signed in, as one platform knows them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class PersonManager(BaseUserManager["Person"]):
    """Find people by the platform that vouches for them and their name there."""

    async def aenter(self, platform: str, name: str) -> Person:
        """Return the person of that name on that platform, making the row on the first visit."""
        person, _ = await self.aget_or_create(platform=platform, name=name)
        return person


class Person(AbstractBaseUser):
    """Who is signed in. The same name on two platforms is two people."""

    platform = models.CharField(max_length=300)
    name = models.CharField(max_length=150)
    joined = models.DateTimeField(auto_now_add=True)
    # How often they signed out: what a browser was signed in before that ends with it, in all their browsers.
    departures = models.PositiveIntegerField(default=0)
    # There is no password here: a platform vouches for each person.
    password = None  # type: ignore[assignment]

    objects: ClassVar[PersonManager] = PersonManager()

    USERNAME_FIELD = "id"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["platform", "name"], name="person_once_per_platform"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def owner_key(self) -> str:
        """Who a sealed secret belongs to."""
        return f"person:{self.pk}"

    def get_session_auth_hash(self) -> str:
        """Return what a browser's session must hold to be theirs still."""
        return str(self.departures) if self.departures else ""
