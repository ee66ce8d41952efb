"""What the platform remembers outlives its own changes of form."""

import sqlite3
from pathlib import Path

import pytest

from sessions_app.local import people
from sessions_app.local.people import People, token_hash
from sessions_app.local.session import Session
from sessions_app.local.store import SCHEMA, VERSION, Store

LATER = ("started", "parent", "app", "log_start")
USERS = "CREATE TABLE users (name TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE);\n"


def older(path: Path, version: int) -> None:
    """Write a file as an earlier version did, with a person and a session in it."""
    schema = SCHEMA.replace(people.SCHEMA, USERS).replace(
        f"user_version = {VERSION}", f"user_version = {version}"
    )
    schema = schema.replace(", gpus", "")
    if version < 2:
        schema = schema.replace(", ".join(["", *LATER]), "")
    with sqlite3.connect(path) as db:
        db.executescript(schema)
        db.execute("INSERT INTO users VALUES ('ann', ?)", (token_hash("secret"),))
        db.execute(
            "INSERT INTO sessions (user, name, kind, image, created, expires, command, env, id, slug, status, deleted) "
            "VALUES ('ann', 'old', 'headless', 'i', 5, 9, '[]', '[]', 'abcdefg1', 'slug', 'Running', 0)"
        )
        if version > 1:
            db.execute("UPDATE sessions SET parent = '', app = '', log_start = 0")
    db.close()


async def test_a_file_of_the_first_form_is_read(tmp_path: Path) -> None:
    older(path := tmp_path / "state.sqlite3", 1)
    store = Store(path)
    session = Session("ann", "new", "headless", "i", 6, 9, started=6)
    await store.keep(session)
    found = {one.name: one for one in store.sessions()}
    store.close()
    assert found["new"] == session
    assert (found["old"].started, found["old"].app, found["old"].log_start) == (5, "", 0)


def test_a_session_that_waited_when_the_form_changed_waits_still(tmp_path: Path) -> None:
    older(path := tmp_path / "state.sqlite3", 2)
    store = Store(path)
    assert [session.started for session in store.sessions()] == [None]
    store.close()


@pytest.mark.parametrize("version", [1, 2])
def test_the_people_of_an_older_file_keep_their_tokens(tmp_path: Path, version: int) -> None:
    older(path := tmp_path / "state.sqlite3", version)
    Store(path).close()
    found = People(path)
    holder = found.holder("secret")
    assert holder
    assert (holder.name, holder.allowed, holder.expires) == ("ann", True, None)
    assert found.password("ann") is None
    found.close()
