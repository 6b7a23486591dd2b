"""Runs every probe under valgrind's memcheck and shows the errors that involve interprobe.

PYTHONMALLOC=malloc is set, so that Python's small objects are valgrind's to see. CPython and NumPy
read uninitialised memory on purpose here and there: only errors with a frame in interprobe's
compiled modules count. Exit status 1 where there is any.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

PROGRAM = Path(__file__).resolve().parent.parent / "tests/integration/programs/every_probe.py"
SUPPRESSIONS = Path(__file__).with_name("memcheck.supp")
OWN = "/_native."


def _frames(error: ElementTree.Element) -> list[str]:
    """The stacks of an error, a line per frame."""
    lines = []
    for frame in error.iter("frame"):
        where = frame.findtext("file")
        place = f"{where}:{frame.findtext('line')}" if where else frame.findtext("obj", "?")
        lines.append(f"    {frame.findtext('fn', '?')} ({place})")
    return lines


def main() -> int:
    """Run the program and print what was found."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [
            "valgrind", "--tool=memcheck", "--error-limit=no", "--num-callers=30",
            "--leak-check=no", f"--suppressions={SUPPRESSIONS}",
            "--xml=yes", f"--xml-file={report}", sys.executable, str(PROGRAM),
        ]  # fmt: skip
        done = subprocess.run(command, check=False, env=os.environ | {"PYTHONMALLOC": "malloc"})
        if done.returncode != 0:
            return done.returncode
        # In XML valgrind looks for leaks whatever it is told; Python keeps memory to the end.
        errors = [
            error
            for error in ElementTree.parse(report).iter("error")
            if not error.findtext("kind", "").startswith("Leak_")
        ]
    own = [error for error in errors if any(OWN in (obj.text or "") for obj in error.iter("obj"))]
    for error in own:
        kind = error.findtext("what") or error.findtext("xwhat/text") or error.findtext("kind", "")
        print(kind, *_frames(error), sep="\n")
    print(f"memcheck: {len(errors)} errors, {len(own)} of them with a frame of interprobe's")
    return 1 if own else 0


if __name__ == "__main__":
    sys.exit(main())
