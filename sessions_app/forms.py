"""The launch form: what the platform would refuse or silently drop is said at the field, before anything is sent.

The rules are the platform's (skaha-contract.md, chapter 4). A field carries errors, which stop a launch, and remarks,
which only say what the platform will make of the value.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from sessions_app.client import values
from sessions_app.connections.writes import LaunchRequest

IMAGE_RULE = re.compile(r"[^\s/]+/[^\s/]+/[^\s/]+")
# What a platform of the present release breaks on its way into a job (skaha-contract.md, 4.2).
FRAGILE = re.compile(r"[\"\\$]")
NAME_RULE = re.compile(r"[A-Za-z0-9-]+")
LONGEST_NAME = 63
MOST_REPLICAS = 512
# These two get their resources from the platform's own template, whatever is asked for (chapter 4.5).
SIZED_BY_PLATFORM = {"desktop", "firefly"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of session as people choose it."""

    key: str
    title: str
    line: str


KINDS = (
    Kind("notebook", "Notebook", "JupyterLab in your browser"),
    Kind("desktop", "Desktop", "A Linux desktop in your browser"),
    Kind("carta", "CARTA", "Look at image cubes"),
    Kind("firefly", "Firefly", "Catalogues, images and plots"),
    Kind("contributed", "Contributed", "Web applications by the community"),
    Kind("headless", "Batch", "A command that runs by itself"),
)
KIND_TITLES = {kind.key: kind.title for kind in KINDS} | {"desktop-app": "Desktop app"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a launch is checked against: what the platform offers and what is taken already. None where unknown."""

    images: list[values.Image] | None = None
    context: values.Context | None = None
    hosts: list[str] | None = None
    names: frozenset[str] = frozenset()
    interactive: tuple[str, ...] | None = None

    def images_of(self, kind: str) -> list[values.Image]:
        """Return the images that say they serve this kind."""
        return [image for image in self.images or [] if kind in image.types]


class LaunchForm(forms.Form):
    """What a person fills in to launch a session."""

    key = forms.CharField(max_length=64, widget=forms.HiddenInput)
    kind = forms.ChoiceField(choices=[(kind.key, kind.title) for kind in KINDS])
    image = forms.CharField(max_length=300, required=False)
    other_image = forms.CharField(max_length=300, required=False)
    name = forms.CharField(max_length=300, required=False)
    suggested = forms.CharField(max_length=80, required=False, widget=forms.HiddenInput)
    resources = forms.ChoiceField(choices=[("flexible", "Flexible"), ("fixed", "Fixed")], required=False)
    cores = forms.IntegerField(required=False, min_value=1)
    ram = forms.IntegerField(required=False, min_value=1)
    gpu = forms.IntegerField(required=False, min_value=0)
    cmd = forms.CharField(max_length=2000, required=False)
    args = forms.CharField(max_length=8000, required=False, strip=False)
    env = forms.CharField(max_length=20000, required=False, widget=forms.Textarea, strip=False)
    replicas = forms.IntegerField(required=False, min_value=1, max_value=MOST_REPLICAS)

    def __init__(self, data: Any = None, *, around: Surroundings, **options: Any) -> None:
        super().__init__(data, **options)
        self.around = around
        self.remarks: dict[str, list[str]] = defaultdict(list)

    @property
    def chosen_kind(self) -> str:
        """The kind that the form is about, also before it is valid."""
        value = self["kind"].value()
        return value if value in KIND_TITLES else KINDS[0].key

    def clean_name(self) -> str:
        """Check the name against the platform's rule and say what it will be listed as."""
        name = str(self.cleaned_data["name"]).strip()
        if not name:
            raise forms.ValidationError("Give the session a name.")
        if not NAME_RULE.fullmatch(name):
            wrong = sorted(set(re.sub(r"[A-Za-z0-9-]", "", name)))
            shown = ", ".join("a space" if sign == " " else f"“{sign}”" for sign in wrong[:5])
            raise forms.ValidationError(f"A name has letters, digits and hyphens only; this one has {shown}.")
        if name.startswith("-") or name.endswith("-"):
            raise forms.ValidationError("A name begins and ends with a letter or a digit.")
        return name

    def clean(self) -> dict[str, Any]:
        """Check what depends on more than one field."""
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind", "")
        if kind != "headless":
            self._leave_out_the_command(cleaned)
        cleaned["replicas"] = cleaned.get("replicas") or 1
        cleaned["image"] = (cleaned.get("other_image") or "").strip() or cleaned.get("image", "")
        self._check_image(kind, cleaned["image"])
        self._check_length(cleaned)
        self._check_resources(kind, cleaned)
        self._check_command(kind, cleaned)
        self._check_slots(kind)
        return cleaned

    def request(self) -> LaunchRequest:
        """Return what a valid form asks for."""
        data = self.cleaned_data
        fixed = data["resources"] == "fixed" and data["kind"] not in SIZED_BY_PLATFORM
        headless = data["kind"] == "headless"
        return LaunchRequest(
            name=data["name"],
            image=data["image"],
            kind=data["kind"],
            cores=data["cores"] if fixed else None,
            ram=data["ram"] if fixed else None,
            gpu=data["gpu"] or None,
            cmd=(data["cmd"].strip() or None) if headless else None,
            args=(data["args"].strip() or None) if headless else None,
            env=environment(data["env"]) if headless else {},
            replicas=data["replicas"] if headless else 1,
        )

    def obstacles(self) -> list[str]:
        """Return every error as one sentence each, for the words beside the Launch button."""
        return [str(message) for messages in self.errors.values() for message in messages]

    def _leave_out_the_command(self, cleaned: dict[str, Any]) -> None:
        """Forget what only a batch session has; it stays in the form for when that kind is chosen again."""
        for field in ("cmd", "args", "env", "replicas"):
            self.errors.pop(field, None)
            cleaned[field] = None if field == "replicas" else ""

    def _check_image(self, kind: str, image: str) -> None:
        where = "other_image" if self.cleaned_data.get("other_image") else "image"
        if not image:
            self.add_error("image", "Choose an image.")
            return
        hosts = self.around.hosts
        if hosts and not any(image.startswith(f"{host}/") for host in hosts):
            self.add_error(where, f"The platform takes images from {' or '.join(hosts)} only.")
            return
        if not IMAGE_RULE.fullmatch(image):
            self.add_error(where, "An image reads host/project/name:tag.")
            return
        self._remark_image(kind, image, where)

    def _remark_image(self, kind: str, image: str, where: str) -> None:
        listed = self.around.images
        if listed is None:
            return
        types = next((each.types for each in listed if each.id == image), None)
        if types is None:
            self.remarks[where].append(
                "The platform does not list this image. If it is private or misspelt, the launch is refused or waits."
            )
        elif kind not in types:
            self.remarks[where].append(f"This image says that it serves {', '.join(types)}, not {kind}.")

    def _check_length(self, cleaned: dict[str, Any]) -> None:
        name, replicas = cleaned.get("name"), cleaned.get("replicas") or 1
        if not name:
            return
        longest = len(name) + (len(str(replicas)) + 1 if replicas > 1 else 0)
        if longest > LONGEST_NAME:
            self.add_error("name", f"At most {LONGEST_NAME} characters fit; this makes {longest}.")
        if name != name.lower():
            self.remarks["name"].append(f"The platform lists it as “{name.lower()}”.")
        made = [name.lower()] if replicas == 1 else [f"{name.lower()}-{n}" for n in range(1, replicas + 1)]
        if taken := [each for each in made if each in self.around.names]:
            self.remarks["name"].append(f"You have a session “{taken[0]}” already; both would be listed.")

    def _check_resources(self, kind: str, cleaned: dict[str, Any]) -> None:
        context = self.around.context
        if cleaned.get("gpu") and context and cleaned["gpu"] not in context.gpu_options:
            self.add_error("gpu", "This platform offers no such number of GPUs.")
        if cleaned.get("resources") != "fixed":
            return
        if kind in SIZED_BY_PLATFORM:
            self.remarks["resources"].append(
                "The platform sets the size of this kind itself; a choice has no effect."
            )
            return
        options = {"cores": context.core_options, "ram": context.ram_options} if context else {}
        for field, word in (("cores", "cores"), ("ram", "memory")):
            value = cleaned.get(field)
            if value is None and field not in self.errors:
                self.add_error(
                    field, f"Choose how much {word}." if field == "ram" else "Choose how many cores."
                )
            elif value is not None and options.get(field) and value not in options[field]:
                self.add_error(field, f"The platform offers {_some(options[field])}.")

    def _check_command(self, kind: str, cleaned: dict[str, Any]) -> None:
        if kind != "headless":
            return
        cmd, args = (cleaned.get("cmd") or "").strip(), cleaned.get("args") or ""
        if " " in cmd:
            self.remarks["cmd"].append(
                "The command is one word to the platform and is not split; what follows it belongs to the arguments."
            )
        if not cmd:
            self.remarks["cmd"].append("Without a command the image's own runs.")
        if args.strip() and not cmd:
            self.remarks["args"].append("Without a command these go to the image's own.")
        for field, text in (("cmd", cmd), ("args", args), ("env", cleaned.get("env") or "")):
            self._remark_fragile(field, text)
        if "'" in args or '"' in args:
            self.remarks["args"].append("Arguments are split at each space, also between quotes.")
        if "  " in args.strip() or "\n" in args.strip():
            self.remarks["args"].append(
                "Two spaces in a row make an empty argument; a line break does not separate."
            )
        self._check_environment(cleaned.get("env") or "")

    def _remark_fragile(self, field: str, text: str) -> None:
        if found := sorted(set(FRAGILE.findall(text))):
            self.remarks[field].append(
                f"A platform of the present release may refuse or change values with {' '.join(found)}"
            )

    def _check_environment(self, text: str) -> None:
        for number, line in enumerate(text.splitlines(), start=1):
            name, equals, value = line.partition("=")
            if not line.strip():
                continue
            if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
                self.add_error("env", f"Line {number}: write NAME=value.")
            elif name.strip() in {"REPLICA_ID", "REPLICA_COUNT"}:
                self.remarks["env"].append(f"{name.strip()} is set for each replica; yours is overwritten.")
            elif not value or "=" in value:
                self.remarks["env"].append(
                    f"{name.strip()}: a platform of the present release drops empty values and values with “=”."
                )

    def _check_slots(self, kind: str) -> None:
        context, taken = self.around.context, self.around.interactive
        if kind == "headless" or not kind or taken is None or context is None or not context.max_interactive:
            return
        if len(taken) >= context.max_interactive:
            self.add_error(
                None,
                f"You have {len(taken)} of {context.max_interactive} interactive sessions: {', '.join(taken)}. "
                "Destroy one first; batch sessions do not count.",
            )


def environment(text: str) -> dict[str, str]:
    """Return the variables of lines that read NAME=value."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value for name, _, value in pairs}


def suggested_name(kind: str, taken: Iterable[str]) -> str:
    """Return a free name made of the kind and a number."""
    stem, used = ("batch" if kind == "headless" else kind), set(taken)
    return next(f"{stem}-{number}" for number in range(1, 10_000) if f"{stem}-{number}" not in used)


def _some(options: Sequence[int]) -> str:
    shown = [str(option) for option in options]
    if len(shown) > 12:
        shown = [*shown[:6], "…", *shown[-2:]]
    return ", ".join(shown)


__all__ = ["KINDS", "KIND_TITLES", "LaunchForm", "Surroundings", "environment", "suggested_name"]
