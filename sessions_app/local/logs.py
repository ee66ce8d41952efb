"""The sessions' logs: what the API shows of each, and how they are kept from growing without end.

A session writes straight to its file, so the file can be neither renamed nor cut. Instead the place at which the
log begins moves on, always to the beginning of a line; as with kubelet, only the present part is shown. The part
before it stays for those who are reading it, and what is older is given back to the file system as a hole.
"""

import asyncio
import ctypes
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .session import Session

log = logging.getLogger("sessions_app.local")

PIECE = 2**16
KEEP_SIZE, PUNCH_HOLE = 1, 2

Keep = Callable[[Session], Awaitable[None]]
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(eq=False)
class Part:
    """The part of a log that one answer sends: from where the log began to where it ended at the request."""

    file: BinaryIO | None
    position: int
    size: int

    def read(self) -> bytes:
        """Read the next piece; nothing at the end."""
        raw = self.file.read(min(PIECE, self.size)) if self.file and self.size else b""
        self.size -= len(raw)
        self.position += len(raw)
        return raw


class Logs:
    """The logs of all sessions, the answers that are being sent from them, and how large they may grow."""

    def __init__(self, path_of: Callable[[Session], Path], largest: int) -> None:
        self._path_of, self._largest = path_of, largest
        self._parts: dict[str, set[Part]] = {}
        self._before: dict[str, int] = {}
        self._spent: dict[str, int] = {}

    @contextmanager
    def reading(self, session: Session) -> Iterator[Part]:
        """Open the present part of a log; what it has yet to read stays on the disk meanwhile."""
        try:
            file = self._path_of(session).open("rb", buffering=0)
        except OSError:
            yield Part(None, 0, 0)
            return
        with file:
            start = self._before.get(session.id, session.log_start)
            part = Part(file, file.seek(start), max(0, os.fstat(file.fileno()).st_size - start))
            parts = self._parts.setdefault(session.id, set())
            parts.add(part)
            try:
                yield part
            finally:
                parts.discard(part)

    async def look(self, live: Iterable[Session], keep: Keep) -> None:
        """Begin a new part of each log that has outgrown its size, and free what nobody reads any more."""
        sessions = {session.id: session for session in live}
        self._spent = {name: end for name, end in self._spent.items() if name in sessions}
        self._parts = {name: parts for name, parts in self._parts.items() if parts}
        logs = {name: (self._path_of(session), session.log_start) for name, session in sessions.items()}
        for name, start in (await asyncio.to_thread(outgrown, logs, self._largest)).items():
            await self._move(sessions[name], start, keep)
        await self._free(sessions)

    async def _move(self, session: Session, start: int, keep: Keep) -> None:
        """Begin a new part; nobody sees that before it is written down, lest a crash undo it."""
        before = self._before[session.id] = session.log_start
        session.log_start = start
        try:
            await keep(session)
            self._spent[session.id] = before
        except BaseException:
            session.log_start = before
            raise
        finally:
            del self._before[session.id]

    async def _free(self, sessions: dict[str, Session]) -> None:
        for name, end in list(self._spent.items()):
            end = min([end, *(part.position for part in self._parts.get(name, ()))])
            if end == self._spent[name]:
                del self._spent[name]
            await asyncio.to_thread(punch, self._path_of(sessions[name]), end)


def outgrown(logs: dict[str, tuple[Path, int]], largest: int) -> dict[str, int]:
    """Find the logs whose part is too large; answer where the next part of each begins."""
    found = {}
    for name, (path, start) in logs.items():
        try:
            size = path.stat().st_size
            if size - start > largest:
                found[name] = line_start(path, start, size, largest)
        except OSError:
            continue  # It is not there yet, or not any more.
    return {name: start for name, start in found.items() if start > logs[name][1]}


def line_start(path: Path, start: int, size: int, largest: int) -> int:
    """Find the last beginning of a line; one line that is longer than two parts is torn, or it would never end."""
    with path.open("rb") as file:
        end = size
        while end > start:
            begin = max(start, end - PIECE)
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
            if newline >= 0:
                return begin + newline + 1
            end = begin
    return size if size - start > 2 * largest else start


def punch(path: Path, end: int) -> None:
    """Give the beginning of a file back to the file system, as far as that can; sizes and positions stay."""
    if end <= 0:
        return
    try:
        file = os.open(path, os.O_WRONLY)
    except OSError:
        return
    try:
        refused = _libc.fallocate(file, PUNCH_HOLE | KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(end))
        if refused and ctypes.get_errno() not in (errno.EOPNOTSUPP, errno.ENOSYS):
            log.warning("The old part of %s was not freed: %s", path, os.strerror(ctypes.get_errno()))
    finally:
        os.close(file)
