"""Who asks: password login with signed tokens that expire, and the check of a bearer token (contract 1.6, 10.1)."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from . import passwords
from .people import Holder, People

TOKEN_LIFE = 48 * 3600.0
DOMAIN, SCOPE = "localhost", "sso:skaha"
FAILURES, WINDOW = 5, 60.0
NAMES = 1000
WAITING = 16


class SignInError(Exception):
    """Somebody is turned away: asked to sign in, or told after how many seconds to come again."""

    def __init__(self, status: int, text: str, again: int = 0, challenge: str = "Bearer") -> None:
        super().__init__(text)
        self.status, self.text, self.again, self.challenge = status, text, again, challenge


@dataclass(frozen=True)
class Signer:
    """Signs and reads the tokens that a password login gives."""

    secret: bytes
    life: float = TOKEN_LIFE

    def token(self, name: str) -> tuple[str, float]:
        """Compose a token, and answer when it expires; its holder can read that."""
        expires = time.time() + self.life
        told = {"expirytime": str(int(expires * 1000)), "userID": name, "scope": SCOPE, "domain": DOMAIN}
        text = urlencode(told)
        return base64.b64encode(f"{text}&signature={self._sign(text)}".encode()).decode(), expires

    def expired(self, token: str) -> bool:
        """Say whether this is a token of ours whose time is over."""
        try:
            text, _, signature = base64.b64decode(token, validate=True).decode().rpartition("&signature=")
        except ValueError:
            return False
        if not hmac.compare_digest(signature.encode(), self._sign(text).encode()):
            return False
        return float(dict(parse_qsl(text))["expirytime"]) / 1000 < time.time()

    def _sign(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()


class SignIn:
    """Lets people in, slowly where somebody guesses."""

    def __init__(self, people: People, signer: Signer) -> None:
        self.people = people
        self._signer = signer
        self._failures: dict[str, deque[float]] = {}
        # A hash costs 16 MB and a core for a moment: one at a time leaves the rest of the machine to the sessions.
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    def who(self, token: str) -> Holder:
        """Answer whose token this is, or say why it is not taken (contract 1.6)."""
        holder = self.people.holder(token)
        if holder is None:
            raise _bad_token("Token has expired" if self._signer.expired(token) else "Invalid JWT token")
        if holder.expires is not None and holder.expires < time.time():
            raise _bad_token("Token has expired")
        return holder

    async def login(self, name: str, password: str) -> str:
        """Answer a token for a name and its password; which of the two is wrong is not said."""
        if self._waiting >= WAITING:
            raise SignInError(503, "Transient Error: too many people sign in at once", 1)
        self._waiting += 1
        try:
            async with self._turn:
                self._check_guesses(name)
                return await self._token(name, password)
        finally:
            self._waiting -= 1

    async def _token(self, name: str, password: str) -> str:
        kept = self.people.password(name)
        right = await asyncio.to_thread(passwords.matches, password, kept or passwords.NOBODY)
        if kept and right:
            token, expires = self._signer.token(name)
            if await asyncio.to_thread(self.people.keep_token, name, token, expires, kept):
                self._failures.pop(name, None)
                return token
        self._failures.setdefault(name, deque()).append(time.monotonic())
        if len(self._failures) > NAMES:
            del self._failures[next(iter(self._failures))]
        raise SignInError(401, "Invalid username or password")

    def _check_guesses(self, name: str) -> None:
        """Turn away whoever has guessed too often; the same for names that are not there."""
        failures = self._failures.get(name, deque())
        while failures and failures[0] < time.monotonic() - WINDOW:
            failures.popleft()
        if len(failures) >= FAILURES:
            wait = int(failures[0] + WINDOW - time.monotonic()) + 1
            raise SignInError(
                503, f"Transient Error: too many wrong passwords, try again in {wait} seconds", wait
            )


def _bad_token(reason: str) -> SignInError:
    return SignInError(401, reason, challenge=f'Bearer error="invalid_token", error_description="{reason}"')
