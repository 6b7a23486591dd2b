/* Which array lay behind an address that the program was given as a bare number. */
#ifndef INTERPROBE_ADDRESSES_H
#define INTERPROBE_ADDRESSES_H

#include "layout.h"

#define ADDRESS_DIMENSIONS 16 /* arrays of more are not remembered */

/* A layout that stands on its own: nothing in it is borrowed from an array. */
typedef struct {
    layout is; /* shape, strides and name point into the members below; there is no descriptor */
    npy_intp extents[2 * ADDRESS_DIMENSIONS]; /* lengths, then strides */
    char type_name[sizeof((stored_layout *)0)->dtype];
} kept_layout;

enum address_match {
    ADDRESS_EXACT = 0,    /* the address itself was given away */
    ADDRESS_INTERIOR = 1, /* or it lies in the memory of an array whose address was */
};

/* Remembers how `array` lies, which the caller has read, under the address of its first element,
 * without keeping the array alive. The oldest of what is remembered gives way. A set exception stays set. GIL held. */
void addresses_note(PyArrayObject *array, const layout *given);

/* Fills `out` with what lies at `address`; false where nothing is known, where the memory was freed
 * since (whatever has taken its place), and where arrays of different kinds were given away there:
 * a number does not say which of them it was meant for. Runs no Python code. GIL held. */
bool addresses_find(uintptr_t address, enum address_match match, kept_layout *out);

/* The end of the memory that NumPy allocated around an address which was given away, as long as it
 * lives; 0 where that is not known. Runs no Python code. GIL held. */
uintptr_t addresses_memory_end(uintptr_t address);

/* Forgets all. GIL held. */
void addresses_forget(void);

#endif
