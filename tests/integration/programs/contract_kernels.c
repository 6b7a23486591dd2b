/* Kernels that keep their contract only if the caller does, and a few that do not keep theirs. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

double total(const double *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

double grid_total(const double *grid, size_t rows, size_t cols)
{
    return total(grid, rows * cols);
}

/* y[i] += x[i], whatever the two have to do with each other. */
void add_to(double *y, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

void add_to_other(double *restrict y, const double *restrict x, size_t n)
{
    add_to(y, x, n);
}

void move(double *to, const double *from, size_t n)
{
    memmove(to, from, n * sizeof *to);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts its input, which it promised to leave alone. */
double median(const double *x, size_t n)
{
    qsort((double *)x, n, sizeof *x, ascending);
    return x[n / 2];
}

int count_int(const double *x, int n)
{
    return n;
}

/* Fills x with pseudo-random numbers; the length is agreed upon. */
void fill_16(double *x, unsigned long seed)
{
    for (int i = 0; i < 16; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x[i] = (double)(seed >> 33);
    }
}

/* Of n real numbers the n / 2 + 1 first sums of pairs: as short as a real FFT's result. */
void half(const double *in, double *out, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        out[i] = in[2 * i] + in[2 * i + 1];
    }
    out[n / 2] = in[n - 1];
}

/* Histogram of x[0..n) in bins[0..count). */
void histogram(const double *x, size_t n, int64_t *bins, size_t count)
{
    for (size_t i = 0; i < n; i++) {
        bins[(size_t)x[i] % count]++;
    }
}

/* BLAS's way: y += a * x, with increments. */
void daxpy(int n, double a, const double *x, int incx, double *y, int incy)
{
    for (int i = 0; i < n; i++) {
        y[i * incy] += a * x[i * incx];
    }
}

/* Writes at most `capacity` values; -1: as many as there are. */
int read_values(double *out, int capacity)
{
    int n = capacity < 0 || capacity > 3 ? 3 : capacity;
    for (int i = 0; i < n; i++) {
        out[i] = i;
    }
    return n;
}

uint32_t checksum(const void *data, size_t nbytes)
{
    uint32_t sum = 1;
    for (size_t i = 0; i < nbytes; i++) {
        sum = sum * 31 + ((const unsigned char *)data)[i];
    }
    return sum;
}

/* Calls back between reading and returning. */
double each(const double *x, size_t n, void (*visit)(double))
{
    for (size_t i = 0; i < n; i++) {
        visit(x[i]);
    }
    return x[0];
}
