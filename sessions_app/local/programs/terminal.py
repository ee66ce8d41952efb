"""A shell in the browser: the page, the websocket, and the door that lets in only who knows the session."""

import asyncio
import hmac
import os
import secrets
import shutil
import signal
from pathlib import Path
from typing import Any

import terminado

from .serving import Answer, Page, Routes, arguments, asked_to_end, files, listen, secret

COOKIE = "terminal"
MOST_SHELLS = 16


class Door:
    """Who is let in: one who brings the session's secret gets a cookie, and after that the cookie is enough."""

    def __init__(self, secret: str, base: str) -> None:
        self._secret, self._cookie, self._base = secret, secrets.token_urlsafe(24), base

    def open_for(self, handler: Answer) -> bool:
        """Say whether this request may come in; one that only now brings the secret is sent round once more."""
        given = handler.get_query_argument("token", "")
        if not given and hmac.compare_digest(handler.get_cookie(COOKIE, "").encode(), self._cookie.encode()):
            return True
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            handler.send_error(403, reason="Open this terminal by the link that the portal gives.")
            return False
        # The secret is not to stay in the address. A stricter cookie would not be sent when another site, as the
        # portal is one, leads here.
        handler.set_cookie(COOKIE, self._cookie, path=f"{self._base}/", httponly=True, samesite="Lax")
        handler.redirect(f"{self._base}/")
        return False


class Start(Page):
    """The page with the terminal."""

    def get(self) -> None:
        """Show it to who may see it."""
        door: Door = self.application.settings["door"]
        if door.open_for(self):
            self.show()


class Shell(Answer, terminado.TermSocket):
    """The websocket behind the page; by the framework's rule, only pages of our own host may open it."""

    async def get(self, *names: str) -> None:
        """Open it for who may come in."""
        door: Door = self.application.settings["door"]
        if door.open_for(self):
            await super().get(*names)


class Shells(terminado.NamedTermManager):
    """The shells, which outlive a closed page: whoever comes back finds the work going on."""

    def get_terminal(self, term_name: str) -> Any:
        """Find a shell or start one; where there are too many, the oldest that nobody looks at ends."""
        idle = [terminal for terminal in self.terminals.values() if not terminal.clients]
        if term_name not in self.terminals and len(self.terminals) >= MOST_SHELLS and idle:
            self.terminals.pop(idle[0].term_name)
            idle[0].killpg(signal.SIGHUP)
        return super().get_terminal(term_name)


def shell() -> str:
    """Choose the shell: the person's own, else a usual one."""
    wanted = (os.environ.get("SHELL", ""), "bash", "sh")
    return next(path for name in wanted if name and (path := shutil.which(name)))


async def main() -> None:
    """Serve until told to end."""
    given = arguments("secret-file")
    told = asked_to_end()
    shells = Shells(shell_command=[shell()], max_terminals=MOST_SHELLS)
    packages = Path(given.root) / "node_modules" / "@xterm"
    routes: Routes = [
        ("/", Start, {"name": "terminal.html", "words": {"name": given.name}}),
        ("/shell/([a-z0-9]{1,20})", Shell, {"term_manager": shells}),
        files("/xterm/(.*)", packages),
    ]
    listen(routes, given.base, given.socket, door=Door(secret(given), given.base))
    await told.wait()
    await shells.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
