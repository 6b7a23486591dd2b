/* Kernels that believe different things of the layout of what they are given. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

double total(const double *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

void fill(double *x, size_t n, double value)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = value;
    }
}

double total_single(const float *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

/* As BLAS takes vectors: the step counts elements. */
double total_stepped(size_t n, const double *x, ptrdiff_t step)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += x[(ptrdiff_t)i * step];
    }
    return sum;
}

/* As Fortran takes everything: by address. */
double total_fortran(const int *n, const double *x, const int *step)
{
    return total_stepped((size_t)*n, x, *step);
}

double total_matrix(const double *x, size_t rows, size_t columns)
{
    return total(x, rows * columns);
}

/* x[0][1] of a matrix in C order. */
double beside(const double *x, size_t rows, size_t columns)
{
    (void)rows, (void)columns;
    return x[1];
}

/* As image libraries do: bytes from row to row. */
double total_image(const uint8_t *pixels, int width, int height, int row_bytes)
{
    double sum = 0.0;
    for (int row = 0; row < height; row++) {
        for (int column = 0; column < width; column++) {
            sum += pixels[(ptrdiff_t)row * row_bytes + column];
        }
    }
    return sum;
}

/* Bytes left out behind each row. */
double total_skipping(const uint8_t *pixels, int width, int height, int skip)
{
    return total_image(pixels, width, height, width + skip);
}

double total_general(const char *x, int dimensions, const ptrdiff_t *shape, const ptrdiff_t *strides)
{
    double sum = 0.0;
    if (dimensions == 0) {
        memcpy(&sum, x, sizeof sum);
        return sum;
    }
    for (ptrdiff_t i = 0; i < shape[0]; i++) {
        sum += total_general(x + i * strides[0], dimensions - 1, shape + 1, strides + 1);
    }
    return sum;
}

struct view {
    const double *first;
    ptrdiff_t length;
    ptrdiff_t step_bytes;
};

double total_view(const struct view *view)
{
    return total_general((const char *)view->first, 1, &view->length, &view->step_bytes);
}

double norm_of_three(const double *x)
{
    return x[0] * x[0] + x[1] * x[1] + x[2] * x[2];
}

double total_points(const double *x, size_t points)
{
    return total(x, 3 * points);
}

/* A step that another call has set. */
double total_with(void *settings, const double *x, size_t n)
{
    return total_stepped(n, x, settings == NULL ? 1 : *(int *)settings);
}

/* A checksum of memory, whatever lies there. */
uint64_t checksum(const void *memory, size_t bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i++) {
        sum += ((const unsigned char *)memory)[i];
    }
    return sum;
}

uint64_t checksum_items(const void *memory, size_t size, size_t count)
{
    return checksum(memory, size * count);
}

void swap_doubles(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t word;
        memcpy(&word, &x[i], sizeof word);
        word = __builtin_bswap64(word);
        memcpy(&x[i], &word, sizeof word);
    }
}

struct sample {
    int32_t id;
    double value;
};

double total_samples(const struct sample *samples, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += samples[i].value;
    }
    return sum;
}

/* Records of any size that begin with an id. */
int64_t total_ids(const void *records, size_t n, size_t record_size)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += *(const int32_t *)((const char *)records + i * record_size);
    }
    return sum;
}

/* Sums what is not missing. */
double total_present(const double *x, size_t n, double missing)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] == missing ? 0.0 : x[i];
    }
    return sum;
}

double total_unmasked(const double *x, const uint8_t *mask, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += mask[i] ? 0.0 : x[i];
    }
    return sum;
}
