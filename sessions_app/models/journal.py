"""The journal of writes: what was meant, written before it is sent, and what became of each item.

An operation is one press of a button (launch, renew, destroy); its steps are the items it touches. A step is
written as ``meant``, marked ``sent`` just before its request leaves, and ends as ``done`` or ``failed``, or as
``undone`` where the person took it back before it was sent. A step whose answer was lost stays ``unsure`` until a
look at the platform settles it; it is never sent again.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from sessions_app.models.person import Person
from sessions_app.models.record import Record
from sessions_app.models.slugs import new_slug


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


class OperationManager(models.Manager["Operation"]):
    """Open operations so that one form does one thing."""

    def open_once(
        self, person: Person, verb: Verb, form_key: str, request: dict[str, Any], steps: list[Step]
    ) -> tuple[Operation, bool]:
        """Return the operation of this form and whether it is new; a form sent twice finds its first one.

        Must run inside a transaction, so that the steps are there as soon as the operation is.
        """
        operation, is_new = self.get_or_create(
            person=person, form_key=form_key, defaults={"verb": verb, "request": request}
        )
        if is_new:
            for step in steps:
                step.operation = operation
            Step.objects.bulk_create(steps)
        return operation, is_new


class Operation(models.Model):
    """One press of a button."""

    slug = models.CharField(max_length=24, unique=True, default=new_slug)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="operations")
    verb = models.CharField(max_length=10, choices=Verb.choices)
    form_key = models.CharField(max_length=64)
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
