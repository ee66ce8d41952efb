"""As many tests run as were collected, each by an id of its own, or the run fails and names those that did not.

A plugin (see ``pyproject.toml``). Processes that share the tests know them by their ids: of several with one id some
of them run one and drop the rest without a word. A test that skips is as silent, and counts as not run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

MOST_NAMED = 20
OUTPUT = "deselected tests"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Worker() if hasattr(config, "workerinput") else Count(config), "counted")


class Worker:
    """One of several processes that share the tests: what it leaves out only it knows."""

    def __init__(self) -> None:
        self.deselected: list[str] = []

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.deselected += [item.nodeid for item in items]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        session.config.workeroutput[OUTPUT] = self.deselected  # type: ignore[attr-defined]


class Count:
    """What was collected, and what became of each."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.collected: list[str] = []
        self.deselected: list[str] = []
        self.ran: Counter[str] = Counter()
        self.began: Counter[str] = Counter()
        self.why: dict[str, str] = {}
        self.skipped_files: dict[str, str] = {}

    # Alone.

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.collected = [item.nodeid for item in session.items]

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.deselected += [item.nodeid for item in items]

    # With several processes: each collects all.

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self.collected = max(self.collected, list(ids), key=len)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        # One that crashed has nothing to tell.
        told = getattr(node, "workeroutput", {}).get(OUTPUT, [])
        self.deselected = max(self.deselected, told, key=len)

    # Either way.

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped_files[report.nodeid] = _reason(report)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.began[nodeid] += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.why[report.nodeid] = f"was skipped: {_reason(report)}"
        elif report.when == "call":
            self.ran[report.nodeid] += 1
        elif report.failed:
            self.why[report.nodeid] = "could not be prepared, or its process ended"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        option = self.config.option
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if option.collectonly or option.help or reporter is None:
            return
        reporter.line("")
        _name(reporter, "Left out as asked:", self.deselected)
        troubles = list(self.troubles())
        if troubles and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if troubles:
            reporter.section("not every test ran", red=True)
            _name(reporter, "", troubles)
        reporter.write_line(f"collected {len(self.collected):,}, ran {sum(self.ran.values()):,}")

    def troubles(self) -> Iterator[str]:
        """Name what was collected and did not run, and what cannot be told apart."""
        for path, reason in self.skipped_files.items():
            yield f"{path} was skipped as a whole: {reason}"
        for test, count in Counter(self.collected).items():
            if count > 1:
                yield f"{test} is the id of {count} tests, {self.ran[test]} of which ran"
            elif not self.ran[test]:
                yield f"{test} {self.why.get(test) or self._fate(test)}"

    def _fate(self, test: str) -> str:
        return "began and did not end" if self.began[test] else "never began"


def _reason(report: pytest.CollectReport | pytest.TestReport) -> str:
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)


def _name(reporter: Any, words: str, each: Sequence[str]) -> None:
    if words and each:
        reporter.write_line(words)
    for line in each[:MOST_NAMED]:
        reporter.write_line(line)
    if len(each) > MOST_NAMED:
        reporter.write_line(f"… and {len(each) - MOST_NAMED:,} more")
