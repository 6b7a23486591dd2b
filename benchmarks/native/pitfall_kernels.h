/* What the pitfalls' functions compute: a kernel as fast as memory, and one with as much work as asked. */
#ifndef PITFALL_KERNELS_H
#define PITFALL_KERNELS_H

#include <stddef.h>

/* The sum of n values. With `rounds`, so many steps of arithmetic for each of them. */
static double total_of(const double *values, size_t n, int rounds)
{
    double sums[4] = {0.0, 0.0, 0.0, 0.0};
    for (size_t i = 0; i < n; i++) {
        double value = values[i];
        for (int round = 0; round < rounds; round++) {
            value = value * 0.75 + 0.5;
        }
        sums[i % 4] += value;
    }
    return sums[0] + sums[1] + sums[2] + sums[3];
}

#endif
