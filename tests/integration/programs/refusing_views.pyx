# cython: language_level=3
"""Functions with one requirement each, as Cython programs declare them."""
cimport numpy as cnp

cnp.import_array()

ctypedef fused real:
    float
    double

cdef packed struct Point:
    int id
    double value


def of_double(double[:] values):
    return values.shape[0]


def of_long(long[:] values):
    return values.shape[0]


def of_matrix(double[:, :] values):
    return values.shape[0]


def of_c_rows(double[:, ::1] values):
    return values.shape[0]


def of_constant_rows(const double[:, ::1] values):
    return values.shape[0]


def of_fortran_columns(double[::1, :] values):
    return values.shape[0]


def of_points(Point[:] values):
    return values.shape[0]


def of_buffer(cnp.ndarray[double, ndim=2] values):
    return values.shape[0]


def of_c_buffer(cnp.ndarray[double, ndim=2, mode="c"] values):
    return values.shape[0]


def of_fortran_buffer(cnp.ndarray[double, ndim=2, mode="fortran"] values):
    return values.shape[0]


def of_array(cnp.ndarray values not None):
    return values.size


def of_real(real[:] values):
    return values.shape[0]


def of_two(double[::1] left, double[::1] right):
    """Both must be contiguous, and of one length."""
    if left.shape[0] != right.shape[0]:
        raise ValueError(f"left has {left.shape[0]} elements, right {right.shape[0]}")
    return left.shape[0]


def of_text(double[:] values, str name):
    return len(name)


def of_number(values, double factor):
    return factor


def inside(values):
    """Asks for the buffer in its body, not in its signature."""
    cdef double[:, ::1] rows = values
    return rows.shape[0]


def settle(double[:] values):
    """Raises an error of its own, which is not about how the array lies."""
    if values[0] < 0:
        raise ValueError("values must be positive")
    return values[0]


cdef class Mesh:
    def load(self, double[:] values, int level=0):
        return values.shape[0]
