"""The ledgers of one run: a folder with a file for each process, which outlive their processes."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interprobe.ledger_records import LedgerContents

_SUFFIX = ".ledger"


class LedgerFolder:
    """A folder in which every process of a run keeps its ledger.

    A forked child's file carries its parent's name and its own process number, so that no two
    processes ever write to one file.
    """

    def __init__(self, path: str) -> None:
        """Use an existing folder."""
        self.path = path

    @classmethod
    def make(cls) -> LedgerFolder:
        """Make a folder that only this user can read.

        Raises:
            OSError: There is no place for temporary files.
        """
        return cls(tempfile.mkdtemp(prefix="interprobe-"))

    def new_file(self) -> str:
        """A file name for this process's next ledger."""
        number = 0
        while True:
            path = os.path.join(self.path, f"{os.getpid()}-{number}{_SUFFIX}")
            if not os.path.exists(path):
                return path
            number += 1

    def shared_file(self) -> str:
        """A file name for the time that the processes' replays have taken; others make the file."""
        return os.path.join(self.path, "replays")

    def contents(self) -> list[LedgerContents]:
        """What all processes have written so far, in the order in which they began.

        A file that is no ledger, because its process died while making it, is left out.
        """
        from interprobe import ledger  # only now: the program runs without it

        found: list[tuple[str, LedgerContents]] = []
        for name in sorted(os.listdir(self.path)):
            if _SUFFIX not in name:
                continue
            path = os.path.join(self.path, name)
            try:
                found.append((name, _read(path)))
            except (OSError, ledger.LedgerError):
                continue
        found.sort(key=lambda entry: (entry[1].started_nanoseconds, entry[0]))
        return [contents for _, contents in found]

    def remove(self) -> None:
        """Remove the folder; processes that still write keep their mapping of a nameless file."""
        shutil.rmtree(self.path, ignore_errors=True)


def _read(path: str) -> LedgerContents:
    """Read no more of a file than its ledger has used."""
    from interprobe import ledger

    with open(path, "rb") as file:
        head = file.read(ledger.HEADER_BYTES)
        return ledger.read(head + file.read(max(ledger.used_bytes(head) - len(head), 0)))
