/* Calls a C function as compiled code does, with values that were converted once. */
#ifndef INTERPROBE_BARE_CALLS_H
#define INTERPROBE_BARE_CALLS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BARE_INTEGERS = 6, /* arguments that the calling conventions of x86-64 (System V) and AArch64 pass in */
    BARE_FLOATS = 8,   /* registers, each kind in its own, whatever order both are declared in */
};

typedef struct bare_call {
    void *function;
    int integers, floats; /* how many there are */
    int64_t integer[BARE_INTEGERS]; /* and addresses */
    double single[BARE_FLOATS];     /* a float lies in the lower half of its register */
} bare_call;

/* Whether functions can be called like that on this machine. */
bool bare_calls_are_possible(void);

/* Each adds an argument; false where the registers are used up. */
bool bare_call_add_integer(bare_call *call, int64_t value);
bool bare_call_add_double(bare_call *call, double value);
bool bare_call_add_float(bare_call *call, float value);

/* Calls the function so many times. What it returns is left where it is: it must be no struct and no long
 * double. */
void bare_call_make(const bare_call *call, int times);

#endif
