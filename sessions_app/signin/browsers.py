"""A browser's session: of whoever is signed in a row in the database, of a visitor a signed cookie and nothing else."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.core import signing
from django.db.utils import OperationalError

# No key of a row begins with it.
HELD = "~"
SALT = "sessions_app.signin.browsers"
# A visitor's cookie is good for a form of ours for so long, in seconds; what does not fit a cookie gets a row.
SECONDS = 3600
MOST = 3000


class SessionStore(db.SessionStore):
    """Keep a visitor's session in its own key."""

    def load(self) -> dict[str, Any]:
        """Read the session; what was not signed here, or too long ago, is none."""
        return self._held() if self._is_held() else super().load()

    async def aload(self) -> dict[str, Any]:
        """As ``load``."""
        return self._held() if self._is_held() else await super().aload()

    def save(self, must_create: bool = False) -> None:
        """Write the session down where it belongs."""
        if self._hold():
            return
        try:
            super().save(must_create)
        except UpdateError as error:
            # Django takes a database that is away for a session that is gone.
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise

    async def asave(self, must_create: bool = False) -> None:
        """As ``save``."""
        if self._hold():
            return
        try:
            await super().asave(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise

    def exists(self, session_key: str) -> bool:
        """Say whether there is such a session."""
        return session_key.startswith(HELD) or super().exists(session_key)

    async def aexists(self, session_key: str) -> bool:
        """As ``exists``."""
        return session_key.startswith(HELD) or await super().aexists(session_key)

    def delete(self, session_key: str | None = None) -> None:
        """Forget the session; a cookie is forgotten by its browser."""
        if not (session_key or self.session_key or "").startswith(HELD):
            super().delete(session_key)

    async def adelete(self, session_key: str | None = None) -> None:
        """As ``delete``."""
        if not (session_key or self.session_key or "").startswith(HELD):
            await super().adelete(session_key)

    def _is_held(self) -> bool:
        return (self.session_key or "").startswith(HELD)

    def _held(self) -> dict[str, Any]:
        try:
            found = signing.loads((self.session_key or "").removeprefix(HELD), salt=SALT, max_age=SECONDS)
        except signing.BadSignature:
            self._session_key = None
            return {}
        return dict(found)

    def _hold(self) -> bool:
        """Put the session in its key if it is a visitor's; say whether it was."""
        if self.session_key is not None and not self._is_held():
            return False
        data = self._get_session()  # type: ignore[attr-defined]
        key = HELD + signing.dumps(data, salt=SALT, compress=True)
        if SESSION_KEY in data or len(key) > MOST:
            if self._is_held():
                self._session_key = None
            return False
        self._session_key = key
        return True
