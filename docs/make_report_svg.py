"""Makes docs/report.svg, the picture in the README: runs docs/rain.py under ``interprobe run``.

Usage: python3 docs/make_report_svg.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
WIDTH = 96
"""Columns: what a README's column shows at a readable size."""


def main() -> int:
    """Record the program and draw its report; the figures are those of this very run."""
    options = ["--format", "svg", "--width", str(WIDTH), "-o", "report.svg"]
    command = [sys.executable, "-m", "interprobe", "run", *options, "rain.py"]
    # In this folder, so that the report names the program as its reader would.
    return subprocess.run(command, cwd=FOLDER, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
