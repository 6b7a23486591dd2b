/* The demonstration kernels; kernels.h states what each promises. */
#include "kernels.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

static enum cdemo_status check(const void *pointer, size_t length, size_t alignment)
{
    if (length == 0)
        return CDEMO_OK;
    if (pointer == NULL)
        return CDEMO_NULL;
    return (uintptr_t)pointer % alignment == 0 ? CDEMO_OK : CDEMO_MISALIGNED;
}

/* The first refusal of two buffers of doubles. */
static enum cdemo_status check_both(const double *x, size_t x_length, const double *y,
                                    size_t y_length)
{
    enum cdemo_status status = check(x, x_length, alignof(double));
    return status != CDEMO_OK ? status : check(y, y_length, alignof(double));
}

double cdemo_sum(const double *x, size_t n)
{
    if (check(x, n, alignof(double)) != CDEMO_OK)
        return NAN;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

double cdemo_dot(const double *x, const double *y, size_t n)
{
    if (check_both(x, n, y, n) != CDEMO_OK)
        return NAN;
    double product = 0.0;
    for (size_t i = 0; i < n; i++)
        product += x[i] * y[i];
    return product;
}

int cdemo_axpy(double a, const double *CDEMO_RESTRICT x, double *CDEMO_RESTRICT y, size_t n)
{
    enum cdemo_status status = check_both(x, n, y, n);
    if (status != CDEMO_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
    return CDEMO_OK;
}

int cdemo_row_sweep(const double *CDEMO_RESTRICT matrix, size_t rows, size_t cols,
                    double *CDEMO_RESTRICT sums)
{
    enum cdemo_status status = check_both(matrix, rows * cols, sums, rows);
    if (status != CDEMO_OK)
        return status;
    for (size_t i = 0; i < rows; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < cols; j++)
            sum += matrix[i * cols + j];
        sums[i] = sum;
    }
    return CDEMO_OK;
}

int cdemo_column_sweep(const double *CDEMO_RESTRICT matrix, size_t rows, size_t cols,
                       double *CDEMO_RESTRICT sums)
{
    enum cdemo_status status = check_both(matrix, rows * cols, sums, cols);
    if (status != CDEMO_OK)
        return status;
    for (size_t j = 0; j < cols; j++) {
        double sum = 0.0;
        for (size_t i = 0; i < rows; i++)
            sum += matrix[i * cols + j];
        sums[j] = sum;
    }
    return CDEMO_OK;
}

/* A column in Fortran order lies in memory as a row in C order does. */
int cdemo_column_sweep_fortran(const double *CDEMO_RESTRICT matrix, size_t rows, size_t cols,
                               double *CDEMO_RESTRICT sums)
{
    return cdemo_row_sweep(matrix, cols, rows, sums);
}

int cdemo_stencil(const double *CDEMO_RESTRICT before, double *CDEMO_RESTRICT after, size_t rows,
                  size_t cols, double k)
{
    enum cdemo_status status = check_both(before, rows * cols, after, rows * cols);
    if (status != CDEMO_OK)
        return status;
    if (rows < 3 || cols < 3) { /* all border */
        if (rows * cols > 0)    /* memcpy's pointers may not be null, even for 0 bytes */
            memcpy(after, before, rows * cols * sizeof *after);
        return CDEMO_OK;
    }
    memcpy(after, before, cols * sizeof *after);
    for (size_t i = 1; i < rows - 1; i++) {
        const double *north = before + (i - 1) * cols;
        const double *here = before + i * cols;
        const double *south = before + (i + 1) * cols;
        double *out = after + i * cols;
        out[0] = here[0];
        for (size_t j = 1; j < cols - 1; j++)
            out[j] = here[j]
                     + k * (north[j] + south[j] + here[j - 1] + here[j + 1] - 4.0 * here[j]);
        out[cols - 1] = here[cols - 1];
    }
    memcpy(after + (rows - 1) * cols, before + (rows - 1) * cols, cols * sizeof *after);
    return CDEMO_OK;
}

double cdemo_records_sum(const struct cdemo_record *records, size_t n)
{
    if (check(records, n, alignof(struct cdemo_record)) != CDEMO_OK)
        return NAN;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        if (records[i].id >= 0)
            sum += records[i].value;
    return sum;
}

double cdemo_longest_gap(const float *times, size_t n)
{
    if (check(times, n, alignof(float)) != CDEMO_OK)
        return NAN;
    float longest = 0.0f;
    for (size_t i = 1; i < n; i++) {
        float gap = times[i] - times[i - 1];
        if (gap > longest)
            longest = gap;
    }
    return longest;
}

double cdemo_peak(const double *x, size_t n, ptrdiff_t step)
{
    if (check(x, n, alignof(double)) != CDEMO_OK)
        return NAN;
    double peak = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double each = x[(ptrdiff_t)i * step];
        peak = each > peak ? each : peak;
    }
    return peak;
}

int cdemo_scale_columns(const double *CDEMO_RESTRICT matrix, size_t rows, size_t cols,
                        size_t row_step, size_t column_step,
                        const double *CDEMO_RESTRICT factors, double *CDEMO_RESTRICT scaled)
{
    enum cdemo_status status = check_both(matrix, rows * cols, scaled, rows * cols);
    if (status == CDEMO_OK)
        status = check(factors, cols, alignof(double));
    if (status != CDEMO_OK)
        return status;
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < rows; i++)
            scaled[i * row_step + j * column_step] =
                factors[j] * matrix[i * row_step + j * column_step];
    return CDEMO_OK;
}

int cdemo_transpose(const double *CDEMO_RESTRICT source, size_t rows, size_t cols,
                    size_t source_step, double *CDEMO_RESTRICT target, size_t target_step)
{
    enum cdemo_status status = check_both(source, rows * cols, target, rows * cols);
    if (status != CDEMO_OK)
        return status;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            target[j * target_step + i] = source[i * source_step + j];
    return CDEMO_OK;
}

/* A block of both buffers stays in the fastest cache while all steps pass over it. */
#define SETTLED_AT_ONCE 1024
/* Vector instructions are for loops of a known length: GCC uses them at -O2 only there. */
#define SETTLED_TOGETHER 64

static void settle_aligned(const double *CDEMO_RESTRICT inputs, double *CDEMO_RESTRICT answers,
                           size_t n, double rate)
{
    size_t i = 0;
    for (; i + SETTLED_TOGETHER <= n; i += SETTLED_TOGETHER)
        for (size_t k = 0; k < SETTLED_TOGETHER; k++)
            answers[i + k] += rate * (inputs[i + k] - answers[i + k]);
    for (; i < n; i++)
        answers[i] += rate * (inputs[i] - answers[i]);
}

/* One after the other, moved byte by byte: right at any address, and on any processor. */
static void settle_anywhere(const unsigned char *inputs, unsigned char *answers, size_t n,
                            size_t steps, double rate)
{
    for (size_t i = 0; i < n; i++) {
        double input, answer = 0.0;
        memcpy(&input, inputs + i * sizeof input, sizeof input);
        for (size_t step = 0; step < steps; step++)
            answer += rate * (input - answer);
        memcpy(answers + i * sizeof answer, &answer, sizeof answer);
    }
}

int cdemo_settle(const double *CDEMO_RESTRICT inputs, double *CDEMO_RESTRICT answers, size_t n,
                 size_t steps, double rate)
{
    enum cdemo_status status = check_both(inputs, n, answers, n);
    if (status == CDEMO_NULL || n == 0)
        return status;
    if (status == CDEMO_MISALIGNED) {
        settle_anywhere((const unsigned char *)inputs, (unsigned char *)answers, n, steps, rate);
        return CDEMO_OK;
    }
    memset(answers, 0, n * sizeof *answers);
    for (size_t first = 0; first < n; first += SETTLED_AT_ONCE) {
        size_t block = n - first < SETTLED_AT_ONCE ? n - first : SETTLED_AT_ONCE;
        for (size_t step = 0; step < steps; step++)
            settle_aligned(inputs + first, answers + first, block, rate);
    }
    return CDEMO_OK;
}

double cdemo_saturation(const double *x, double half, size_t n)
{
    if (check(x, n, alignof(double)) != CDEMO_OK)
        return NAN;
    double responses = 0.0;
    for (size_t i = 0; i < n; i++)
        responses += x[i] / (half + x[i]);
    return responses;
}

const char *cdemo_describe(int status)
{
    switch (status) {
    case CDEMO_OK:
        return "no error";
    case CDEMO_NULL:
        return "a pointer is null although its length is above 0";
    case CDEMO_MISALIGNED:
        return "a pointer is not aligned to its element type";
    default:
        return "unknown status";
    }
}

double cdemo_orbit(double x, size_t steps)
{
    for (size_t i = 0; i < steps; i++)
        x = 3.7 * x * (1.0 - x);
    return x;
}

int cdemo_orbits(const double *CDEMO_RESTRICT x, double *CDEMO_RESTRICT ends, size_t n,
                 size_t steps)
{
    int status = check(x, n, alignof(double));
    if (status == CDEMO_OK)
        status = check(ends, n, alignof(double));
    if (status != CDEMO_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        ends[i] = cdemo_orbit(x[i], steps);
    return CDEMO_OK;
}
