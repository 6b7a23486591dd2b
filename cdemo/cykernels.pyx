# cython: language_level=3, boundscheck=False, wraparound=False
"""The demonstration kernels in Cython: the twin of ``libcdemo_kernels.so``.

Two ways of taking an array stand side by side, because they meet NumPy differently: typed
memoryviews (``const double[:, ::1]``) with loops of their own, and buffer arguments
(``cnp.ndarray[double, ndim=2, mode="c"]``) that hand their pointers to the C kernels. Both refuse
a wrong dtype, order or number of dimensions with ``ValueError`` instead of converting, and both
let a misaligned buffer pass: the kernels check that themselves. Each loop runs without the GIL, save
that of ``orbits_with_lock``.
"""

import ctypes

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, uintptr_t

cnp.import_array()


cdef extern from "kernels.h" nogil:
    enum:
        CDEMO_OK
        CDEMO_MISALIGNED

    cdef struct cdemo_record:
        int32_t id
        double value

    int cdemo_axpy(double a, const double *x, double *y, size_t n)
    int cdemo_stencil(
        const double *before, double *after, size_t rows, size_t cols, double k
    )
    double cdemo_records_sum(const cdemo_record *records, size_t n)
    double cdemo_peak(const double *x, size_t n, ptrdiff_t step)
    int cdemo_settle(
        const double *inputs, double *answers, size_t n, size_t steps, double rate
    )
    double cdemo_longest_gap(const float *times, size_t n)
    double cdemo_orbit(double x, size_t steps)
    int cdemo_orbits(const double *x, double *ends, size_t n, size_t steps)
    double cdemo_saturation(const double *x, double half, size_t n)
    const char *cdemo_describe(int status)


cdef extern from *:
    """
    #include <stdalign.h>
    #define CDEMO_ALIGNMENT_OF_DOUBLE alignof(double)
    #define CDEMO_ALIGNMENT_OF_RECORD alignof(struct cdemo_record)
    """
    const size_t CDEMO_ALIGNMENT_OF_DOUBLE
    const size_t CDEMO_ALIGNMENT_OF_RECORD


cdef int raise_for(int status) except -1:
    if status != CDEMO_OK:
        raise ValueError(cdemo_describe(status).decode("ascii"))
    return 0


cdef int require_aligned(const void *pointer, size_t length, size_t alignment) except -1:
    if length > 0 and <uintptr_t>pointer % alignment != 0:
        raise_for(CDEMO_MISALIGNED)
    return 0


cdef int require_equal(Py_ssize_t given, Py_ssize_t wanted, str what) except -1:
    if given != wanted:
        raise ValueError(f"{what} has {given} elements; {wanted} are needed")
    return 0


def sum(const double[::1] x not None) -> float:
    """Sum of a vector, in the order of the index.

    Args:
        x: float64, shape (n,), contiguous.

    Returns:
        The sum; 0.0 for an empty vector.

    Raises:
        ValueError: Another dtype or number of dimensions, not contiguous, or misaligned.
    """
    cdef Py_ssize_t i
    cdef double total = 0.0
    require_aligned(&x[0], x.shape[0], CDEMO_ALIGNMENT_OF_DOUBLE)
    with nogil:
        for i in range(x.shape[0]):
            total += x[i]
    return total


def dot(const double[::1] x not None, const double[::1] y not None) -> float:
    """Inner product of two vectors.

    Args:
        x: float64, shape (n,), contiguous.
        y: As ``x``; the two may be one array.

    Returns:
        The inner product; 0.0 for empty vectors.

    Raises:
        ValueError: Lengths that differ, another dtype or number of dimensions, not contiguous, or
            misaligned.
    """
    cdef Py_ssize_t i
    cdef double product = 0.0
    require_equal(y.shape[0], x.shape[0], "y")
    require_aligned(&x[0], x.shape[0], CDEMO_ALIGNMENT_OF_DOUBLE)
    require_aligned(&y[0], y.shape[0], CDEMO_ALIGNMENT_OF_DOUBLE)
    with nogil:
        for i in range(x.shape[0]):
            product += x[i] * y[i]
    return product


def axpy(
    double a,
    cnp.ndarray[double, ndim=1, mode="c"] x not None,
    cnp.ndarray[double, ndim=1, mode="c"] y not None,
) -> None:
    """Add ``a * x`` to ``y`` in place.

    Args:
        a: The factor.
        x: float64, shape (n,), contiguous.
        y: As ``x``, writeable, not overlapping ``x``.

    Raises:
        ValueError: Lengths that differ, another dtype or number of dimensions, not contiguous,
            misaligned, or ``y`` read-only.
    """
    cdef const double *source = <const double *>cnp.PyArray_DATA(x)
    cdef double *target = <double *>cnp.PyArray_DATA(y)
    cdef size_t n = x.shape[0]
    cdef int status
    require_equal(y.shape[0], x.shape[0], "y")
    if not cnp.PyArray_ISWRITEABLE(y):
        raise ValueError("y is read-only")
    with nogil:
        status = cdemo_axpy(a, source, target, n)
    raise_for(status)


def row_sweep(const double[:, ::1] matrix not None, double[::1] sums not None) -> None:
    """Sums of the rows of a matrix in C order.

    Args:
        matrix: float64, shape (rows, cols), C-contiguous.
        sums: float64, shape (rows,), contiguous, writeable; overwritten.

    Raises:
        ValueError: A shape that does not fit, another dtype, another order, misaligned, or
            ``sums`` read-only.
    """
    cdef Py_ssize_t i, j
    cdef double total
    require_equal(sums.shape[0], matrix.shape[0], "sums")
    require_aligned(&matrix[0, 0], matrix.size, CDEMO_ALIGNMENT_OF_DOUBLE)
    require_aligned(&sums[0], sums.shape[0], CDEMO_ALIGNMENT_OF_DOUBLE)
    with nogil:
        for i in range(matrix.shape[0]):
            total = 0.0
            for j in range(matrix.shape[1]):
                total += matrix[i, j]
            sums[i] = total


def column_sweep_fortran(const double[::1, :] matrix not None, double[::1] sums not None) -> None:
    """Sums of the columns of a matrix in Fortran order.

    Args:
        matrix: float64, shape (rows, cols), Fortran-contiguous.
        sums: float64, shape (cols,), contiguous, writeable; overwritten.

    Raises:
        ValueError: A shape that does not fit, another dtype, another order, misaligned, or
            ``sums`` read-only.
    """
    cdef Py_ssize_t i, j
    cdef double total
    require_equal(sums.shape[0], matrix.shape[1], "sums")
    require_aligned(&matrix[0, 0], matrix.size, CDEMO_ALIGNMENT_OF_DOUBLE)
    require_aligned(&sums[0], sums.shape[0], CDEMO_ALIGNMENT_OF_DOUBLE)
    with nogil:
        for j in range(matrix.shape[1]):
            total = 0.0
            for i in range(matrix.shape[0]):
                total += matrix[i, j]
            sums[j] = total


def stencil(
    cnp.ndarray[double, ndim=2, mode="c"] before not None,
    cnp.ndarray[double, ndim=2, mode="c"] after not None,
    double k,
) -> None:
    """One explicit step of the heat equation with the 5-point stencil; the border stays.

    Args:
        before: float64, shape (rows, cols), C-contiguous.
        after: As ``before``, writeable, not overlapping it; overwritten.
        k: diffusivity * time step / spacing**2, without unit, stable up to 0.25.

    Raises:
        ValueError: Shapes that differ, another dtype, another order, misaligned, or ``after``
            read-only.
    """
    cdef const double *source = <const double *>cnp.PyArray_DATA(before)
    cdef double *target = <double *>cnp.PyArray_DATA(after)
    cdef size_t rows = before.shape[0]
    cdef size_t cols = before.shape[1]
    cdef int status
    require_equal(after.shape[0], before.shape[0], "the first dimension of after")
    require_equal(after.shape[1], before.shape[1], "the second dimension of after")
    if not cnp.PyArray_ISWRITEABLE(after):
        raise ValueError("after is read-only")
    with nogil:
        status = cdemo_stencil(source, target, rows, cols, k)
    raise_for(status)


def records_sum(const cdemo_record[::1] records not None) -> float:
    """Sum of the values of the records whose ``id`` is 0 or above.

    Args:
        records: ``np.dtype([("id", "i4"), ("value", "f8")], align=True)``, shape (n,), contiguous.

    Returns:
        The sum; 0.0 for no records.

    Raises:
        ValueError: Another dtype (a packed record among them) or number of dimensions, not
            contiguous, or misaligned.
    """
    cdef const cdemo_record *first = &records[0]
    cdef size_t n = records.shape[0]
    cdef double total
    require_aligned(first, n, CDEMO_ALIGNMENT_OF_RECORD)
    with nogil:
        total = cdemo_records_sum(first, n)
    return total


def longest_gap(times not None) -> float:
    """Largest difference of two neighbours, computed in float32.

    Unlike the others it converts what it is given, as bindings do that take any array.

    Args:
        times: Shape (n,), ascending; converted where it is anything but contiguous float32.

    Returns:
        The largest difference; 0.0 for fewer than two times.

    Raises:
        ValueError: Another number of dimensions, or misaligned.
    """
    cdef const float[::1] points = np.ascontiguousarray(times, dtype=np.float32)
    require_aligned(&points[0], points.shape[0], sizeof(float))
    return cdemo_longest_gap(&points[0], points.shape[0])


class AnyTimes:
    """A parameter of ctypes for ``float *`` that converts what it is given, as longest_gap does."""

    @classmethod
    def from_param(cls, times):
        """The pointer for ctypes, which keeps the converted array alive during the call."""
        points = np.ascontiguousarray(times, dtype=np.float32)
        return points.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def orbit(double x, size_t steps) -> float:
    """Where ``x`` is after some steps of the logistic map with r = 3.7.

    Args:
        x: From 0 to 1.
        steps: How many, at least 0.

    Returns:
        A number from 0 to 1.
    """
    return cdemo_orbit(x, steps)


def orbits(const double[::1] x not None, double[::1] ends not None, size_t steps) -> None:
    """The same of many numbers in one call.

    Args:
        x: float64, shape (n,), contiguous.
        ends: As ``x``, writeable; overwritten.
        steps: How many, at least 0.

    Raises:
        ValueError: Lengths that differ, another dtype or number of dimensions, not contiguous,
            misaligned, or ``ends`` read-only.
    """
    cdef int status
    require_equal(ends.shape[0], x.shape[0], "ends")
    with nogil:
        status = cdemo_orbits(&x[0], &ends[0], x.shape[0], steps)
    raise_for(status)


def orbits_with_lock(
    const double[::1] x not None, double[::1] ends not None, size_t steps
) -> None:
    """The same as ``orbits``, which keeps Python's lock (the GIL) while it computes.

    Args:
        x: float64, shape (n,), contiguous.
        ends: As ``x``, writeable; overwritten.
        steps: How many, at least 0.

    Raises:
        ValueError: As ``orbits``.
    """
    require_equal(ends.shape[0], x.shape[0], "ends")
    raise_for(cdemo_orbits(&x[0], &ends[0], x.shape[0], steps))


def saturation(const double[::1] x not None, double half) -> float:
    """Sum of the responses ``x / (half + x)``, as binding sites fill up.

    Args:
        x: Concentrations, float64, shape (n,), contiguous.
        half: The concentration, above 0, at which half of the sites are bound.

    Returns:
        The sum; 0.0 for no concentrations.

    Raises:
        ValueError: Another dtype or number of dimensions, not contiguous, or misaligned.
    """
    cdef const double *first = &x[0] if x.shape[0] > 0 else NULL
    cdef size_t n = x.shape[0]
    cdef double responses
    require_aligned(first, n, CDEMO_ALIGNMENT_OF_DOUBLE)
    with nogil:
        responses = cdemo_saturation(first, half, n)
    return responses


include "cylayouts.pxi"
