"""How a line of the log looks: one line for what others do to us, a trace only where the mistake may be ours."""

from __future__ import annotations

import copy
import errno
import logging

from django.db.utils import DatabaseError, InterfaceError, OperationalError

MOST = 300
# What a machine that has no room, or whose disk failed, says.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


def not_ours(error: BaseException | None) -> bool:
    """Say whether this is the database or the disk being away or full, and no mistake in the portal."""
    for _ in range(8):
        if error is None:
            return False
        if isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError:
            return True
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return True
        error = error.__cause__ or error.__context__
    return False


class Line(logging.Formatter):
    """Writes each record as one bounded line; behind it a trace, unless somebody else is the cause."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text; control characters are shown, not sent."""
        shown = copy.copy(record)
        error = record.exc_info[1] if record.exc_info else None
        said = record.getMessage()
        if record.name.startswith("django.security") or not_ours(error):
            said = f"{said} ({type(error).__name__}: {error})" if not_ours(error) else said
            shown.exc_info = shown.exc_text = shown.stack_info = None
        shown.msg, shown.args = bounded(said), None
        return super().format(shown)


def bounded(text: str) -> str:
    """Return a text as one short line."""
    plain = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text[: 2 * MOST])
    return plain if len(plain) <= MOST else f"{plain[:MOST]}…"
