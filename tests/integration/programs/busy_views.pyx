"""A kernel that keeps the GIL, and the same without it."""

from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec


cdef double seconds_now() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + 1e-9 * now.tv_nsec


cdef double busy_sum(const double *x, Py_ssize_t n, int milliseconds) noexcept nogil:
    cdef double total = 0.0
    cdef double until = seconds_now() + 1e-3 * milliseconds
    cdef Py_ssize_t i
    while seconds_now() < until:
        total = 0.0
        for i in range(n):
            total += x[i]
    return total


def sum_with_lock(const double[::1] x, int milliseconds):
    return busy_sum(&x[0], x.shape[0], milliseconds)


def sum_without_lock(const double[::1] x, int milliseconds):
    cdef double total
    with nogil:
        total = busy_sum(&x[0], x.shape[0], milliseconds)
    return total
