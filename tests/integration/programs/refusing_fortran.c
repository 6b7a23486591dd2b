/* The subroutines of refusing_fortran.pyf: f2py's wrappers refuse arrays before these are reached. */
static double sum(const double *values, int count)
{
    double result = 0.0;
    for (int i = 0; i < count; i++) {
        result += values[i];
    }
    return result;
}

void total(const double *values, int n, double *result) { *result = sum(values, n); }

void triple(const double *values, double *result) { *result = sum(values, 3); }

void table(const double *values, int n, int m, double *result) { *result = sum(values, n * m); }

void double_in_place(double *values, int n, int m)
{
    for (int i = 0; i < n * m; i++) {
        values[i] *= 2;
    }
}
