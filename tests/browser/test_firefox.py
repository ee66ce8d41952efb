"""The daily round in Debian's Firefox: sign in, open, launch, follow the log, destroy."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from tests.browser.conftest import Portal, destroy_everything
from tests.browser.firefox import Firefox, Tab
from tests.browser.test_journeys import launch_elsewhere
from tests.platforms import ROOT
from tests.portal.test_starting import command


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with Firefox(tmp_path_factory.mktemp("firefox")).session() as running:
        yield running


@pytest.fixture
def stranger(firefox: Firefox, portal: Portal) -> Iterator[Tab]:
    """A tab of somebody who is not signed in, on a portal with no session; pages must not complain."""
    destroy_everything(portal)
    firefox.complaints.clear()
    with firefox.tab() as tab:
        yield tab
    assert firefox.complaints == []


@pytest.fixture
def tab(stranger: Tab, portal: Portal) -> Tab:
    """A tab of somebody who is signed in."""
    stranger.visit(portal.another_welcome())
    stranger.click("button", "Sign in as astronomer")
    stranger.until("h1", "Sessions")
    return stranger


def test_a_name_and_a_password_sign_in(stranger, portal):
    name, password = a_password(portal)
    stranger.visit(f"{portal.address}/signin?next=/launch")
    stranger.fill("input", "Name", name)
    stranger.fill("input", "Password", "not-it")
    stranger.click("button", "Sign in")
    stranger.until("[role=alert]", "does not know this name with this password")
    stranger.fill("input", "Password", password)
    stranger.click("button", "Sign in")
    stranger.until("h1", "Launch")
    assert stranger.address == f"{portal.address}/launch"


def test_a_link_leads_through_signing_in_into_the_session(tab, firefox, portal):
    tab.visit(f"{portal.address}/launch?kind=contributed")
    tab.fill("input", "Name", "shell")
    tab.click("button", "Launch")
    tab.until("#session .state", "Running", 120)
    with firefox.tab() as other:
        other.visit(f"{tab.address}/open")
        other.click("summary", "With a token instead")
        other.fill("input", "Bearer token", portal.exports["CANFAR_TOKEN"])
        other.click("button", "Sign in with the token")
        other.until_at(r"http://s-\w+\.localhost:")


def test_a_launched_sessions_log_follows(tab, portal, counting):
    tab.visit(f"{portal.address}/launch?kind=headless")
    tab.fill("input", "Name", "count")
    tab.fill("input", "Command", shlex.join(["python3", str(counting.program)]))
    tab.until(".summary__command", "--name count")
    tab.click("button", "Launch")
    tab.until("[role=log]", "line 3")
    assert "that is all" not in tab.text("[role=log]")
    counting.end()
    tab.until("[role=log]", "that is all")
    tab.until("#session .state", "Completed")


def test_a_session_is_destroyed_and_leaves_the_list(tab, portal):
    launch_elsewhere(portal, "doomed")
    tab.visit(portal.address)
    tab.until("#sessions-table", "doomed")
    tab.click("#sessions-table a", "doomed")
    tab.until("h1", "doomed")
    tab.click("a", "Destroy")
    tab.until("dialog", "Destroy")
    tab.click("dialog button[type=submit]", "Destroy")
    # Whoever leaves before that may leave before the portal heard of it.
    tab.until("#notices", "destroyed")
    tab.visit(portal.address)
    tab.until("main", "You have no sessions")


def a_password(portal: Portal) -> tuple[str, str]:
    """Add somebody who has one."""
    words, environment = command("local_user", "add", "fox", "--data", str(portal.data))
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    return told["user"], told["password"]
