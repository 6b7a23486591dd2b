"""The memory of a run: its peaks, the lines that ran at them, and array data over time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group
from rich.constrain import Constrain
from rich.text import Text

from interprobe.terminal.excerpt import Excerpt, has_source
from interprobe.terminal.gutter import Gutter
from interprobe.terminal.table import Section
from interprobe.terminal.text import PROSE_WIDTH
from interprobe.terminal.units import byte_count, duration
from interprobe.wording import counted

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from interprobe.findings import Site
    from interprobe.terminal.places import Places
    from interprobe.trace import Memory, Trace

_BARS = "▁▂▃▄▅▆▇█"
_WIDEST_CURVE = 60
_INDENT = "  "


class MemorySection:
    """Draws the peaks with their lines; nothing if the run did not follow memory.

    Args:
        trace: The run.
        places: Shows its paths.
    """

    def __init__(self, trace: Trace, places: Places) -> None:
        self._memory = trace.memory
        self._seconds = trace.meta.seconds
        # The timeline is of the first process alone; sums and peaks are of all.
        self._several = len(trace.processes) > 1
        self._places = places

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw both peaks, then the curve of array data."""
        memory = self._memory
        if memory.numpy_peak_site is None and memory.rss_sampled_peak_bytes is None:
            return
        width = min(options.max_width, PROSE_WIDTH)
        yield Section("Memory", Constrain(Group(*self._parts(width)), width))

    def _parts(self, width: int) -> Iterator[RenderableType]:
        """Both peaks and the curve, for lines of ``width`` cells."""
        memory = self._memory
        where = " in one process" if self._several else ""
        yield Text(
            f"NumPy data peaked at {byte_count(memory.numpy_peak_bytes)}{where} (exact); "
            f"{counted(memory.allocations, 'array', 'arrays')} allocated, "
            f"{byte_count(memory.allocated_bytes)} over the whole run."
        )
        yield from self._line(memory.numpy_peak_site)
        if memory.rss_sampled_peak_bytes is not None:
            peak = byte_count(memory.rss_sampled_peak_bytes)
            yield Text(f"Resident memory peaked at {peak} (sampled).")
            yield from self._line(memory.rss_sampled_peak_site)
        curve = _curve(memory, min(_WIDEST_CURVE, width - len(_INDENT)))
        if curve:
            peak = byte_count(max(bin_.numpy_bytes for bin_ in memory.timeline))
            whose = " of the program itself" if self._several else ""
            yield Text(f"NumPy data{whose} over {duration(self._seconds)}, up to {peak}:")
            yield Text(f"{_INDENT}{curve}", style="cyan")

    def _line(self, site: Site | None) -> Iterator[RenderableType]:
        """The line that ran at a peak."""
        if site is None:
            return
        gutter = Gutter([site.line])
        yield gutter.place(self._places.place_in(site), first=True)
        if has_source(site):
            yield gutter.source(site.line, Excerpt(site, "bold cyan"))
        yield Text("")


def _curve(memory: Memory, width: int) -> str:
    """Array data over time as a row of bars; "" where there is nothing to draw."""
    heights = [bin_.numpy_bytes for bin_ in memory.timeline]
    peak = max(heights, default=0)
    if len(heights) < 2 or peak <= 0:
        return ""
    columns = min(width, len(heights))
    bars = []
    for column in range(columns):
        first, after = column * len(heights) // columns, (column + 1) * len(heights) // columns
        # The highest of the bins that share a column: a peak must not vanish in a mean.
        height = max(0, *heights[first:after])
        bars.append(_BARS[min(len(_BARS) - 1, height * len(_BARS) // peak)] if height else " ")
    return "".join(bars)
