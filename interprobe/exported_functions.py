"""The functions of a library, and what a check of its bindings has found of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from interprobe.callee_prototypes import CalleePrototypes
from interprobe.findings import Finding
from interprobe.prototypes import Prototype

_NOT_FOR_BINDINGS = re.compile(r"_init|_fini|_Z|PyInit_|__|_start")


@dataclass
class LibraryCheck:
    """What a check found.

    Attributes:
        findings: Mismatches, in the order of the source.
        compared: Functions whose declaration was compared.
        undeclared: Prototypes of functions without a whole declaration: those that the bindings
            name, or without bindings all that the library exports.
        half_declared: Names of those of which only the result is declared.
        classes: The bindings' classes for structures, by ``class_name``.
        unknown: Exported functions whose prototype is not known.
        notes: (line or None, sentence): what was not compared, and why.
    """

    findings: list[Finding] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)
    undeclared: list[Prototype] = field(default_factory=list)
    half_declared: set[str] = field(default_factory=set)
    classes: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    notes: list[tuple[int | None, str]] = field(default_factory=list)


def exported_prototypes(library: str, known: CalleePrototypes) -> LibraryCheck:
    """The prototypes of all functions that a library exports, as if none were declared."""
    result = LibraryCheck()
    for name in sorted(known.exports(library)):
        if _NOT_FOR_BINDINGS.match(name):
            continue
        prototype = known.of(library, name)
        if prototype is None:
            result.unknown.append(name)
        else:
            result.undeclared.append(prototype)
    return result
