"""pytest plugin: writes what became of each test, a JSON object a line, as it happens.

``compare.py`` copies this file beside the run, so it must need nothing but pytest.
"""

from __future__ import annotations

import json
import os
import warnings

import pytest


class _Log:
    """The file that the variable ``OUTCOME_LOG`` names, written line by line.

    A line reaches the kernel at once: what a crash leaves behind tells which test it was in.
    """

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o666)
        self._owner = os.getpid()

    def write(self, test: str, what: str, text: str = "") -> None:
        """Add a line; a child that a test forked is not the run, and writes none."""
        if os.getpid() == self._owner:
            line = json.dumps({"test": test, "what": what, "text": text})
            os.write(self._descriptor, line.encode("ascii") + b"\n")

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self.write(nodeid, "began")

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test's setup, call or teardown has ended."""
        if report.outcome == "passed" and report.when != "call":
            return
        if hasattr(report, "wasxfail"):
            what = "xfailed" if report.skipped else "xpassed"
            self.write(report.nodeid, what, report.wasxfail)
        elif report.failed and report.when != "call":
            self.write(report.nodeid, f"error in {report.when}", _reason(report))
        else:
            self.write(report.nodeid, report.outcome, _reason(report))

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module was collected, or was not."""
        if not report.passed:
            self.write(report.nodeid, f"{report.outcome} to collect", _reason(report))

    @pytest.hookimpl
    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str
    ) -> None:
        """A warning reached pytest."""
        text = f"{warning_message.category.__name__}: {warning_message.message}"
        self.write(nodeid or when, "warned", text)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The exception of a failure or the reason of a skip, as text."""
    longrepr = report.longrepr
    if longrepr is None:
        return ""
    if isinstance(longrepr, tuple):
        return str(longrepr[2])
    crash = getattr(longrepr, "reprcrash", None)
    return str(longrepr) if crash is None else str(crash.message)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the log."""
    config.pluginmanager.register(_Log(os.environ["OUTCOME_LOG"]), "outcome-log")
