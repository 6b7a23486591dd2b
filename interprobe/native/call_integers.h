/* The integers that a foreign function is given, by value or behind a pointer: lengths and strides. */
#ifndef INTERPROBE_CALL_INTEGERS_H
#define INTERPROBE_CALL_INTEGERS_H

#include <Python.h>

#include "layout.h"

#include <stdbool.h>
#include <stdint.h>

#define CALL_INTEGERS 48 /* of one call; further ones are passed over */

typedef enum {
    BY_VALUE,    /* the argument is the integer */
    BY_POINTER,  /* it points to the integer, as Fortran takes its arguments */
    IN_A_ROW,    /* it points to several integers: a shape, strides */
    IN_MEMORY,   /* it points to memory that holds this word, which may be anything */
} integer_manner;

typedef struct {
    int64_t value;
    int position; /* of the argument, from 0 */
    integer_manner manner;
} call_integer;

typedef struct {
    int count;
    bool opaque;  /* an argument leads to memory that nobody here knows: a handle */
    int position; /* of the argument that is being looked at */
    call_integer of[CALL_INTEGERS];
} call_integers;

static inline void
integers_add(call_integers *to, int64_t value, integer_manner manner)
{
    if (to->count < CALL_INTEGERS) {
        to->of[to->count++] = (call_integer){value, to->position, manner};
    }
}

/* Adds one integer of `size` bytes at `memory`. */
void integers_add_at(call_integers *to, const char *memory, Py_ssize_t size, bool is_signed,
                     integer_manner manner);

/* Adds the elements of an array that is a length, a shape or strides: integers, and few. */
void integers_add_array(call_integers *to, const layout *is);

/* Adds the words of memory that may be integers, as 8 bytes and as 4. */
void integers_add_words(call_integers *to, const char *memory, Py_ssize_t size);

/* Adds what a Python integer or one of NumPy's is; false where the object is neither. Runs no Python
 * code; a set exception stays set. */
bool integers_add_number(call_integers *to, PyObject *number);

#endif
