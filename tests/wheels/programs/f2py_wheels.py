"""scipy.linalg, bound with f2py, given awkward arrays."""

import numpy as np
import scipy.linalg
from known_arrays import case, describe, made, output, show, source
from scipy.linalg import blas, lapack

describe(blas.dgemm, lapack.dgesv, blas.ddot)


def invertible(n):
    """A matrix whose diagonal outweighs the rest, in C order."""
    array = source((n, n))
    array %= 7
    array[np.diag_indices(n)] += 10.0 * n
    return array


a, b = source((211, 331)), source((331, 223))
show(output(blas.dgemm(1.0, a.T, b.T, trans_a=1, trans_b=1)))  # CASE product-control
a, b = source((227, 331)), source((331, 229))
show(output(blas.dgemm(1.0, a, b)))  # CASE product-order
a, b = source((331, 233), "f4"), source((239, 331))
show(output(blas.dgemm(1.0, a.T, b.T)))  # CASE product-dtype
a, b = source((331, 241), ">f8"), source((251, 331))
show(output(blas.dgemm(1.0, a.T, b.T)))  # CASE product-swapped
a, b, c = source((211, 213)), source((213, 217)), source((217, 211))
show(blas.dgemm(1.0, b, a, trans_a=1, trans_b=1, beta=1.0, c=c))  # CASE product-written
x, y = source(100_003), source(100_003)
show(blas.ddot(x, y))  # CASE dot-control
x = source(200_038)
case(100_019)
show(blas.ddot(x[::2], x[1::2]))  # CASE dot-strided
x = source(100_043).tolist()
show(blas.ddot(x, x))  # CASE dot-list
x = source(100_049, "f4")
for _ in range(3):
    blas.ddot(x, x)  # CASE dot-loop

a = invertible(257)
show(lapack.dgesv(a, np.ones(257))[2])  # CASE solve-order
a = invertible(263)
show(lapack.dgesv(a.T, np.ones(263), overwrite_a=True)[2])  # CASE solve-control
a = invertible(269)
show(lapack.dgesv(a.T, np.ones(269))[2])  # CASE solve-kept
a = invertible(271)
made(271 * 271)  # are all elements finite?
show(scipy.linalg.lu_factor(a)[1])  # CASE factors-order
a = invertible(277)
made(277 * 277)
show(scipy.linalg.eigh(a, eigvals_only=True))  # CASE eigenvalues-order
