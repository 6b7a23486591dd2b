"""Finds the crossings that copies were made for: those that converted, or whose arguments did."""

from __future__ import annotations

from dataclasses import dataclass

from interprobe.findings import Site
from interprobe.layout import Layout
from interprobe.trace import Borrow, Call, Copy, Trace


@dataclass(frozen=True)
class Consumer:
    """The calls at one place that took what a copy wrote.

    Attributes:
        calls: Where their records stand in ``trace.calls``; at least one.
        inside: Whether the copy was made while they were in flight, so that their time holds its
            time; else it was made before, in the expressions of their arguments.
    """

    calls: tuple[int, ...]
    inside: bool


class Consumers:
    """Looks up what copies and borrows were for.

    Args:
        trace: The run.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._calls: dict[tuple[int, str, str], list[int]] = {}
        for index, call in enumerate(trace.calls):
            key = (call.process, call.site.file, call.site.function)
            self._calls.setdefault(key, []).append(index)

    def of_copy(self, copy: Copy) -> Consumer | None:
        """The calls that a copy was made for; None where it was made for none that is known."""
        near = self._near(copy)
        same = [index for index in near if self._trace.calls[index].site == copy.site]
        inside = [index for index in same if self._trace.calls[index].bytes_copied > 0]
        if inside:
            # Calls at one place with other arrays are other records.
            of_source = [
                index for index in inside if positions_of(self._trace.calls[index], copy.source)
            ]
            return Consumer(tuple(of_source or inside), inside=True)
        around = [index for index in near if _lies_in(copy.site, self._trace.calls[index].site)]
        if not around:
            return None
        # The innermost: `g` in `f(g(np.asarray(x)))`.
        sites = [self._trace.calls[index].site for index in around]
        innermost = next(
            site for site in sites if not any(_lies_in(other, site) for other in sites)
        )
        return Consumer(
            tuple(index for index in around if self._trace.calls[index].site == innermost),
            inside=False,
        )

    def like_result(self, copy: Copy) -> tuple[int, ...]:
        """The calls that were given an array like the one that a copy made.

        Those of the copy's own function; where there is none, those of its whole process.
        """

        def alike(index: int) -> bool:
            return any(
                argument.given is not None
                and argument.given.shape == copy.result.shape
                and _kind(argument.given) == _kind(copy.result)
                for argument in self._trace.calls[index].arguments
            )

        near = tuple(index for index in self._near(copy) if alike(index))
        return near or tuple(
            index
            for index, call in enumerate(self._trace.calls)
            if call.process == copy.process and alike(index)
        )

    def of_borrow(self, borrow: Borrow) -> tuple[int, ...]:
        """The calls at whose place an array was lent."""
        return tuple(
            index for index in self._near(borrow) if self._trace.calls[index].site == borrow.site
        )

    def _near(self, record: Copy | Borrow) -> list[int]:
        key = (record.process, record.site.file, record.site.function)
        return self._calls.get(key, [])


def positions_of(call: Call, array: Layout | None) -> frozenset[int]:
    """The arguments of a call that are arrays of a copy's source.

    Args:
        call: The call.
        array: The source; None for a sequence, which is no array.

    Returns:
        Positions from 0: of arrays that agree in type, order and shape; where there is none, of
        those that agree in all but the shape, since records keep the layout of the largest one.
    """
    if array is None:
        return frozenset()
    alike = [
        (argument.position, argument.given)
        for argument in call.arguments
        if argument.given is not None and _kind(argument.given) == _kind(array)
    ]
    exact = frozenset(position for position, given in alike if given.shape == array.shape)
    return exact or frozenset(position for position, _ in alike)


def _kind(array: Layout) -> tuple[str, str, str, bool, int]:
    return (array.dtype, array.byteorder, array.order, array.aligned, len(array.shape))


def _lies_in(inner: Site, outer: Site) -> bool:
    """Whether one expression is a part of another; False where columns are not known."""
    if inner == outer or (inner.file, inner.function) != (outer.file, outer.function):
        return False
    begins, ends = _span(inner)
    first, last = _span(outer)
    if begins is None or ends is None or first is None or last is None:
        return False
    return first <= begins and ends <= last and (first, last) != (begins, ends)


def _span(site: Site) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Where an expression begins and ends, as line and column."""
    begins = None if site.column is None else (site.line, site.column)
    if site.end_line is None or site.end_column is None:
        return begins, None
    return begins, (site.end_line, site.end_column)
