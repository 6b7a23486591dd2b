/* Puts arguments where the calling convention has them, and calls. */
#include "bare_calls.h"

#include <string.h>

bool
bare_calls_are_possible(void)
{
#if (defined(__x86_64__) && !defined(_WIN32) && !defined(__ILP32__)) || defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

bool
bare_call_add_integer(bare_call *call, int64_t value)
{
    bool fits = call->integers < BARE_INTEGERS;
    if (fits) {
        call->integer[call->integers++] = value;
    }
    return fits;
}

bool
bare_call_add_double(bare_call *call, double value)
{
    bool fits = call->floats < BARE_FLOATS;
    if (fits) {
        call->single[call->floats++] = value;
    }
    return fits;
}

bool
bare_call_add_float(bare_call *call, float value)
{
    double holding = 0;
    memcpy(&holding, &value, sizeof value); /* both machines are little-endian */
    return bare_call_add_double(call, holding);
}

/* The function's own type is another: a callee reads the registers that it declares, and no others. */
typedef void (*any_function)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, double, double,
                             double, double, double, double, double, double);

#if defined(__clang__) || __GNUC__ >= 8
__attribute__((no_sanitize("undefined")))
#endif
void
bare_call_make(const bare_call *call, int times)
{
    any_function function;
    memcpy(&function, &call->function, sizeof function);
    const int64_t *i = call->integer;
    const double *f = call->single;
    for (int each = 0; each < times; each++) {
        function(i[0], i[1], i[2], i[3], i[4], i[5], f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]);
    }
}
