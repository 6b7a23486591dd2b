/* Smooths with a workspace that is got anew at each call, or kept. */
#include <stdlib.h>
#include <string.h>

static double smooth(const double *values, size_t count, double *work)
{
    double sum = 0.0;
    memcpy(work, values, count * sizeof *work);
    for (size_t i = 1; i < count; i++) {
        work[i] = 0.5 * (work[i] + work[i - 1]);
        sum += work[i];
    }
    return sum;
}

double smooth_anew(const double *values, size_t count)
{
    double *work = malloc(count * sizeof *work);
    double sum = smooth(values, count, work);
    free(work);
    return sum;
}

double smooth_kept(const double *values, size_t count)
{
    static double *work;
    static size_t room;
    if (count > room) {
        free(work);
        work = malloc(count * sizeof *work);
        room = count;
    }
    return smooth(values, count, work);
}

void fill(double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (double)i;
    }
}
