"""Everything the platform must remember, in one SQLite file, written by one thread."""

import asyncio
import json
import logging
import queue
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import MISSING, astuple, fields
from pathlib import Path
from typing import Any

from . import people
from .events import Event
from .machine import UnusableError
from .session import Session

VERSION = 4
log = logging.getLogger("sessions_app.local")
SESSION_COLUMNS = [f.name for f in fields(Session)]
EVENT_COLUMNS = [f.name for f in fields(Event)]
SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
{people.SCHEMA}CREATE TABLE sessions ({", ".join(SESSION_COLUMNS)}, PRIMARY KEY (id));
CREATE TABLE events ({", ".join(EVENT_COLUMNS)}, PRIMARY KEY (session, number));
PRAGMA user_version = {VERSION};
"""

Statement = tuple[str, tuple[Any, ...]]


class Store:
    """The platform's memory. Reads happen at the start; after that, only writes."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
        path.chmod(0o600)
        self._prepare(path)
        self._queue: queue.SimpleQueue[tuple[list[Statement], asyncio.Future[None]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._write_all, name="store", daemon=True)
        self._thread.start()

    def _prepare(self, path: Path) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA journal_size_limit = 16777216")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise UnusableError(f"{path} was written by a newer version of the local platform.")
        if version == 0:
            self._db.executescript(SCHEMA)
        elif version < VERSION:
            self._grow(version)

    def _grow(self, version: int) -> None:
        """Give an older file the columns and tables that it lacks."""
        self._db.execute("BEGIN IMMEDIATE")
        there = {row[1] for row in self._db.execute("PRAGMA table_info(sessions)")}
        for column in fields(Session):
            if column.name not in there and column.default is not MISSING:
                default = "NULL" if column.default is None else repr(column.default)
                self._db.execute(f"ALTER TABLE sessions ADD COLUMN {column.name} DEFAULT {default}")
        if version < 2:
            self._db.execute("UPDATE sessions SET started = created")
        if version < 3:
            people.take_over(self._db)
        self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("COMMIT")

    def meta(self, key: str, fresh: str) -> str:
        """Read a value that never changes once it is there; keep the fresh one if it is not."""
        self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, fresh))
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0])

    def sessions(self) -> list[Session]:
        """Read every session."""
        rows = self._db.execute(f"SELECT {', '.join(SESSION_COLUMNS)} FROM sessions ORDER BY created")  # noqa: S608
        return [_session(row) for row in rows]

    def events(self) -> list[Event]:
        """Read every event, in order."""
        rows = self._db.execute(f"SELECT {', '.join(EVENT_COLUMNS)} FROM events ORDER BY session, number")  # noqa: S608
        return [Event(*row) for row in rows]

    def keep(self, session: Session) -> asyncio.Future[None]:
        """Write a session as it is now; await the answer where the next step depends on it."""
        values = tuple(json.dumps(v) if isinstance(v, list) else v for v in astuple(session))
        return self._write(_replace("sessions", SESSION_COLUMNS, values))

    def note(self, event: Event) -> asyncio.Future[None]:
        """Write an event, or its newer form."""
        return self._write(_replace("events", EVENT_COLUMNS, astuple(event)))

    def forget(self, session: str) -> asyncio.Future[None]:
        """Remove a session and its events."""
        return self._write(
            ("DELETE FROM sessions WHERE id = ?", (session,)),
            ("DELETE FROM events WHERE session = ?", (session,)),
        )

    def close(self) -> None:
        """Write what is waiting, then close."""
        self._queue.put(None)
        self._thread.join()
        self._db.close()

    def _write(self, *statements: Statement) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((list(statements), done))
        return done

    def _write_all(self) -> None:
        """Write in one transaction whatever has gathered: hundreds of launches cost a few commits."""
        while (first := self._queue.get()) is not None:
            batch = [first]
            while not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                batch.append(following)
            problem = self._commit(statement for statements, _ in batch for statement in statements)
            _settle([done for _, done in batch], problem)

    def _commit(self, statements: Iterable[Statement]) -> sqlite3.Error | None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                self._db.execute(sql, values)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:  # A full disk must not end the thread: the next write may work again.
            log.error("The platform could not write its state: %s", error)
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            return error
        return None


def _replace(table: str, columns: list[str], values: tuple[Any, ...]) -> Statement:
    # By name: in a file that grew, the columns stand in another order.
    names, places = ", ".join(columns), ", ".join("?" * len(values))
    return f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({places})", values  # noqa: S608


def _session(row: tuple[Any, ...]) -> Session:
    values = dict(zip(SESSION_COLUMNS, row, strict=True))
    values["command"], values["env"] = json.loads(values["command"]), json.loads(values["env"])
    values["deleted"] = bool(values["deleted"])
    return Session(**values)


def _settle(waiting: list[asyncio.Future[None]], problem: sqlite3.Error | None) -> None:
    def settle() -> None:
        for done in waiting:
            if not done.done():
                done.set_exception(problem) if problem else done.set_result(None)
                done.exception()  # Most are not awaited; the log has it.

    if waiting and not (loop := waiting[0].get_loop()).is_closed():
        loop.call_soon_threadsafe(settle)
