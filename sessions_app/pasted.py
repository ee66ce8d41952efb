"""What comes along when text is pasted: characters that nobody sees, and what stands around a value elsewhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# What such a character is called where its own name says little.
_NAMES = {
    "\u00a0": "a no-break space",
    "\u00ad": "a soft hyphen",
    "\u200b": "a zero-width space",
    "\u2013": "an en dash",
    "\u2014": "an em dash",
    "\u2028": "a line separator",
    "\u2029": "a paragraph separator",
    "\ufeff": "a byte order mark",
}
_QUOTES = "\"'`“”\u2018\u2019«»"
# Beginnings that belong to another program's line, and not to the name of an image.
_COMMANDS = re.compile(
    r"(?:[$#>]\s+)?(?:sudo\s+)?(?:docker|podman|nerdctl|singularity|apptainer|skopeo)\s+(?:image\s+)?"
    r"(?:pull|run|push|inspect|exec|shell)\s+(?:-\S+\s+)*",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:https?|docker|oci|docker-daemon)://", re.IGNORECASE)
_LABEL = re.compile(r"(?:image|FROM|--image)\s*[:=]?\s+|(?:image|--image)[:=]", re.IGNORECASE)
# What a token stands behind where people copy it from: a shell's line, a header, an answer in JSON.
_BEFORE_TOKEN = (
    re.compile(r"CANFAR_TOKEN\s*=\s*|setenv\s+CANFAR_TOKEN\s+", re.IGNORECASE),
    re.compile(r"^(?:export\s+|set\s+)?\w*TOKEN\s*=\s*(?=\S)", re.IGNORECASE),
    re.compile(r"[\"'](?:access_?)?token[\"']\s*:\s*", re.IGNORECASE),
    re.compile(r"\bauthorization[\"']?\s*[:=]\s*", re.IGNORECASE),
)
_BEARER = re.compile(r"bearer(?:\s*:\s*|\s+|$)", re.IGNORECASE)
# A field for secrets takes the line breaks out of what is pasted.
_NEXT_LINE = re.compile(r"\s*(?:export|setenv|set)\s+CANFAR_\w+.*$", re.IGNORECASE | re.DOTALL)
_MOST_TOLD = 5
_SHOWN = 20


def invisible(text: str) -> list[str]:
    """Return in words each character that cannot be seen or passes for another, and where it stands.

    >>> invisible("fit\\u200b-1")
    ['a zero-width space (U+200B) after “fit”']
    """
    found = list(_invisible(text))
    return found[:_MOST_TOLD] + ([f"{len(found) - _MOST_TOLD} more"] if len(found) > _MOST_TOLD else [])


def image_said(image: str) -> str:
    """Return what is to be taken away so that a pasted text is the name of an image; nothing if that helps not.

    >>> image_said("docker pull skaha/astro:1")
    'Take away “docker pull” in front: an image is written as project/name:tag.'
    """
    if where := invisible(image):
        return f"There is {_and(where)}, which no image has. Take it away, or type the name anew."
    parts = []
    if found := _COMMANDS.match(image) or _LABEL.match(image):
        parts.append(f"“{found.group().strip()}” in front")
        image = image[found.end() :]
    if image[:1] in _QUOTES and image:
        parts.append("the quotes around it")
        image = image.strip(_QUOTES + ",;")
    if found := _SCHEME.match(image):
        if _is_page(image):
            return (
                "This is the address of a page. Write the image as project/name:tag, as that page names it."
            )
        parts.append(f"“{found.group()}” in front")
    if end := image[len(image.rstrip(f"{_QUOTES},;.")) :]:
        parts.append(f"“{end}” at its end")
    if not parts:
        return ""
    return f"Take away {_and(parts)}: an image is written as project/name:tag."


def token_of(text: str) -> str:
    """Return the token of a line that somebody copied, without what stands around it.

    >>> token_of("export CANFAR_TOKEN='abc'"), token_of('-H "Authorization: bearer abc"'), token_of("abc")
    ('abc', 'abc', 'abc')
    """
    text = trimmed(text)
    for pattern in _BEFORE_TOKEN:
        if found := pattern.search(text):
            text = text[found.end() :]
    text = _NEXT_LINE.sub("", text).strip()
    if text[:1] in {"'", '"'}:
        text = text[1:]
    text = re.split("[\"']", text, maxsplit=1)[0]
    if found := _BEARER.match(text):
        text = text[found.end() :]
    return trimmed(text).rstrip(";,")


def trimmed(text: str) -> str:
    """Return a text without blanks around it, nor what looks like none.

    >>> trimmed("\ufeff abc\u200b\\n")
    'abc'
    """
    kept = [place for place, sign in enumerate(text) if not (sign.isspace() or _is_unseen(sign))]
    return text[kept[0] : kept[-1] + 1] if kept else ""


def first_strange(text: str) -> str:
    """Return in words the first such character and its place, and nothing of the text, which may be a secret."""
    found = next((place for place, sign in enumerate(text) if _is_strange(sign)), None)
    return (
        "" if found is None else f"{name_of(text[found])} (U+{ord(text[found]):04X}) as character {found + 1}"
    )


def lines_of(text: str) -> list[str]:
    """Return the lines of a text as a browser's field has them: nothing but a line break ends one.

    >>> lines_of("A=one\\u2028line\\r\\nB=2")
    ['A=one\\u2028line', 'B=2']
    """
    return text.replace("\r\n", "\n").split("\n")


def place_of(text: str) -> Iterator[tuple[int, str]]:
    """Return each line that has such characters, by its number from 1, and in words what they are."""
    for number, line in enumerate(lines_of(text), start=1):
        if found := invisible(line):
            yield number, _and(found)


def _invisible(text: str) -> Iterator[str]:
    for place, sign in enumerate(text):
        if not _is_strange(sign):
            continue
        before = "".join(each for each in text[:place] if not _is_strange(each))[-_SHOWN:]
        where = f"after “{before.lstrip()}”" if before.strip() else "at the beginning"
        yield f"{name_of(sign)} (U+{ord(sign):04X}) {where}"


def name_of(sign: str) -> str:
    """Return what a character is called, with its article.

    >>> name_of("\\u2212")
    'a minus sign'
    """
    name = _NAMES.get(sign) or unicodedata.name(sign, "control character").lower()
    if name.startswith(("a ", "an ")):
        return name
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _is_strange(sign: str) -> bool:
    """Whether a character is unseen, or looks like a blank or a hyphen and is none."""
    if sign in "\t\n\r" or " " <= sign <= "~":
        return False
    return _is_unseen(sign) or unicodedata.category(sign) == "Pd" or sign == "\u2212"


def _is_unseen(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cf", "Cc", "Zs", "Zl", "Zp"}


def _is_page(address: str) -> bool:
    """Whether an address is that of a page about an image rather than an image with a scheme before it."""
    return bool(re.search(r"/(?:projects|repositories|harbor|r|_|layers|tags)/|[?#]", address))


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
