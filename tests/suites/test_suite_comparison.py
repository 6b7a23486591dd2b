"""The comparison of other projects' test suites, on suites made up for the purpose."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from outcomes import Difference, Outcomes, confirm, differences, explain, read_log

COMPARE = Path(__file__).with_name("compare.py")

# What pytest is told is the same both ways: only the kernel still knows how the process began.
UNDER = """\
import os, signal, warnings
import pytest
with open('/proc/self/cmdline') as file:
    UNDER = 'interprobe' in file.read().split(chr(0))
"""


def compare(
    folder: Path, tests: str, *words: str, monkeypatch: pytest.MonkeyPatch
) -> subprocess.CompletedProcess[str]:
    """Compare a package ``made_up`` with one file of tests, in which ``UNDER`` is known."""
    package = folder / "made_up" / "tests"
    package.mkdir(parents=True)
    for place in (package.parent, package):
        (place / "__init__.py").touch()
    (package / "test_it.py").write_text(UNDER + textwrap.dedent(tests))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    command = [sys.executable, str(COMPARE), "made_up", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_outcomes_that_are_the_same_are_no_difference_whatever_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = compare(
        tmp_path,
        """
        def test_passes(): pass
        def test_fails(tmp_path): raise ValueError(f"{object()} in {tmp_path}")
        def test_skips(): pytest.skip("no")
        @pytest.mark.xfail
        def test_expected_to_fail(): assert 0
        def test_warns(): warnings.warn("careful")
        """,
        monkeypatch=monkeypatch,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 passed, 1 failed, 1 skipped, 1 xfailed" in done.stdout
    assert "made_up: 0 differences to explain, 0 flaky or expected" in done.stdout


def test_each_kind_of_difference_is_named_with_both_outcomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = compare(
        tmp_path,
        """
        def test_fails(): assert not UNDER, "it is watched"
        def test_raises_another(): raise (KeyError if UNDER else IndexError)(1)
        def test_skips(): pytest.skip("watched" if UNDER else "alone")
        def test_warns(): UNDER and warnings.warn("watched")
        @pytest.mark.skipif(UNDER, reason="x")
        def test_left_out(): pass
        if UNDER:
            def test_there_is_one_more(): pass
        def test_same(): pass
        """,
        *("--reruns", "1"),
        monkeypatch=monkeypatch,
    )
    assert done.returncode == 1
    assert "made_up: 6 differences to explain, 0 flaky or expected" in done.stdout
    shown = done.stdout.splitlines()
    at = shown.index("made_up/tests/test_it.py::test_fails")
    assert shown[at + 1] == "    plain       passed"
    assert shown[at + 2].startswith("    interprobe  failed: AssertionError: it is watched")
    assert shown.count("    seen        every time") == 6
    assert "test_it.py::test_same" not in done.stdout


def test_a_test_that_changes_without_interprobe_is_flaky_and_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = compare(
        tmp_path,
        f"""
        def test_fails_at_first():
            before = os.path.exists({str(tmp_path / "ran")!r})
            open({str(tmp_path / "ran")!r}, "w").close()
            assert before
        """,
        *("--reruns", "1"),
        monkeypatch=monkeypatch,
    )
    assert "seen        flaky" in done.stdout
    assert "made_up: 0 differences to explain, 1 flaky or expected" in done.stdout
    assert done.returncode == 0


def test_a_difference_that_is_listed_is_shown_with_its_reason_and_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tmp_path / "expected.toml"
    expected.write_text(
        '[expected]\n"made_up/tests/test_it.py::test_counts*" = "it counts modules"\n'
    )
    done = compare(
        tmp_path,
        """
        @pytest.mark.parametrize("number", [1, 2])
        def test_counts(number): UNDER and pytest.skip("many")
        """,
        *("--reruns", "0", "--expected", str(expected)),
        monkeypatch=monkeypatch,
    )
    assert done.returncode == 0
    assert "    expected    it counts modules" in done.stdout
    assert "made_up: 0 differences to explain, 2 flaky or expected" in done.stdout


def test_the_test_in_which_the_run_died_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = compare(
        tmp_path,
        """
        def test_before(): pass
        def test_dies(): UNDER and os.kill(os.getpid(), signal.SIGKILL)
        def test_after(): pass
        """,
        *("--reruns", "0"),
        monkeypatch=monkeypatch,
    )
    assert done.returncode == 1
    shown = done.stdout.splitlines()
    at = shown.index("made_up/tests/test_it.py::test_dies")
    assert shown[at + 2] == "    interprobe  ended in it"
    assert "    interprobe  -9" in done.stdout
    assert "interprobe's trace is not complete" in done.stdout


def test_a_package_without_tests_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = compare(tmp_path, "", monkeypatch=monkeypatch)
    assert done.returncode == 1
    assert "made_up: not one test was run." in done.stdout


def test_a_package_that_is_not_installed_is_refused() -> None:
    command = [sys.executable, str(COMPARE), "not_there.at_all"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "there is no package 'not_there.at_all' to test." in done.stderr


PASSED, FAILED = (("began", ""), ("passed", "")), (("began", ""), ("failed", "oh"))


@pytest.mark.parametrize(
    ("plain", "probed", "seen"),
    [
        ([PASSED, PASSED], [FAILED, FAILED], "every time"),
        ([PASSED, PASSED], [FAILED, PASSED], "not every time"),
        ([PASSED, FAILED], [FAILED, FAILED], "flaky"),
    ],
)
def test_further_runs_tell_what_is_flaky(plain: list, probed: list, seen: str) -> None:
    difference = Difference("t.py::t", PASSED, FAILED)
    runs = [[Outcomes({"t.py::t": each}, 0) for each in side] for side in (plain, probed)]
    confirmed = confirm(difference, *runs)
    assert confirmed.seen == seen
    assert confirmed.counts == (seen != "flaky")


def test_a_difference_without_further_runs_counts() -> None:
    assert confirm(Difference("t.py::t", PASSED, FAILED), [], []).counts


def test_an_explanation_of_another_test_explains_nothing() -> None:
    difference = Difference("t.py::test_one", PASSED, FAILED)
    assert explain(difference, {"t.py::test_on": "why", "t.py::test_one[a]": "why"}).counts
    assert not explain(difference, {"t.py::test_one": "why"}).counts


@pytest.mark.parametrize(("probed", "status"), [(PASSED, 1), (FAILED, 3), (FAILED, -11)])
def test_an_exit_status_that_no_outcome_accounts_for_is_a_difference(
    probed: tuple, status: int
) -> None:
    found = differences(Outcomes({"t": PASSED}, 0), Outcomes({"t": probed}, status))
    assert found[-1] == Difference("exit status", (("0", ""),), ((str(status), ""),))


def test_an_exit_status_that_a_failed_test_accounts_for_is_no_difference_of_its_own() -> None:
    found = differences(Outcomes({"t": PASSED}, 0), Outcomes({"t": FAILED}, 1))
    assert found == [Difference("t", PASSED, FAILED)]


def test_a_log_that_was_cut_short_is_read_as_far_as_it_goes() -> None:
    lines = [
        '{"test": "t", "what": "began", "text": ""}\n',
        '{"test": "t", "what": "failed", "text": "0x7f0123456789 in /tmp/a/b"}\n',
        '{"test": "u", "wh',
    ]
    assert read_log(lines, "/tmp/a") == {"t": (("began", ""), ("failed", "0x in FOLDER/b"))}
