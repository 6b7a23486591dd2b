/* The demonstration kernels: prototypes and contract of libcdemo_kernels.so.
 *
 * Rules that hold for every kernel
 * --------------------------------
 * Units      Lengths (n, rows, cols) count elements or records, never bytes. The
 *            caller guarantees that rows * cols fits in a size_t and that every
 *            buffer really holds that many: a kernel cannot check it.
 * Ownership  The caller owns every buffer, inputs and outputs. A kernel reads and
 *            writes during the call only, keeps no pointer, allocates nothing.
 * Layout     Buffers are contiguous, in native byte order, and aligned to their
 *            element type. "C order": the elements of one row are neighbours,
 *            element (i, j) is a[i * cols + j]. "Fortran order": the elements of
 *            one column are neighbours, element (i, j) is a[j * rows + i].
 * Aliasing   An output overlaps no other argument.
 * Order      Sums add in the order of the index, so that the same numbers in the
 *            same order give the same bits.
 * Errors     A null pointer with a length above 0, or a pointer that is not
 *            aligned, is refused before anything is read or written. A kernel
 *            that returns double then returns NaN, one that returns int returns
 *            one of the codes below. A length of 0 is no error: the sum is 0.0,
 *            and nothing is written.
 * Threads    No global state: safe from several threads on distinct outputs.
 */
#ifndef CDEMO_KERNELS_H
#define CDEMO_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define CDEMO_RESTRICT
#else
#define CDEMO_RESTRICT restrict
#endif

enum cdemo_status {
    CDEMO_OK = 0,        /* the output was written */
    CDEMO_NULL = 1,      /* a pointer is null although its length is above 0 */
    CDEMO_MISALIGNED = 2 /* a pointer is no multiple of its element's alignment */
};

/* One measurement, as the kernels read it: 16 bytes where a double is aligned to 8.
 *
 *     offset 0   id     int32_t
 *     offset 4   ----   4 bytes of padding, so that value is aligned
 *     offset 8   value  double
 *
 * NumPy's name of it is np.dtype([("id", "i4"), ("value", "f8")], align=True).
 * Without align=True NumPy packs the members: 12 bytes, value at offset 4. Such a
 * record is another type; read as this one, every value is garbage.
 */
struct cdemo_record {
    int32_t id;   /* below 0: the measurement is void and must not be counted */
    double value; /* in the caller's unit */
};

/* Sum of x[0..n). Returns 0.0 for n == 0, NaN when refused. */
double cdemo_sum(const double *x, size_t n);

/* Inner product of x[0..n) and y[0..n), which may be the same buffer: nothing is
 * written. Returns NaN when refused. */
double cdemo_dot(const double *x, const double *y, size_t n);

/* y[i] += a * x[i] for i in [0, n). Writes y[0..n). Returns a cdemo_status. */
int cdemo_axpy(double a, const double *CDEMO_RESTRICT x, double *CDEMO_RESTRICT y, size_t n);

/* Sums of the rows of a rows x cols matrix in C order, walked along its layout.
 * Writes sums[0..rows). Returns a cdemo_status. */
int cdemo_row_sweep(const double *CDEMO_RESTRICT matrix, size_t rows, size_t cols,
                    double *CDEMO_RESTRICT sums);

/* Sums of the columns of a rows x cols matrix in C order, column after column: each
 * step jumps a whole row, cols * 8 bytes, which is against the layout and slow.
 * Writes sums[0..cols). Returns a cdemo_status. */
int cdemo_column_sweep(const double *CDEMO_RESTRICT matrix, size_t rows, size_t cols,
                       double *CDEMO_RESTRICT sums);

/* Sums of the columns of a rows x cols matrix in Fortran order, walked along its
 * layout: the same bits as cdemo_column_sweep on the same matrix in C order.
 * Writes sums[0..cols). Returns a cdemo_status. */
int cdemo_column_sweep_fortran(const double *CDEMO_RESTRICT matrix, size_t rows, size_t cols,
                               double *CDEMO_RESTRICT sums);

/* One explicit step of the heat equation on a rows x cols grid in C order, with the
 * 5-point stencil; k = diffusivity * time step / spacing^2, without unit, stable up
 * to 0.25. The border is carried over unchanged.
 *
 *     after(i, j) = before(i, j) + k * (north + south + west + east - 4 * before(i, j))
 *
 * Writes after[0 .. rows * cols). Returns a cdemo_status. */
int cdemo_stencil(const double *CDEMO_RESTRICT before, double *CDEMO_RESTRICT after, size_t rows,
                  size_t cols, double k);

/* Sum of the values of the records[0..n) whose id is 0 or above. Returns NaN when
 * refused. */
double cdemo_records_sum(const struct cdemo_record *records, size_t n);

/* Largest difference of two neighbours in times[0..n), which ascend. Returns 0.0 for n below 2, NaN
 * when refused. */
double cdemo_longest_gap(const float *times, size_t n);

/* Largest of x[0], x[step], ... x[(n - 1) * step]: `step` elements lie between two that are looked at,
 * 1 for neighbours. Returns -infinity for n == 0, NaN when refused. */
double cdemo_peak(const double *x, size_t n, ptrdiff_t step);

/* scaled(i, j) = factors[j] * matrix(i, j) of a rows x cols matrix, column after column. In both matrices
 * row_step elements lie from a row to the next, and column_step from a column to the next: cols and 1 in
 * C order, 1 and rows in Fortran order. Returns a cdemo_status. */
int cdemo_scale_columns(const double *CDEMO_RESTRICT matrix, size_t rows, size_t cols,
                        size_t row_step, size_t column_step,
                        const double *CDEMO_RESTRICT factors, double *CDEMO_RESTRICT scaled);

/* Transposes a rows x cols matrix: element (j, i) of the target is element (i, j) of the source. The
 * rows of either start source_step, or target_step, elements apart, which are at least as many as a row
 * has; what lies behind a row is left alone. Returns a cdemo_status. */
int cdemo_transpose(const double *CDEMO_RESTRICT source, size_t rows, size_t cols,
                    size_t source_step, double *CDEMO_RESTRICT target, size_t target_step);

/* Answers of n first-order filters to constant inputs, from 0 on:
 *
 *     answers[i] += rate * (inputs[i] - answers[i]), `steps` times
 *
 * Either buffer may lie at any address: no alignment is refused. As in many a library with vector
 * code, the fast version is for aligned buffers; others get one that goes from element to element.
 * Both yield the same bits. Writes answers[0..n). Returns a cdemo_status. */
int cdemo_settle(const double *CDEMO_RESTRICT inputs, double *CDEMO_RESTRICT answers, size_t n,
                 size_t steps, double rate);

/* Sum of the responses x[i] / (half + x[i]) for i in [0, n): each is 0.5 where x[i] is `half`, and nears
 * 1 far above it, as binding sites fill up. x[i] and half are concentrations in one unit, half > 0.
 * Returns 0.0 for n == 0, NaN when refused. */
double cdemo_saturation(const double *x, double half, size_t n);

/* What a status means, as a static, null-terminated sentence in ASCII that the caller must not
 * free. A code that is no cdemo_status is called unknown. */
const char *cdemo_describe(int status);

/* Where x is after `steps` steps of the logistic map, x -> r * x * (1 - x) with r = 3.7; x from 0 to 1. */
double cdemo_orbit(double x, size_t steps);

/* The same of x[0..n). Writes ends[0..n). Returns a cdemo_status. */
int cdemo_orbits(const double *CDEMO_RESTRICT x, double *CDEMO_RESTRICT ends, size_t n,
                 size_t steps);

#ifdef __cplusplus
}
#endif

#endif
