"""The journal of writes: what was meant, written before it is sent, and what became of each item.

An operation is one press of a button (launch, renew, destroy); its steps are the items it touches. A step is
written as ``meant``, marked ``sent`` just before its request leaves, and ends as ``done`` or ``failed``, or as
``undone`` where the person took it back before it was sent. A step whose answer was lost stays ``unsure`` until a
look at the platform settles it; it is never sent again.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.db import models

from sessions_app.models.person import Person
from sessions_app.models.record import Record
from sessions_app.models.slugs import new_slug
from sessions_app.signin.vault import fingerprint


class Verb(models.TextChoices):
    """What an operation does."""

    LAUNCH = "launch"
    RENEW = "renew"
    DESTROY = "destroy"


class StepState(models.TextChoices):
    """How far one item has come."""

    MEANT = "meant"
    SENT = "sent"
    UNSURE = "unsure"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"


SETTLED = (StepState.DONE, StepState.FAILED, StepState.UNDONE)


class KeyTakenError(Exception):
    """A form's key was used before, for something else; ``operation`` is what it was used for."""

    def __init__(self, operation: Operation) -> None:
        super().__init__("This form's key was used for something else.")
        self.operation = operation


def made_for(verb: Verb, content: Any) -> str:
    """Return a keyed digest of what a form asks for: values of variables are in it, which are kept nowhere.

    ``content`` is anything that JSON can hold; the order of a mapping's names does not count.
    """
    return fingerprint("form", verb.value, json.dumps(content, sort_keys=True, default=str))


class OperationManager(models.Manager["Operation"]):
    """Open operations so that one form does one thing."""

    async def aearlier(self, person: Person, verb: Verb, form_key: str, content: Any) -> Operation | None:
        """Return the operation that this form began before, if it did, or raise ``KeyTakenError``."""
        found = await self.filter(person=person, form_key=form_key).afirst()
        if found is not None and not found.was_made_for(verb, content):
            raise KeyTakenError(found)
        return found

    def open_once(
        self,
        person: Person,
        verb: Verb,
        form_key: str,
        request: dict[str, Any],
        steps: list[Step],
        content: Any,
    ) -> tuple[Operation, bool]:
        """Return the operation of this form and whether it is new; a form sent twice finds its first one.

        ``content`` is all that the form asks for. Raises ``KeyTakenError`` where the key stands for something else.
        Must run inside a transaction, so that the steps are there as soon as the operation is.
        """
        defaults = {"verb": verb, "request": request, "made_for": made_for(verb, content)}
        operation, is_new = self.get_or_create(person=person, form_key=form_key, defaults=defaults)
        if is_new:
            for step in steps:
                step.operation = operation
            Step.objects.bulk_create(steps)
        elif not operation.was_made_for(verb, content):
            raise KeyTakenError(operation)
        return operation, is_new


class Operation(models.Model):
    """One press of a button."""

    slug = models.CharField(max_length=24, unique=True, default=new_slug)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="operations")
    verb = models.CharField(max_length=10, choices=Verb.choices)
    form_key = models.CharField(max_length=64)
    # A keyed digest of all that the form asked for; empty in rows that are older than it.
    made_for = models.CharField(max_length=64, blank=True, default="")
    # What a launch asked for. Registry secrets never come here.
    request = models.JSONField(default=dict)
    opened = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[OperationManager] = OperationManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "form_key"], name="operation_once_per_form"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.slug}"

    def was_made_for(self, verb: Verb, content: Any) -> bool:
        """Say whether a form that asks for this is the one that began it."""
        return self.verb == verb and self.made_for in {"", made_for(verb, content)}


class Step(models.Model):
    """One item of an operation and its outcome."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=80)
    record = models.ForeignKey(Record, null=True, on_delete=models.SET_NULL, related_name="steps")
    state = models.CharField(max_length=8, choices=StepState.choices, default=StepState.MEANT)
    sent = models.DateTimeField(null=True)
    settled = models.DateTimeField(null=True)
    # What happened, what still holds, what to do: shown to the person as it is.
    message = models.CharField(max_length=700, blank=True)
    # The platform's own words, where the message leaves them out; no id is in them.
    detail = models.CharField(max_length=700, blank=True)

    class Meta:
        ordering = ["position"]
        indexes = [models.Index(fields=["state"], name="step_state")]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"
