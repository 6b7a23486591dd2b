/* Kernels that are told of strides, each in its own way. */
#include <stddef.h>

double peak(const double *x, size_t n, ptrdiff_t step)
{
    double most = x[0];
    for (size_t i = 0; i < n; i++) {
        most = x[(ptrdiff_t)i * step] > most ? x[(ptrdiff_t)i * step] : most;
    }
    return most;
}

double peak_bytes(const char *x, ptrdiff_t step, size_t n)
{
    double most = *(const double *)x;
    for (size_t i = 0; i < n; i++) {
        double each = *(const double *)(x + (ptrdiff_t)i * step);
        most = each > most ? each : most;
    }
    return most;
}

float total_short(const float *x, int n, short step)
{
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        sum += x[i * step];
    }
    return sum;
}

/* As Fortran takes everything: by address. */
double peak_behind(const double *x, const int *n, const int *step)
{
    return peak(x, (size_t)*n, *step);
}

double peak_until(const double *x, ptrdiff_t end, ptrdiff_t step, size_t n)
{
    double most = x[0];
    for (ptrdiff_t i = 0; i < end; i += step) {
        most = x[i] > most ? x[i] : most;
    }
    return n == 0 ? 0.0 : most;
}

/* Its step is known by the one who made the handle. */
double peak_with(const int *handle, const double *x, size_t n, ptrdiff_t step)
{
    return peak(x, n, handle == NULL ? step : *handle);
}

double peak_flagged(const double *x, size_t n, ptrdiff_t step, int flag)
{
    return flag == 0 ? 0.0 : peak(x, n, step);
}

double dot(const double *x, ptrdiff_t x_step, const double *y, ptrdiff_t y_step, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += x[(ptrdiff_t)i * x_step] * y[(ptrdiff_t)i * y_step];
    }
    return sum;
}

/* A matrix of so many columns: the number is no step. */
double total_rows(const double *x, size_t rows, size_t columns)
{
    double sum = 0.0;
    for (size_t i = 0; i < rows * columns; i++) {
        sum += x[i];
    }
    return sum;
}

double peak_matrix(const char *x, size_t rows, size_t columns, ptrdiff_t down, ptrdiff_t along)
{
    double most = *(const double *)x;
    for (size_t i = 0; i < rows; i++) {
        double each = peak_bytes(x + (ptrdiff_t)i * down, along, columns);
        most = each > most ? each : most;
    }
    return most;
}

double peak_elements(const double *x, size_t rows, size_t columns, ptrdiff_t down, ptrdiff_t along)
{
    return peak_matrix((const char *)x, rows, columns, 8 * down, 8 * along);
}

/* The same, with the answer somewhere else. */
void put_peak_matrix(const char *x, size_t rows, size_t columns, ptrdiff_t down, ptrdiff_t along,
                     float *out)
{
    *out = (float)peak_matrix(x, rows, columns, down, along);
}

void sum_columns(const char *x, size_t rows, size_t columns, ptrdiff_t down, float *out)
{
    for (size_t k = 0; k < columns; k++) {
        double sum = 0.0;
        for (size_t i = 0; i < rows; i++) {
            sum += *(const double *)(x + (ptrdiff_t)i * down + 8 * k);
        }
        out[k] = (float)sum;
    }
}

/* Writes y, and says how much it wrote. */
int scale(const double *x, ptrdiff_t x_step, double *y, ptrdiff_t y_step, int n)
{
    for (int i = 0; i < n; i++) {
        y[i * y_step] = 2.0 * x[i * x_step];
    }
    return n;
}
