"""Debian's Firefox, driven by WebDriver BiDi: the protocol that it speaks itself, without a driver in between.

Small on purpose: Playwright's Firefox is a build of its own, and what else speaks BiDi needs Node or geckodriver.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("firefox-esr", "firefox")
# Nothing that asks somebody else's servers, or somebody who looks.
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}
# Finds the visible element that goes by these words: its text, its label or its value.
# What is pressed before the page listens is a plain link or button, as it is without scripts.
FINDER = """(selector, words) => {
  const isOurs = document.querySelector('script[src*="/js/app."]');
  if (isOurs && document.documentElement.dataset.bound === undefined) return null;
  const plain = (text) => (text ?? "").replace(/\\s+/g, " ").trim();
  const called = (each) => [each.innerText, each.getAttribute("aria-label"), each.labels?.[0]?.innerText].map(plain);
  const found = [...document.querySelectorAll(selector)]
    .find((each) => each.checkVisibility() && (!words || called(each).includes(words)));
  found?.scrollIntoView({ block: "center", behavior: "instant" });
  return found ?? null;
}"""
# Seconds that a slow machine is given for whatever is waited for.
PATIENCE = 60.0
WATCH = """(tell) => document.addEventListener("securitypolicyviolation",
  (event) => tell(`${event.violatedDirective} forbids ${event.blockedURI}`))"""


class Firefox:
    """A running Firefox; what a page complains of is kept in ``complaints``."""

    def __init__(self, profile: Path) -> None:
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()
        )
        (profile / "user.js").write_text("\n".join(lines))
        path = next(path for path in map(shutil.which, NAMES) if path)
        command = [
            path,
            "--headless",
            "--no-remote",
            "--profile",
            str(profile),
            "--remote-debugging-port",
            "0",
        ]
        self._errors = (profile / "stderr").open("w+")
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self._errors)
        self._address = self._announced(profile / "stderr")
        self._asked = 0
        self._socket: ClientConnection
        self.complaints: list[str] = []

    @contextmanager
    def session(self) -> Iterator[Firefox]:
        """Speak to it, and end it."""
        try:
            with connect(f"{self._address}/session", max_size=None) as self._socket:
                self.ask("session.new", capabilities={})
                self.ask("session.subscribe", events=["log.entryAdded", "script.message"])
                channel = {"type": "channel", "value": {"channel": "violations"}}
                self.ask("script.addPreloadScript", functionDeclaration=WATCH, arguments=[channel])
                yield self
                self.ask("browser.close")
            self._process.wait(15)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._errors.close()

    @contextmanager
    def tab(self) -> Iterator[Tab]:
        """Open a tab of somebody who has not been here before."""
        person = self.ask("browser.createUserContext")["userContext"]
        try:
            yield Tab(self, self.ask("browsingContext.create", type="tab", userContext=person)["context"])
        finally:
            self.ask("browser.removeUserContext", userContext=person)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; fail with what Firefox says is wrong."""
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while True:
            told = json.loads(self._socket.recv(timeout=60))
            if told.get("id") == self._asked:
                assert told["type"] == "success", told
                return dict(told["result"])
            self._hear(told)

    def _hear(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "script.message":
            self.complaints.append(params["data"]["value"])
        elif params.get("level") == "error":
            self.complaints.append(str(params.get("text")))

    def _announced(self, path: Path) -> str:
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            if found := re.search(r"WebDriver BiDi listening on (\S+)", path.read_text()):
                return found[1]
            time.sleep(0.05)
        self._process.kill()
        self._process.wait()
        raise AssertionError(f"Firefox did not start: {path.read_text()[-2000:]}")


class Tab:
    """One tab, used with its pointer and keys."""

    def __init__(self, firefox: Firefox, context: str) -> None:
        self._firefox, self._context = firefox, context
        viewport = {"width": 1280, "height": 900}
        firefox.ask("browsingContext.setViewport", context=context, viewport=viewport)

    def visit(self, address: str) -> None:
        """Go to an address and wait until the page is there."""
        self._firefox.ask("browsingContext.navigate", context=self._context, url=address, wait="complete")

    @property
    def address(self) -> str:
        """Where the tab is, the part behind `#` included."""
        return str(self._firefox.ask("browsingContext.getTree", root=self._context)["contexts"][0]["url"])

    def text(self, selector: str = "body") -> str:
        """Return the visible text of the first such element, or nothing."""
        return str(
            self._call("(selector) => document.querySelector(selector)?.innerText ?? ''", selector)["value"]
        )

    def click(self, selector: str, words: str = "") -> None:
        """Press what goes by these words with the pointer, once it is there."""
        element = {"type": "element", "element": {"sharedId": self._found(selector, words)}}
        pressed = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        move = {"type": "pointerMove", "x": 0, "y": 0, "origin": element}
        self._act({"type": "pointer", "id": "pointer", "actions": [move, *pressed]})

    def fill(self, selector: str, words: str, text: str) -> None:
        """Type into a field in place of what is in it."""
        self.click(selector, words)
        self._call("() => document.activeElement.select()")
        strokes = [{"type": way, "value": key} for key in text for way in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keys", "actions": strokes})

    def until(self, selector: str, words: str, seconds: float = PATIENCE) -> None:
        """Wait until the first such element says these words."""
        self._wait(lambda: words in self.text(selector), seconds, f"“{words}” in {selector}")

    def until_at(self, pattern: str, seconds: float = PATIENCE) -> None:
        """Wait until the tab is at an address of this form."""
        self._wait(lambda: re.match(pattern, self.address), seconds, pattern)

    def _found(self, selector: str, words: str) -> str:
        found: list[str] = []

        def look() -> bool:
            node = self._call(FINDER, selector, words)
            found.extend([node["sharedId"]] if node["type"] == "node" else [])
            return bool(found)

        self._wait(look, PATIENCE, f"“{words}” as {selector}")
        return found[0]

    def _wait(self, look: Any, seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not look():
            assert time.monotonic() < end, f"Waited for {what} at {self.address}:\n{self.text()[:2000]}"
            time.sleep(0.1)

    def _act(self, actions: dict[str, Any]) -> None:
        self._firefox.ask("input.performActions", context=self._context, actions=[actions])

    def _call(self, function: str, *arguments: str) -> dict[str, Any]:
        told = self._firefox.ask(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": each} for each in arguments],
            target={"context": self._context},
            awaitPromise=True,
        )
        assert told["type"] == "success", told
        return dict(told["result"])
