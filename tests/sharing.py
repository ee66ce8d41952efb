"""How the tests are shared among processes: file by file, those that take longest first, so that none runs on alone.

A plugin (see ``pyproject.toml``). The tests of a file share what the file starts, so they stay together; in the files
named here each test starts all it needs by itself, and may run anywhere. The order is the same without sharing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

# Each takes half a minute or more, most of it spent waiting.
FIRST = (
    "live/test_oracle.py",
    "local/test_logs.py",
    "browser/test_log_view.py",
    "browser/test_waiting.py",
    "browser/test_journeys.py",
    "browser/test_interruptions.py",
    "browser/test_firefox.py",
    "conformance/test_released_command.py",
    "browser/",
    "local/test_image_command.py",
    "local/test_queue.py",
    "local/test_lifecycle.py",
    "local/test_limits.py",
    "local/test_ends.py",
    "portal/test_starting.py",
    "conformance/test_lifecycle.py",
    "live/test_keeper.py",
    "local/",
    "conformance/",
    "portal/",
)
# A portal or a browser is there for each process, not for each file.
APART = (
    "browser/",
    "live/test_oracle.py",
    "local/test_logs.py",
    "local/test_queue.py",
    "local/test_lifecycle.py",
    "local/test_limits.py",
    "local/test_image_command.py",
    "portal/test_starting.py",
)
# But for these: Firefox is a browser more, and starts once.
TOGETHER = ("browser/test_firefox.py",)


# What `make quick` leaves out.
SLOW = (
    "browser/",
    "local/",
    "conformance/",
    "client/test_against_the_released_client.py",
    "live/test_oracle.py",
    "live/test_keeper.py",
    "live/test_with_the_platform.py",
    "client/test_showing.py",
    "portal/test_credentials_of_the_server.py",
    "portal/test_lost_answers.py",
    "portal/test_starting.py",
    "portal/test_two_portals.py",
    "test_counted.py",
    # Single tests that take a second or more, by how their names begin.
    "client/test_certificates.py::test_a_certificate_for_another_name",
    "client/test_certificates.py::test_a_platform_is_reached_through_a_proxy",
    "client/test_certificates.py::test_an_authority_of_ones_own",
    "client/test_drivers.py::test_a_stream_may_take_longer",
    "client/test_loops.py::test_a_call_of_a_session_whose_platform_is_away",
    "live/test_lines.py::test_the_secret_is_not_cut",
    "live/test_looks.py::test_each_line_begins",
    "portal/test_canaries.py",
    "portal/test_huge_lists.py::test_others_write",
    "portal/test_limits.py::test_a_platform_that_hangs",
    "portal/test_limits.py::test_one_address_tries",
    "portal/test_links.py::test_a_browser_that_does_not_know",
    "portal/test_production.py::test_a_production_start_passes",
    "portal/test_redaction.py::test_an_id_is_found_across",
    "portal/test_signed_out.py::test_a_request_that_waits",
    "portal/test_silence.py",
    "portal/test_without_a_database.py::test_what_must_be_written_down",
    "client/test_drivers.py::test_a_gzip_bomb",
    "client/test_drivers.py::test_a_hostile_body",
    "client/test_drivers.py::test_a_launch_without_an_answer",
    "client/test_drivers.py::test_a_platform_that_asks_for_time",
    "client/test_drivers.py::test_calls_cancelled_at_random",
    "client/test_drivers.py::test_waiting_for_a_free_place",
    "client/test_loops.py::test_nothing_is_said_when_a_program",
    "client/test_values.py::test_any_",
    "client/test_values.py::test_what_was_read_can_always_be_shown",
    "live/test_consumers.py::test_a_topic_that_is_no_longer_theirs",
    "live/test_consumers.py::test_who_is_silent",
    "live/test_escapes.py::test_the_reference_agrees_with_the_corpus[a million",
    "live/test_judging.py::test_who_asks_at_the_same_moment",
    "live/test_log_feed.py::test_each_epoch",
    "portal/test_changes.py::test_ages_and_ends",
    "portal/test_changes.py::test_nobody_else_can_take_it_back",
    "portal/test_changes.py::test_what_vanished_elsewhere",
    "portal/test_changes.py::test_while_the_platform_is_away",
    "portal/test_facts.py::test_a_failed_replica",
    "portal/test_sessions_pages.py::test_a_failed_session",
    "portal/test_timeline.py::test_the_timeline_survives",
    "portal/test_where_forms_lead.py::test_the_switch_of_the_waiting_page",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if inside(item.nodeid).startswith(SLOW):
            item.add_marker("slow")
    items.sort(key=lambda item: rank(item.nodeid))


# First, as the plugin itself has an answer, too: one for each core.
@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each core, as most tests wait for something most of the time."""
    return min(2 * len(os.sched_getaffinity(0)), 12)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Sharing(LoadScopeScheduling):
        """Gives out files, and of some files single tests, in the order in which they were collected."""

        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    # It would begin with the file that has most tests.
    config.option.loadscopereorder = False
    return Sharing(config, log)


def scope(nodeid: str) -> str:
    """Return what is given out as one: the test's file, or the test alone."""
    path = inside(nodeid)
    is_apart = path.startswith(APART) and not path.startswith(TOGETHER)
    return nodeid if is_apart else nodeid.partition("::")[0]


def rank(nodeid: str) -> int:
    """Return how early a test is to begin."""
    path = inside(nodeid)
    return next((place for place, start in enumerate(FIRST) if path.startswith(start)), len(FIRST))


def inside(nodeid: str) -> str:
    """Return a test's name within the folder of the tests, which need not be where pytest was started."""
    return nodeid.removeprefix("tests/")
