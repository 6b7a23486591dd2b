"""The reports of the hand-made traces, compared whole with files that people have read.

After a change that is meant to show, write the files anew and read the difference:
``INTERPROBE_UPDATE_GOLDEN=1 python -m pytest tests/unit/test_renderer_golden.py && git diff``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from report_samples import SAMPLES

from interprobe.renderers import terminal

GOLDEN = Path(__file__).parent.parent / "golden"
WIDTHS = (80, 160)
UPDATE = os.environ.get("INTERPROBE_UPDATE_GOLDEN") == "1"


def golden_file(sample: str, width: int) -> Path:
    return GOLDEN / f"terminal_{sample}_{width}.txt"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_report_is_the_golden_one(sample: str, width: int) -> None:
    report = terminal.render(SAMPLES[sample](), width=width, color=False)
    if UPDATE:
        golden_file(sample, width).write_text(report, encoding="utf-8")
    assert report == golden_file(sample, width).read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    expected = {golden_file(sample, width) for sample in SAMPLES for width in WIDTHS}
    assert set(GOLDEN.glob("terminal_*.txt")) == expected
