"""The launch form: what the platform would refuse or silently drop is said at the field, before anything is sent.

The rules are the platform's (skaha-contract.md, chapter 4). A field carries errors, which stop a launch, and remarks,
which only say what the platform will make of the value.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django import forms

from sessions_app import pasted
from sessions_app.batch_checks import BatchChecks
from sessions_app.client import creation, images
from sessions_app.connections.offers import Surroundings
from sessions_app.connections.writes import LaunchRequest
from sessions_app.kinds import KIND_KEYS, KIND_TITLES, KINDS, SIZED_BY_PLATFORM
from sessions_app.variables import environment

NAME_RULE = re.compile(r"[A-Za-z0-9-]+")
LONGEST_NAME = 63
MOST_REPLICAS = 512
# Servers take a request line of 8 KiB; what is launched travels in it.
LONGEST_REQUEST = 8000


def _whole_number(label: str, least: int, most: int = 10_000) -> forms.IntegerField:
    """Return a field whose errors can be read without it, as they are beside the Launch button."""
    said = f"{label}: give a whole number from {least} to {most:,}."
    messages = dict.fromkeys(("invalid", "min_value", "max_value"), said)
    return forms.IntegerField(required=False, min_value=least, max_value=most, error_messages=messages)


class _Ours(forms.HiddenInput):
    """A field that belongs to the page it is on: a browser that fills fields in again leaves it alone."""

    def __init__(self) -> None:
        super().__init__(attrs={"autocomplete": "off"})


class LaunchForm(BatchChecks):
    """What a person fills in to launch a session."""

    key = forms.CharField(max_length=64, widget=_Ours)
    kind = forms.ChoiceField(choices=[(kind.key, kind.title) for kind in KINDS])
    image = forms.CharField(max_length=300, required=False)
    other_image = forms.CharField(max_length=300, required=False)
    name = forms.CharField(max_length=300, required=False)
    suggested = forms.CharField(max_length=80, required=False, widget=_Ours)
    resources = forms.ChoiceField(choices=[("flexible", "Flexible"), ("fixed", "Fixed")], required=False)
    cores = _whole_number("Cores", 1)
    ram = _whole_number("Memory", 1)
    gpu = _whole_number("GPUs", 0)
    # The image that is to be launched although the platform's list speaks against it.
    anyway = forms.CharField(max_length=300, required=False)
    cmd = forms.CharField(max_length=8000, required=False)
    args = forms.CharField(max_length=8000, required=False, strip=False)
    script = forms.CharField(max_length=40000, required=False, widget=forms.Textarea, strip=False)
    env = forms.CharField(max_length=20000, required=False, widget=forms.Textarea, strip=False)
    # Names of variables whose values were not kept when this was launched before.
    lost = forms.CharField(max_length=20000, required=False, widget=_Ours)
    replicas = _whole_number("Replicas", 1, MOST_REPLICAS)

    def __init__(self, data: Any = None, *, around: Surroundings, **options: Any) -> None:
        super().__init__(data, **options)
        self.around = around
        self.remarks: dict[str, list[str]] = defaultdict(list)
        # The image that is launched only if that is said once more.
        self.doubted = ""

    @property
    def chosen_kind(self) -> str:
        """The kind that the form is about, also before it is valid."""
        value = self["kind"].value()
        return value if value in KIND_KEYS else KINDS[0].key

    def clean_name(self) -> str:
        """Check the name against the platform's rule and say what it will be listed as."""
        name = str(self.cleaned_data["name"]).strip()
        if not name:
            raise forms.ValidationError("Give the session a name.")
        if not NAME_RULE.fullmatch(name):
            if unseen := pasted.invisible(name):
                raise forms.ValidationError(
                    f"A name has letters, digits and hyphens only; this one has {', '.join(unseen)}."
                )
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
        cleaned["image"] = self.around.whole(cleaned.get("other_image") or "") or cleaned.get("image", "")
        self._check_image(kind, cleaned["image"])
        self._check_length(cleaned)
        self._check_resources(kind, cleaned)
        if kind == "headless":
            # First, as an error takes its field away.
            self._check_what_is_unseen(cleaned)
            self._check_command(cleaned)
            self._check_environment(cleaned)
        self._check_slots(kind)
        self._check_size()
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
            # The local platform tells by an event, too, that it has none.
            gpu=(data["gpu"] or None) if self._offers_gpus() or self.around.is_local else None,
            cmd=(data["cmd"].strip() or None) if headless else None,
            args=(data["args"].strip() or None) if headless else None,
            script=(data["script"] if data["script"].strip() else None) if headless else None,
            env=environment(data["env"]) if headless else {},
            replicas=data["replicas"] if headless else 1,
            passes_values_whole=self.around.is_local,
        )

    def content(self) -> dict[str, str]:
        """Return all that it asks for as it was typed, valid or not: by this a form is known that is sent again.

        What the chosen kind and size leave out is none of it; nor is what may differ between two sendings.
        """
        fields = ["kind", "name", "gpu"]
        if self.chosen_kind == "headless":
            fields += ["cmd", "args", "script", "env", "replicas"]
        if self._typed("resources") == "fixed" and self.chosen_kind not in SIZED_BY_PLATFORM:
            fields += ["resources", "cores", "ram"]
        return {
            "image": self._typed("other_image") or self._typed("image"),
            **{name: self._typed(name) for name in fields},
        }

    def _typed(self, field: str) -> str:
        # A line break is one however it travelled: browsers send two characters, scripts may send one.
        return str(self[field].value() or "").replace("\r\n", "\n").strip()

    def obstacles(self) -> list[str]:
        """Return every error as one sentence each, for the words beside the Launch button."""
        return [str(message) for messages in self.errors.values() for message in messages]

    def _leave_out_the_command(self, cleaned: dict[str, Any]) -> None:
        """Forget what only a batch session has; it stays in the form for when that kind is chosen again."""
        for field in ("cmd", "args", "script", "env", "replicas"):
            self.errors.pop(field, None)
            cleaned[field] = None if field == "replicas" else ""

    def _check_image(self, kind: str, image: str) -> None:
        where = "other_image" if self.cleaned_data.get("other_image") else "image"
        if not image:
            self.add_error("image", "Choose an image.")
            return
        if why := pasted.image_said(image) or images.problem_of(image):
            self.add_error(where, why)
            return
        hosts = self.around.hosts
        if hosts and not any(image.startswith(f"{host}/") for host in hosts):
            self.add_error(where, f"The platform takes images from {' or '.join(hosts)} only.")
            return
        self._check_fit(kind, image, where)

    def _check_fit(self, kind: str, image: str, where: str) -> None:
        """Hold the image against the platform's list; what the platform may still take wants a word more."""
        fit = self.around.fit(image)
        # The local platform takes every tag of an image that it knows; another may have it or not.
        known = fit is not None and (fit.is_exact or (self.around.is_local and bool(fit.listed)))
        if fit is None:
            return
        if known and kind in fit.kinds:
            if not fit.is_exact:
                self.remarks[where].append(f"This tag is not listed here: {fit.listed} stands for it.")
        elif known and fit.kinds and kind != "headless":
            self.add_error(
                where, f"This image is for {_titles(fit.kinds)}, not for {KIND_TITLES.get(kind, kind)}."
            )
        elif known:
            self._doubt(where, image, f"This image is for {_titles(fit.kinds)}. It may not work here.")
        else:
            self._doubt(where, image, _unlisted(fit.listed, self.around.is_local))

    def _doubt(self, where: str, image: str, why: str) -> None:
        self.doubted = image
        if self.cleaned_data.get("anyway") == image:
            self.remarks[where].append(why)
        else:
            self.add_error(where, why)

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
            self.remarks["name"].append(f"You have a session “{taken[0]}” already; both will be listed.")

    def _check_resources(self, kind: str, cleaned: dict[str, Any]) -> None:
        context = self.around.context
        self._check_gpus(cleaned.get("gpu"))
        if cleaned.get("resources") != "fixed" or kind in SIZED_BY_PLATFORM:
            # What is not sent stands in nobody's way.
            self.errors.pop("cores", None)
            self.errors.pop("ram", None)
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
                self.add_error(field, f"{word.capitalize()}: this platform offers {_some(options[field])}.")

    def _offers_gpus(self) -> bool:
        """Say whether GPUs can be asked for; where that is not known they can."""
        return self.around.context is None or bool(self.around.context.gpu_options)

    def _check_gpus(self, wanted: int | None) -> None:
        context = self.around.context
        if not wanted or context is None:
            return
        if not context.gpu_options:
            number = "1 GPU is" if wanted == 1 else f"{wanted} GPUs are"
            self.remarks["gpu"].append(f"{number} asked for, but this platform has none: it starts without.")
        elif wanted not in context.gpu_options:
            self.add_error("gpu", f"GPUs: this platform offers {_some(context.gpu_options)}.")

    def _check_size(self) -> None:
        """See that it fits the one line of a request in which it travels."""
        if self.errors:
            return
        longest = _length(self.request())
        if longest > LONGEST_REQUEST:
            self.add_error(
                self.longest_field(),
                f"This is too long to be sent: {longest:,} bytes in all, where {LONGEST_REQUEST:,} fit. "
                "Put the longer part into a file of your storage and run that.",
            )

    def longest_field(self) -> str:
        """Return the field that takes the most of what is sent: packed or not, by what goes without it."""
        asked = self.request()
        without: dict[str, LaunchRequest] = {
            "env": replace(asked, env={}),
            "script": replace(asked, script=None),
            "cmd": replace(asked, cmd=None, args=None),
        }
        return min(without, key=lambda field: _length(without[field]))

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


def _length(asked: LaunchRequest) -> int:
    """Return the bytes of the longest request that a launch makes."""
    sent = asked.sent
    made = creation.Creation(
        name=asked.names[-1],
        image=asked.image,
        kind=asked.kind,
        cores=asked.cores,
        ram=asked.ram,
        gpus=asked.gpu,
        cmd=sent.cmd,
        args=sent.args,
        env={**sent.env, "REPLICA_ID": asked.replicas, "REPLICA_COUNT": asked.replicas},
    )
    return len(urlencode(next(made.parameters())))


def _titles(kinds: Sequence[str]) -> str:
    return (
        " and ".join(KIND_TITLES.get(kind, kind) for kind in kinds)
        or "something that the platform does not tell"
    )


def _unlisted(other_tag: str, is_local: bool) -> str:
    if is_local:
        return "This platform has no such image: the session would wait for it in vain."
    if other_tag:
        return f"This platform lists {other_tag}, but not this tag of it. Unless it is private, it will not start."
    return "This platform does not list this image. Unless it is private, it will not start."


def suggested_name(kind: str, taken: Iterable[str]) -> str:
    """Return a free name made of the kind and a number."""
    stem, used = ("batch" if kind == "headless" else kind), set(taken)
    return next(f"{stem}-{number}" for number in range(1, 10_000) if f"{stem}-{number}" not in used)


def _some(options: Sequence[int]) -> str:
    shown = [str(option) for option in options]
    if len(shown) > 12:
        shown = [*shown[:6], "…", *shown[-2:]]
    return ", ".join(shown)


__all__ = [
    "KINDS",
    "KIND_KEYS",
    "KIND_TITLES",
    "SIZED_BY_PLATFORM",
    "LaunchForm",
    "Surroundings",
    "environment",
    "suggested_name",
]
