"""The doctor: what it says of a machine where all works, and of one where something does not."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from plain_and_probed import Ending, run

from interprobe import native, probes
from interprobe.cli import main

# Each makes one probe impossible, as another NumPy or Python would, and none of the others.
REPLACEMENTS = {
    "python conversions": "umath.ascontiguousarray = lambda array: array",
    "element transfers": "umath._get_castingimpl = lambda one, other: None",
}


def examined(folder: Path, preparation: str, *, env: dict[str, str] | None = None) -> Ending:
    """What the doctor says in a process that was prepared by that code."""
    code = f"""
import os, sys
import numpy as np
import numpy._core._multiarray_umath as umath
from interprobe import native
{preparation}
from interprobe.cli import main
sys.exit(main(["doctor", "--width", "400"]))
"""
    return run([sys.executable, "-c", code], folder, env=env)


def states(page: str) -> dict[str, str]:
    """What is said of each probe, by its name."""
    names = "|".join(probes.name_of(probe) for probe in probes.discover())
    return dict(re.findall(rf"(?m)^({names}) +(works|left out|counts wrong)$", page))


def slots() -> dict[tuple[str, str], int]:
    """Every pointer that a probe may change."""
    return {(probe, slot): value for probe, slot, value in native.patched_slots()}


def test_all_is_well_here(capsys: pytest.CaptureFixture[str]) -> None:
    before = slots()
    assert main(["doctor"]) == 0
    page = capsys.readouterr().out
    assert set(states(page).values()) == {"works"}
    assert states(page).keys() == {probes.name_of(probe) for probe in probes.discover()}
    assert "probes work, and known work was counted exactly." in page
    for row in (
        *("ledger file", "watching process", "started interpreters", "guard mode"),
        "repeated calls",
    ):
        assert re.search(rf"(?m)^{row} +works ", page)
    assert native.installed() == []
    after = slots()
    # Functions that an earlier recording in this process met are listed no longer.
    shared = before.keys() & after.keys()
    reads_only = {"lock"}  # it changes no pointer
    assert {probe for probe, _ in shared} == set(native.probe_names()) - reads_only
    assert {key: after[key] for key in shared} == {key: before[key] for key in shared}


def test_the_page_fits_its_width(capsys: pytest.CaptureFixture[str]) -> None:
    for width in (60, 80, 140):
        assert main(["doctor", "--width", str(width), "--color", "never"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= width
        assert not any(line.endswith(" ") for line in lines)


@pytest.mark.parametrize("probe", REPLACEMENTS)
def test_a_probe_that_cannot_be_installed_is_named_with_what_is_lost(
    probe: str, tmp_path: Path
) -> None:
    ending = examined(tmp_path, REPLACEMENTS[probe])
    page = ending.stdout.decode()
    assert ending.status == 1, page + ending.stderr.decode()
    assert states(page)[probe] == "left out"
    others = {name: state for name, state in states(page).items() if name != probe}
    assert set(others.values()) == {"works"}
    block = page[page.index(probe) :].split("\n")[1:3]
    assert block[0].split(maxsplit=1)[0] == "because"
    sees = next(each.SEES for each in probes.discover() if probes.name_of(each) == probe)
    assert " ".join(block[1].split()) == f"not seen {sees}"
    assert f"1 of {len(probes.discover())} probes does not work here" in page


COUNTING = [probe for probe in probes.discover() if probe.KNOWN_WORK is not None]


@pytest.mark.parametrize("probe", COUNTING, ids=probes.name_of)
def test_a_probe_that_counts_wrong_is_found_out(probe: Any, tmp_path: Path) -> None:
    module = probe.__name__
    more = (
        f"import dataclasses\nimport {module} as probe\n"
        "work = probe.KNOWN_WORK\n"
        "probe.KNOWN_WORK = dataclasses.replace(work, code=work.code + '\\n' + work.code)"
    )
    ending = examined(tmp_path, more)
    page = ending.stdout.decode()
    assert ending.status == 1
    wrong = {name for name, state in states(page).items() if state == "counts wrong"}
    assert wrong == {probes.name_of(probe)}
    work = probe.KNOWN_WORK
    assert (
        f"of {work.count} events with {work.bytes:,} bytes "
        f"it counted {2 * work.count} with {2 * work.bytes:,} bytes"
    ) in page


def test_a_full_disk_is_found_before_a_run_needs_it(tmp_path: Path) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    ending = examined(tmp_path, limit, env={"TMPDIR": str(tmp_path)})
    page = ending.stdout.decode()
    assert ending.status == 1
    assert re.search(r"(?m)^ledger file +fails +File too large; runs are recorded in memory", page)
    assert "All probes work; runs are recorded with the gaps named above." in page
    assert not list(tmp_path.iterdir())


def test_an_interpreter_without_interprobe_is_named_as_a_gap(tmp_path: Path) -> None:
    # Its site-packages hold no interprobe.pth; -S reads none at all.
    bare = tmp_path / "python-without-packages"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    ending = examined(tmp_path, f"sys.executable = {str(bare)!r}")
    assert ending.status == 1
    assert re.search(rb"(?m)^started interpreters +fails +interprobe.pth is in no", ending.stdout)


def test_calls_that_cannot_be_repeated_are_named_as_a_gap(tmp_path: Path) -> None:
    ending = examined(tmp_path, "native.calls_can_be_repeated = lambda: False")
    assert ending.status == 1
    said = rb"(?m)^repeated calls +fails +the kernel cannot keep .*; what a fix gains is estimated"
    assert re.search(said, ending.stdout)


def test_the_switch_for_recordings_from_inside_is_mentioned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INTERPROBE", "off")
    assert main(["doctor"]) == 0
    assert "INTERPROBE=off switches interprobe.profile and interprobe.record off" in (
        " ".join(capsys.readouterr().out.split())
    )


def test_a_part_that_is_not_compiled_is_said_in_one_sentence(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["interprobe.native._native"] = None
from interprobe.cli import main
sys.exit(main(["doctor"]))
"""
    ending = run([sys.executable, "-c", code], tmp_path)
    assert ending.status == 1
    assert ending.stdout.count(b"\n") == 1
    assert b"nothing can be recorded, because interprobe's compiled part" in ending.stdout
    assert b"Traceback" not in ending.stderr
