# Kernels that take arrays of any strides: part of cykernels.pyx.

def peak(const double[:] x not None) -> float:
    """Largest number of a vector, whose elements may lie at any distance from each other.

    Args:
        x: float64, shape (n,), any strides that are multiples of 8.

    Returns:
        The largest number; -inf for an empty vector.

    Raises:
        ValueError: Another dtype or number of dimensions, or misaligned.
    """
    cdef size_t n = x.shape[0]
    cdef double largest
    require_aligned(&x[0], n, CDEMO_ALIGNMENT_OF_DOUBLE)
    if n > 1 and x.strides[0] % sizeof(double) != 0:
        raise_for(CDEMO_MISALIGNED)
    with nogil:
        largest = cdemo_peak(&x[0], n, x.strides[0] // <ptrdiff_t>sizeof(double))
    return largest


def scale_columns(
    const double[:, :] matrix not None,
    const double[::1] factors not None,
    double[:, :] scaled not None,
) -> None:
    """Multiply each column of a matrix by a factor of its own, column after column.

    Args:
        matrix: float64, shape (rows, cols), any strides.
        factors: float64, shape (cols,), contiguous.
        scaled: As ``matrix``, writeable, not overlapping it; overwritten.

    Raises:
        ValueError: Shapes that do not fit, another dtype, misaligned, or ``scaled`` read-only.
    """
    cdef Py_ssize_t i, j
    require_equal(factors.shape[0], matrix.shape[1], "factors")
    require_equal(scaled.shape[0], matrix.shape[0], "the first dimension of scaled")
    require_equal(scaled.shape[1], matrix.shape[1], "the second dimension of scaled")
    require_aligned(&matrix[0, 0], matrix.size, CDEMO_ALIGNMENT_OF_DOUBLE)
    require_aligned(&factors[0], factors.shape[0], CDEMO_ALIGNMENT_OF_DOUBLE)
    require_aligned(&scaled[0, 0], scaled.size, CDEMO_ALIGNMENT_OF_DOUBLE)
    with nogil:
        for j in range(matrix.shape[1]):
            for i in range(matrix.shape[0]):
                scaled[i, j] = factors[j] * matrix[i, j]


def transpose(const double[:, :] source not None, double[:, :] target not None) -> None:
    """Write the transpose of a matrix into another one.

    Args:
        source: float64, shape (rows, cols), any strides.
        target: float64, shape (cols, rows), any strides, writeable, not overlapping ``source``;
            overwritten.

    Raises:
        ValueError: Shapes that do not fit, another dtype, misaligned, or ``target`` read-only.
    """
    cdef Py_ssize_t i, j
    require_equal(target.shape[0], source.shape[1], "the first dimension of target")
    require_equal(target.shape[1], source.shape[0], "the second dimension of target")
    require_aligned(&source[0, 0], source.size, CDEMO_ALIGNMENT_OF_DOUBLE)
    require_aligned(&target[0, 0], target.size, CDEMO_ALIGNMENT_OF_DOUBLE)
    with nogil:
        for i in range(source.shape[0]):
            for j in range(source.shape[1]):
                target[j, i] = source[i, j]


def settle(
    const double[::1] inputs not None,
    double[::1] answers not None,
    size_t steps,
    double rate,
) -> None:
    """Answers of first-order filters to constant inputs, after some steps.

    Args:
        inputs: float64, shape (n,), contiguous; it may lie at any address.
        answers: As ``inputs``, writeable, not overlapping it; overwritten.
        steps: How often ``answers += rate * (inputs - answers)``, from 0 on.
        rate: Share of the difference that one step makes up.

    Raises:
        ValueError: Lengths that differ, another dtype or number of dimensions, not contiguous, or
            ``answers`` read-only.
    """
    cdef size_t n = inputs.shape[0]
    cdef int status
    require_equal(answers.shape[0], inputs.shape[0], "answers")
    with nogil:
        status = cdemo_settle(&inputs[0], &answers[0], n, steps, rate)
    raise_for(status)
