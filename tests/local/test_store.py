"""What the platform remembers outlives its own changes of form."""

import sqlite3
from pathlib import Path

from sessions_app.local.session import Session
from sessions_app.local.store import SCHEMA, Store

LATER = ("started", "parent", "app", "log_start")


async def test_a_file_of_the_first_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    older = SCHEMA.replace("user_version = 2", "user_version = 1").replace(", ".join(["", *LATER]), "")
    with sqlite3.connect(path) as db:
        db.executescript(older)
        db.execute(
            "INSERT INTO sessions (user, name, kind, image, created, expires, command, env, id, slug, status, deleted) "
            "VALUES ('ann', 'old', 'headless', 'i', 5, 9, '[]', '[]', 'abcdefg1', 'slug', 'Running', 0)"
        )
    store = Store(path)
    session = Session("ann", "new", "headless", "i", 6, 9, started=6)
    await store.keep(session)
    found = {one.name: one for one in store.sessions()}
    store.close()
    assert found["new"] == session
    assert (found["old"].started, found["old"].app, found["old"].log_start) == (5, "", 0)
