"""Writes where it was not asked to."""

cimport numpy as cnp

cnp.import_array()


def overwrite(cnp.ndarray array not None):
    """Sets the first element of an array of float64, whatever its flags say."""
    (<double *>cnp.PyArray_DATA(array))[0] = 7.0
