# cython: language_level=3
"""Functions that read arrays in place, as Cython programs do."""
cimport numpy as cnp

cnp.import_array()


def first_of_view(double[:] values):
    return values[0]


def first_of_contiguous_view(const float[:, ::1] values):
    return values[0, 0]


def first_of_ndarray(cnp.ndarray[cnp.float64_t, ndim=1] values):
    return values[0]


def first_by_c_api(cnp.ndarray values):
    """Reads the array's struct: no buffer is asked for."""
    return (<double *>cnp.PyArray_DATA(values))[0]
