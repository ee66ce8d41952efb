"""Links that fill the launch form: our own names and those of the present portal. A link never launches."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from sessions_app.connections.offers import Surroundings
from sessions_app.forms import KIND_KEYS

# What a link may say, and the field that it is for.
FIELDS = {
    "name": "name",
    "cores": "cores",
    "memory": "ram",
    "ram": "ram",
    "gpus": "gpu",
    "gpu": "gpu",
    "cmd": "cmd",
    "replicas": "replicas",
    "resources": "resources",
}
# The present portal's tabs (standard, advanced) are one form here.
OTHERS = frozenset({"tab", "type", "kind", "project", "image", "again"})


@dataclass(frozen=True, slots=True)
class Link:
    """The fields that a link fills, and in words what of it could not be followed."""

    fields: dict[str, str]
    remarks: tuple[str, ...] = ()

    @property
    def fills(self) -> bool:
        """Whether it says more than a kind."""
        return bool(set(self.fields) - {"kind"})


def read(query: QueryDict, around: Surroundings) -> Link:
    """Return what an address asks the form to hold."""
    # Nothing is cut, as half a command may do harm: the form says what is too long.
    given = {key: str(value).strip() for key, value in query.items()}
    fields = {FIELDS[key]: value for key, value in given.items() if key in FIELDS and value}
    remarks = [
        f"The link says “{key[:40]}”, which this page does not know; it is left out."
        for key in sorted(_unknown(given))
    ]
    kind = (given.get("type") or given.get("kind") or "").lower()
    if kind in KIND_KEYS:
        fields["kind"] = kind
    elif kind:
        remarks.append(
            f"The link asks for the kind “{kind[:40]}”, which cannot be launched here: choose one."
        )
    if image := _image(given, fields.get("kind", ""), around):
        fields["image"] = image
    elif given.get("project"):
        remarks.append(
            f"No image of the project “{given['project'][:60]}” is listed for this kind: choose one."
        )
    if fields.keys() & {"cores", "ram"}:
        fields.setdefault("resources", "fixed")
    return Link(fields, tuple(remarks))


def _unknown(given: dict[str, str]) -> set[str]:
    return {key for key in given if key not in FIELDS and key not in OTHERS}


def _image(given: dict[str, str], kind: str, around: Surroundings) -> str:
    """Return the image that a link names: in full, as project/name, or in parts."""
    image, project = given.get("image", ""), given.get("project", "")
    if image and "/" not in image and project:
        image = f"{project}/{image}"
    if image or not project:
        return around.whole(image) if "/" in image else image
    offered = around.images_of(kind) if kind else around.images or []
    return next((each.id for each in offered if each.id.partition("/")[2].startswith(f"{project}/")), "")
