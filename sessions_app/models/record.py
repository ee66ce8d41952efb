"""The record: what we keep of a session, longer than the platform does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import models
from django.dispatch import Signal

from sessions_app.models.person import Person
from sessions_app.models.slugs import new_slug
from sessions_app.signin import vault

# The states in which nothing more will happen.
OVER = frozenset({"completed", "failed"})
LONGEST_REASON = 300
# Sent with the person and the id whenever an id is sealed, so that it is hidden from then on.
session_id_sealed = Signal()


class RecordManager(models.Manager["Record"]):
    """Find records by the secret they stand for."""

    def draft(self, person: Person, session_id: str) -> Record:
        """Return an unsaved record of a session that is seen for the first time."""
        session_id_sealed.send(Record, person=person, session_id=session_id)
        return Record(
            owner=person,
            platform=person.platform,
            id_fingerprint=fingerprint_of(person, session_id),
            id_sealed=vault.seal(person.owner_key, session_id),
        )


class Record(models.Model):
    """One session that was seen: its slug, what was asked for, its states and their times."""

    slug = models.CharField(max_length=24, unique=True, default=new_slug)
    owner = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="records")
    platform = models.CharField(max_length=300)
    # The platform's id opens the session, so it is a secret: found by a keyed digest, kept sealed.
    id_fingerprint = models.CharField(max_length=64)
    id_sealed = models.TextField()

    name = models.CharField(max_length=63, blank=True)
    kind = models.CharField(max_length=20, blank=True)
    image = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=12, default="unknown")
    # One plain sentence on why it is pending or how it ended, from the platform's events.
    reason = models.CharField(max_length=LONGEST_REASON, blank=True)
    # [[state, ISO time], …] in the order they were seen.
    states = models.JSONField(default=list)
    # The events the platform told, which it forgets before we do (connections/timeline.py).
    events = models.JSONField(default=list)
    # Who went there through its link and when; never where that led.
    opened = models.JSONField(default=list)
    # Seconds from being asked for to running, where both were seen as they came to pass.
    waited = models.FloatField(null=True)

    seen = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True)
    expires = models.DateTimeField(null=True)
    # When the platform stopped listing it.
    gone = models.DateTimeField(null=True)

    # When the log was read for the last time, and what of it is kept since; and when that was let go.
    log_kept_at = models.DateTimeField(null=True)
    log_lines = models.PositiveIntegerField(null=True)
    log_bytes = models.PositiveBigIntegerField(null=True)
    # Whether it is the whole log, as far as the portal can tell.
    log_complete = models.BooleanField(default=False)
    log_dropped_at = models.DateTimeField(null=True)
    # When the events were asked for the last time.
    events_kept_at = models.DateTimeField(null=True)

    objects: ClassVar[RecordManager] = RecordManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "id_fingerprint"], name="record_once_per_session"),
        ]
        indexes = [
            models.Index(fields=["owner", "gone"], name="record_listed"),
            models.Index(
                fields=["kind", "image", "-seen"],
                condition=models.Q(waited__isnull=False),
                name="record_waits",
            ),
            models.Index(fields=["platform"], name="record_to_keep", condition=models.Q(events_kept_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.slug})"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen in the session."""
        return self.gone is not None or self.state in OVER

    def keeps(self, what: str) -> bool:
        """Whether the session's log or events, whichever ``what`` names, are final: nobody asks for them again."""
        kept = self.log_kept_at if what == "log" else self.events_kept_at
        return self.over and kept is not None

    async def note_log(self, lines: int, size: int, *, complete: bool) -> None:
        """Write down that the log was read for the last time: how many lines and bytes of it are kept."""
        noted = {
            "log_kept_at": datetime.now(UTC),
            "log_lines": lines,
            "log_bytes": size,
            "log_complete": complete,
            "log_dropped_at": None,
        }
        await self.anote(noted)

    async def anote(self, noted: dict[str, Any]) -> None:
        """Write these fields, here and in the database; a record that was deleted meanwhile stays so."""
        await Record.objects.filter(pk=self.pk).aupdate(**noted)
        # Only what is stored is believed.
        for field, value in noted.items():
            setattr(self, field, value)

    def seal_anew_if_lost(self, person: Person, session_id: str) -> None:
        """Seal the id again where the key it was sealed with is gone, and save it."""
        try:
            vault.unseal(person.owner_key, self.id_sealed)
        except vault.VaultError:
            session_id_sealed.send(Record, person=person, session_id=session_id)
            self.id_sealed = vault.seal(person.owner_key, session_id)
            self.save(update_fields=["id_sealed"])


def fitting(reason: str) -> str:
    """Return a reason as long as its column takes it, cut between words."""
    if len(reason) <= LONGEST_REASON:
        return reason
    begin = reason[: LONGEST_REASON - 1]
    return f"{begin.rpartition(' ')[0] or begin}…"


def fingerprint_of(person: Person, session_id: str) -> str:
    """Return the digest by which this person's record of a session is found."""
    return vault.fingerprint("session", person.platform, session_id)
