"""Collect the static files into the data folder, only when they changed since the last time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management import call_command


def collect_if_changed() -> None:
    """Make the collected files match their sources."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    wanted = _digest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(wanted, encoding="utf-8")


def _digest() -> str:
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    yield Path(__file__).parents[1] / "assets.py"
    for folder in settings.STATICFILES_DIRS:
        yield from sorted(path for path in Path(folder).rglob("*") if path.is_file())
