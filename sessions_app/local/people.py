"""The people of the platform: their passwords, tokens and groups; kept in the state file beside the sessions."""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import passwords
from .machine import UnusableError

FIRST_GID = 10_000
SCHEMA = """
CREATE TABLE people (name TEXT PRIMARY KEY, password TEXT, allowed INTEGER NOT NULL);
CREATE TABLE tokens (hash TEXT PRIMARY KEY, person TEXT NOT NULL, expires REAL);
CREATE TABLE groups (gid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE members (person TEXT NOT NULL, gid INTEGER NOT NULL, PRIMARY KEY (person, gid));
"""


@dataclass(frozen=True)
class Person:
    """Somebody who has sessions here."""

    name: str
    allowed: bool
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Holder:
    """Whose a token is, whether they may use the platform, and when the token expires, if it does."""

    name: str
    allowed: bool
    expires: float | None


class People:
    """Everybody the platform knows. Commands change them while it serves, so nothing is remembered between reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = _connect(path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # Reading

    def known(self, name: str) -> bool:
        """Say whether there is somebody of this name."""
        return self._db.execute("SELECT 1 FROM people WHERE name = ?", (name,)).fetchone() is not None

    def first(self) -> str | None:
        """Name the first user, once there is one."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'first_user'").fetchone()
        return row[0] if row else None

    def find(self, name: str) -> Person | None:
        """Find somebody by name."""
        return next((person for person in self.all() if person.name == name), None)

    def all(self) -> list[Person]:
        """List everybody, by name."""
        rows = self._db.execute(
            "SELECT people.name, allowed, group_concat(groups.name) FROM people"
            " LEFT JOIN members ON person = people.name LEFT JOIN groups USING (gid)"
            " GROUP BY people.name ORDER BY people.name"
        )
        return [
            Person(name, bool(allowed), tuple(sorted(groups.split(","))) if groups else ())
            for name, allowed, groups in rows
        ]

    def holder(self, token: str) -> Holder | None:
        """Read whose token this is."""
        row = self._db.execute(
            "SELECT name, allowed, expires FROM tokens JOIN people ON name = person WHERE hash = ?",
            (token_hash(token),),
        ).fetchone()
        return Holder(row[0], bool(row[1]), row[2]) if row else None

    def gids(self, name: str) -> list[int]:
        """List the numbers of somebody's groups."""
        return [
            row[0]
            for row in self._db.execute("SELECT gid FROM members WHERE person = ? ORDER BY gid", (name,))
        ]

    def password(self, name: str) -> str | None:
        """Read the hash of somebody's password."""
        row = self._db.execute("SELECT password FROM people WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    # Changing: each on a connection of its own, so that reads never wait behind it.

    def add(self, name: str, groups: Iterable[str] = ()) -> str:
        """Add somebody; answer their password, which is kept only as a hash."""
        password = passwords.draw()
        with self._changing() as db:
            try:
                db.execute("INSERT INTO people VALUES (?, ?, 1)", (name, passwords.hashed(password)))
            except sqlite3.IntegrityError as error:
                raise UnusableError(f"There is already somebody called {name}.") from error
            for group in groups:
                _join(db, name, group)
        return password

    def remove(self, name: str) -> None:
        """Forget somebody who has no session left, with their tokens and groups."""
        with self._changing(name) as db:
            active = (
                "SELECT 1 FROM sessions WHERE user = ? AND status IN ('Pending', 'Running') AND NOT deleted"
            )
            if db.execute(active, (name,)).fetchone():
                raise UnusableError(f"{name} still has sessions: delete them first.")
            db.execute("DELETE FROM people WHERE name = ?", (name,))
            db.execute("DELETE FROM tokens WHERE person = ?", (name,))
            db.execute("DELETE FROM members WHERE person = ?", (name,))

    def new_password(self, name: str) -> str:
        """Give somebody another password; who signed in with the old one is signed out."""
        password = passwords.draw()
        with self._changing(name) as db:
            db.execute("UPDATE people SET password = ? WHERE name = ?", (passwords.hashed(password), name))
            db.execute("DELETE FROM tokens WHERE person = ? AND expires IS NOT NULL", (name,))
        return password

    def new_token(self, name: str) -> str:
        """Give somebody another token that does not expire, in place of the one they had."""
        token = secrets.token_urlsafe(32)
        with self._changing(name) as db:
            db.execute("DELETE FROM tokens WHERE person = ? AND expires IS NULL", (name,))
            db.execute("INSERT INTO tokens VALUES (?, ?, NULL)", (token_hash(token), name))
        return token

    def keep_token(self, name: str, token: str, expires: float, password: str) -> bool:
        """Keep a token of somebody who signed in, unless their password was changed meanwhile."""
        with self._changing() as db:
            db.execute("DELETE FROM tokens WHERE expires < ?", (time.time(),))
            kept = db.execute(
                "INSERT OR REPLACE INTO tokens SELECT ?, name, ? FROM people WHERE name = ? AND password = ?",
                (token_hash(token), expires, name, password),
            )
            return kept.rowcount == 1

    def allow(self, name: str, allowed: bool) -> None:
        """Let somebody use the platform, or not."""
        with self._changing(name) as db:
            db.execute("UPDATE people SET allowed = ? WHERE name = ?", (allowed, name))

    def regroup(self, name: str, joined: Iterable[str], left: Iterable[str]) -> None:
        """Put somebody into groups, and take them out of others."""
        with self._changing(name) as db:
            for group in left:
                db.execute(
                    "DELETE FROM members WHERE person = ? AND gid IN (SELECT gid FROM groups WHERE name = ?)",
                    (name, group),
                )
            for group in joined:
                _join(db, name, group)

    @contextmanager
    def _changing(self, name: str | None = None) -> Iterator[sqlite3.Connection]:
        with closing(_connect(self._path)) as db:
            db.execute("BEGIN IMMEDIATE")
            with db:
                if (
                    name is not None
                    and not db.execute("SELECT 1 FROM people WHERE name = ?", (name,)).fetchone()
                ):
                    raise UnusableError(f"There is nobody called {name}.")
                yield db


def token_hash(token: str) -> str:
    """Hash a token; it is random and long, so that a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def take_over(db: sqlite3.Connection) -> None:
    """Give a file of an older form its tables, with the people that it has: they have a token and no password."""
    for statement in SCHEMA.strip().split("\n"):
        db.execute(statement)
    db.execute("INSERT INTO people SELECT name, NULL, 1 FROM users")
    db.execute("INSERT INTO tokens SELECT token_hash, name, NULL FROM users")
    db.execute("DROP TABLE users")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=5)


def _join(db: sqlite3.Connection, name: str, group: str) -> None:
    # A group is there as soon as somebody is in it, and keeps its number when all have left.
    db.execute(
        "INSERT OR IGNORE INTO groups SELECT 1 + coalesce(max(gid), ?), ? FROM groups", (FIRST_GID - 1, group)
    )
    db.execute("INSERT OR IGNORE INTO members SELECT ?, gid FROM groups WHERE name = ?", (name, group))
