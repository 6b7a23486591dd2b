"""Places in source code as a report shows them: short paths, never without their line.

A path under the script's own directory is shown relative to it. Any other path is shown whole
where there is room, else without some of its middle folders; the last part and the line stay.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.measure import Measurement
from rich.text import Text

from interprobe.terminal.text import one_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from interprobe.findings import Site
    from interprobe.trace import Trace

_LONGEST_SYMBOL = 60
"""Characters of a native function's name that are shown as they are."""

_ABI_TAG = re.compile(r"\.(?:cpython-[^.]*|abi3|pypy[^.]*)(?=\.so$)")


class Places:
    """Shows the places of one trace.

    Args:
        trace: Its ``meta.argv`` names the script whose directory paths are relative to.
    """

    def __init__(self, trace: Trace) -> None:
        self._base = _script_directory(trace)

    @classmethod
    def under(cls, folder: str) -> Places:
        """Shows places without a trace, relative to a folder."""
        places = cls.__new__(cls)
        places._base = folder.rstrip("/") + "/"
        return places

    def path(self, file: str) -> str:
        """``file`` relative to the script's directory if it lies under it, else as it is."""
        if self._base and file.startswith(self._base) and len(file) > len(self._base):
            return one_line(file[len(self._base) :])
        return one_line(file) or "<unknown>"

    def place(self, site: Site, suffix: str = "") -> Place:
        """``file:line`` of ``site``, to be shortened by whatever table it is drawn in.

        Args:
            site: The place.
            suffix: What follows the line, kept whole.
        """
        return Place(self.path(site.file), site.line, suffix)

    def place_in(self, site: Site) -> Place:
        """As :meth:`place`, and the function that the line belongs to."""
        return Place(self.path(site.file), site.line, _scope(site.function))


class Place:
    """``path:line``, which drops folders from its middle where it is given too little room.

    Args:
        path: The path to show, free of control codes.
        line: The line; left out below 1, where none is known.
        suffix: Text that follows, kept whole.
    """

    def __init__(self, path: str, line: int, suffix: str = "") -> None:
        self._path = path
        self._suffix = (f":{line}" if line > 0 else "") + suffix

    def fitted(self, width: int) -> str:
        """The longest form of at most ``width`` cells, or else the shortest there is."""
        form = ""
        for form in self._forms():
            if cell_len(form) <= width:
                break
        return form

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the form that fits."""
        yield Text(self.fitted(options.max_width), overflow="fold")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Tell a table the range from the shortest to the longest form."""
        widths = [cell_len(form) for form in self._forms()]
        return Measurement(widths[-1], widths[0]).with_maximum(options.max_width)

    def _forms(self) -> Iterator[str]:
        """Ever shorter forms, the whole path first."""
        parts = self._path.split("/")
        yield self._path + self._suffix
        # The first folder says which tree it is; it goes once two more folders do not fit.
        head = "/".join(parts[:2]) if self._path.startswith("/") else parts[0]
        skipped_first = 2 if self._path.startswith("/") else 1
        for start in range(skipped_first + 1, len(parts)):
            yield f"{head}/…/" + "/".join(parts[start:]) + self._suffix
        for start in range(skipped_first, len(parts)):
            yield "…/" + "/".join(parts[start:]) + self._suffix
        yield parts[-1] + self._suffix


def library_name(path: str) -> str:
    """A shared object's file name without its folder and its tag of Python's ABI."""
    name = posixpath.basename(path.rstrip("/")) or path
    return one_line(_ABI_TAG.sub("", name)) or "unknown library"


def native_function(symbol: str) -> str:
    """A native function's name; a long one of C++ loses its arguments and those of its types."""
    name = one_line(symbol)
    if len(name) <= _LONGEST_SYMBOL or "operator" in name:
        return name
    kept: list[str] = []
    depth = 0
    for character in name.replace("(anonymous namespace)", "{anonymous}"):
        if character in ">)":
            depth = max(depth - 1, 0)
        if depth <= 0:
            kept.append(character)
        if character in "<(":
            if depth == 0:
                kept.append("…")
            depth += 1
    return "".join(kept)


def _scope(function: str) -> str:
    """`` in function``, in words for a module's own level."""
    name = one_line(function)
    if not name:
        return ""
    return ", at module level" if name == "<module>" else f", in {name}"


def _script_directory(trace: Trace) -> str:
    """Directory of the script in ``meta.argv``, ending in ``/``, or "" where it is not known."""
    argv = trace.meta.argv
    script = next((word for word in argv if word.endswith(".py")), argv[0] if argv else "")
    if not script or script.startswith("-"):
        return ""
    if not script.startswith("/"):
        # A relative script: the recorded sites tell where it lay, if they are absolute.
        relative = "/" + posixpath.normpath(script)
        sites = chain(
            (finding.user_site for finding in trace.findings),
            (copy.user_site for copy in trace.copies),
            (call.user_site for call in trace.calls),
        )
        files = (site.file for site in sites)
        script = next(
            (file for file in files if file.startswith("/") and file.endswith(relative)), ""
        )
    directory = posixpath.dirname(script)
    # The root directory is no project: nothing would be gained by cutting the slash.
    return f"{directory}/" if directory.strip("/") else ""
