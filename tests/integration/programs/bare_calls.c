/* Functions that end their process unless each argument is as it was passed. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    double x, y;
} point;

static void
demand(int is_as_passed)
{
    if (!is_as_passed) {
        abort();
    }
}

double
take_mixed(int8_t a, double b, uint16_t c, float d, const double *e, int64_t f, float g, size_t h)
{
    demand(a == -7 && b == 2.5 && c == 65535 && d == 0.1f && f == -(INT64_C(1) << 40) && g == 3.0f &&
           h == 4);
    demand(e[0] == 1.0 && e[3] == 4.0);
    return b;
}

void
take_nothing_declared(int a, const double *b, double c)
{
    demand(a == -3 && b[1] == 2.0 && c == 0.5);
}

double
take_record(const point *where, const char *text, const void *none)
{
    demand(where->x == 1.0 && where->y == 2.0 && text[0] == 'a' && none == NULL);
    return where->x;
}

int
take_many(int a, int b, int c, int d, int e, int f, int g)
{
    demand(a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7);
    return g;
}

point
return_record(double x)
{
    return (point){x, x};
}

long double
return_long(double x)
{
    return x;
}
