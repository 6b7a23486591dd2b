/* Calls that read, write, only compare, or hand out memory. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct job {
    const double *data;
    size_t count;
    double result;
};

double
sum_of(const double *x, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        total += x[i];
    }
    return total;
}

double
sum_at(uintptr_t address, size_t n)
{
    return sum_of((const double *)address, n);
}

void
fill_with(double *x, size_t n, double value)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = value;
    }
}

void
run_job(struct job *job)
{
    job->result = sum_of(job->data, job->count);
}

void
destroy_job(struct job *job)
{
    job->count = 0;
}

double
sum_of_rows(const double *const *rows, size_t count, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        total += sum_of(rows[i], n);
    }
    return total;
}

int
unregister_buffer(const void *buffer)
{
    return buffer != NULL;
}

/* Memory of the caller's own, to be released with release_values. */
double *
make_values(size_t n, double value)
{
    double *x = malloc(n * sizeof *x);
    if (x != NULL) {
        fill_with(x, n, value);
    }
    return x;
}

void
release_values(double *x)
{
    free(x);
}

/* Always the same memory. */
double *
shared_values(size_t n)
{
    static double *values;
    static size_t count;
    if (count < n) {
        free(values);
        values = make_values(n, 1.0);
        count = n;
    }
    return values;
}
