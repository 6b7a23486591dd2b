"""Names who borrowed an array's memory, and what was asked for."""

from __future__ import annotations

import ast
import os

from interprobe import native_callers
from interprobe.findings import Site
from interprobe.ledger_records import BorrowRecord

BUFFER_PROTOCOL = "buffer protocol"
PYTHON = "Python"
"""Who borrows where no native library and no call in the source is behind it."""

# The flags of a buffer request: Include/cpython/object.h. Each contiguity includes STRIDES and ND.
_WRITABLE, _FORMAT, _ND = 0x1, 0x4, 0x8
_CONTIGUITIES = (
    (0x38, "C_CONTIGUOUS"),
    (0x58, "F_CONTIGUOUS"),
    (0x98, "ANY_CONTIGUOUS"),
    (0x118, "INDIRECT"),
    (0x18, "STRIDES"),
    (_ND, "ND"),
)


def requested(record: BorrowRecord) -> str:
    """What the borrower asked for.

    Returns:
        The words of a buffer request (``C_CONTIGUOUS|WRITABLE|FORMAT``, or ``SIMPLE`` for bytes
        alone), or the way to a raw address: ``ndarray.ctypes``, ``__array_interface__``, ...
    """
    if record.manner != BUFFER_PROTOCOL:
        return record.manner
    flags = record.requested
    words: list[str] = []
    for bits, word in _CONTIGUITIES:
        if flags & bits == bits:
            words.append(word)
            break
    if flags & _WRITABLE:
        words.append("WRITABLE")
    if flags & _FORMAT:
        words.append("FORMAT")
    return "|".join(words) or "SIMPLE"


def consumer(record: BorrowRecord, site: Site) -> str:
    """Who borrowed: ``library:symbol``, or what the source calls there (``memoryview``).

    Args:
        record: The borrow.
        site: Where it happened.
    """
    if record.library is not None:
        symbol = native_callers.author_name(record.library, record.callers)
        library = os.path.basename(record.library)
        return f"{library}:{symbol}" if symbol else library
    try:
        tree = ast.parse(site.expression.strip(), mode="eval").body
        return ast.unparse(tree.func) if isinstance(tree, ast.Call) else PYTHON
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return PYTHON
