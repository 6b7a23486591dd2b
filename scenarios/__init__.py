"""Pitfalls on purpose, each with its cure; one module is one scenario, found by its file name.

A scenario module ``fortran_order.py`` is run as ``interprobe run fortran-order``. It defines:

    TITLE: str                 one line: the pitfall
    EXPECTED: tuple[str, ...]  the rule codes that ``bad`` yields, all of them and no other
    SIZE: int                  default size of the data, in MiB
    prepare(size) -> data      makes the inputs of both sides; size in MiB; nothing of it is recorded
    bad(data) -> numbers       commits the pitfall, through ctypes and through Cython
    good(data) -> numbers      the cure: the same numbers, without the finding

``bad`` and ``good`` also run without an argument: they then prepare their own data. The module's
docstring explains the pitfall in a few sentences and is shown by ``interprobe list --verbose``.
"""
