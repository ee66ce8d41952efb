"""Static files under hashed, compressed names, with the style sheets put together into one.

The sources stay apart, one file per component; `site.css` imports them, which a browser would fetch one after the
other. Collecting writes their text in the place of the imports, so that a page asks for one style sheet.
"""

from __future__ import annotations

import re
from pathlib import Path

from django.core.files.base import ContentFile
from servestatic.storage import CompressedManifestStaticFilesStorage

BUNDLE = "css/site.css"
_IMPORT = re.compile(r'@import "(?P<name>[\w/.-]+)" layer\((?P<layer>[\w-]+)\);')


class BundledStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Collects the style sheets into one and rewrites the imports between modules to hashed names."""

    support_js_module_import_aggregation = True

    def post_process(self, paths, dry_run=False, **options):  # type: ignore[no-untyped-def]
        """Bundle first, so that hashing and compressing see the whole."""
        if BUNDLE in paths and not dry_run:
            storage, source = paths[BUNDLE]
            bundle = bundled(Path(storage.path(source)))
            self.delete(BUNDLE)
            self._save(BUNDLE, ContentFile(bundle.encode()))
            paths = {**paths, BUNDLE: (self, BUNDLE)}
        yield from super().post_process(paths, dry_run, **options)


def bundled(sheet: Path) -> str:
    """Return the text of ``sheet`` with each imported sheet in place, inside its layer."""

    def whole(found: re.Match[str]) -> str:
        text = (sheet.parent / found["name"]).read_text(encoding="utf-8")
        return f"@layer {found['layer']} {{\n{text}}}\n"

    return _IMPORT.sub(whole, sheet.read_text(encoding="utf-8"))
