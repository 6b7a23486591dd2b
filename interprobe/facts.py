"""What was observed of a record's instances beyond their number, size and time."""

from __future__ import annotations

import msgspec

from interprobe.findings import Site


class Fact(msgspec.Struct, frozen=True):
    """Something observed of a record's instances, on which a rule can build its verdict.

    Attributes:
        kind: What was observed: the name that a file of ``native/`` gives it, which says there what
            the other attributes mean in it.
        position: The argument that it was observed of, from 0; None: of the whole.
        other: A second argument that it relates the first to; None: there is none.
        count: In how many instances.
        value: A number that the kind explains, of the instance in which it was highest; where the
            kind says so, the sum over all.
        limit: A second number of that instance.
        text: What the kind says of the first instance.
        site: A place in the program that the kind explains.
    """

    kind: str
    position: int | None = None
    other: int | None = None
    count: int = 1
    value: int = 0
    limit: int = 0
    text: str | None = None
    site: Site | None = None
