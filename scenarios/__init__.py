"""Pitfalls on purpose, each with its cure; one module is one scenario, found by its file name.

A scenario module ``fortran_order.py`` is run as ``interprobe run fortran-order``. It defines:

    TITLE: str                 one line: the pitfall
    EXPECTED: tuple[str, ...]  the rule codes that ``bad`` yields, all of them and no other
    SAME_NUMBERS: bool         whether ``bad`` computes what ``good`` does; False where the pitfall
                               is itself a wrong number
    SIZE: int                  default size of the data, in MiB
    prepare(size) -> data      makes the inputs of both sides, size in MiB; none of it is recorded
    bad(data) -> numbers       commits the pitfall, through ctypes and through Cython
    good(data) -> numbers      the cure: the same numbers, without the finding

``numbers`` is a tuple of floats, first those computed through ctypes, then as many computed through
Cython. With ``SAME_NUMBERS`` the two sides return equal tuples, to the last bit: both hand the
kernels the same values in the same order. Whoever runs a scenario checks that; with ``SAME_NUMBERS
= False``, that the tuples differ.

``good`` makes no copy at all. ``bad`` leaves ``data`` as it was, so that the sides can run in any
order. Both also run without an argument: they then prepare their own data, of the default size. The
module's docstring explains the pitfall in a few sentences and is shown by ``interprobe list
--verbose``.
"""
