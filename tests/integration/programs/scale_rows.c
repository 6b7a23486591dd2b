/* What scale_rows.pyf has f2py wrap; also a plain C library, for ctypes and cffi. */

void
scale(double *values, int n, double factor)
{
    for (int i = 0; i < n; i++) {
        values[i] *= factor;
    }
}

int
scale_status(double *values, int n, double factor)
{
    scale(values, n, factor);
    return 0;
}

double
largest(double *values, int n)
{
    double found = values[0];
    for (int i = 0; i < n; i++) {
        found = values[i] > found ? values[i] : found;
        values[i] = found; /* its scratch space */
    }
    return found;
}
