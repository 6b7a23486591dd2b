/* The pitfalls' kernel as a plain C library, for ctypes and cffi. */
#include "pitfall_kernels.h"

/* The sum of n values, after so many steps of arithmetic with each. */
double total(const double *values, size_t n, int rounds)
{
    return total_of(values, n, rounds);
}
