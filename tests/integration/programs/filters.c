/* The functions of filters.f90 in C, for f2py to wrap where no Fortran compiler is. */

double
total(const double *values, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += values[i];
    }
    return sum;
}

double
doubled(double x)
{
    return 2 * x;
}
