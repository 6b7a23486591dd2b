"""What one turn of a loop around a short call is made of, sampled: the value in a trace."""

from __future__ import annotations

import msgspec


class Turn(msgspec.Struct, frozen=True):
    """The parts of one turn, in seconds of one turn, means over the samples.

    What interprobe itself takes is in none of them but ``probes``.

    Attributes:
        samples: How many calls were sampled: one in 64.
        call: What a call took, from its caller's side.
        between: What passed from the end of a call to the beginning of the next; None where other
            calls of native code came in between.
        addresses: From the first address that an array was asked for (``x.ctypes``, cffi's
            ``from_buffer``) to the call; None where none was.
        given: The types of a call's arguments, by name: ``LP_c_double``, ``numpy.float64``.
        empty: What a call takes that is made the same way, with such arguments, of a function that
            does nothing; None where that is not known.
        bare: The same with bare addresses in place of arrays; None where there are none.
        probes: What interprobe takes around such a call; None where that is not known.
        work: What the function itself takes, called as compiled code calls it, in a child whose
            caches are warm; None where that was not measured.
        work_cold: The same with its arrays taken out of the caches; None also where there are none.
        loop: Source text of the innermost loop around the call; "" where there is none.
    """

    samples: int
    call: float
    between: float | None = None
    addresses: float | None = None
    given: list[str] = []
    empty: float | None = None
    bare: float | None = None
    probes: float | None = None
    work: float | None = None
    work_cold: float | None = None
    loop: str = ""


def joined_turns(one: Turn | None, other: Turn | None) -> Turn | None:
    """The turns of two records as those of one; what both know is weighted by their samples."""
    if one is None or other is None:
        return one or other
    total = max(one.samples + other.samples, 1)

    def mean(first: float | None, second: float | None) -> float | None:
        if first is None or second is None:
            return first if second is None else second
        return (first * one.samples + second * other.samples) / total

    larger, smaller = (one, other) if one.samples >= other.samples else (other, one)
    return msgspec.structs.replace(
        larger,
        samples=one.samples + other.samples,
        call=mean(one.call, other.call) or 0.0,
        between=mean(one.between, other.between),
        addresses=mean(one.addresses, other.addresses),
        empty=mean(one.empty, other.empty),
        bare=mean(one.bare, other.bare),
        probes=mean(one.probes, other.probes),
        work=mean(one.work, other.work),
        work_cold=mean(one.work_cold, other.work_cold),
        loop=larger.loop or smaller.loop,
    )
