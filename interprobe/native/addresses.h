/* Which array lay behind an address that the program was given as a bare number. */
#ifndef INTERPROBE_ADDRESSES_H
#define INTERPROBE_ADDRESSES_H

#include "layout.h"
#include "places.h"

#define ADDRESS_DIMENSIONS 16 /* arrays of more are not remembered */

/* A layout that stands on its own: nothing in it is borrowed from an array. */
typedef struct {
    layout is; /* shape, strides and name point into the members below; there is no descriptor */
    npy_intp extents[2 * ADDRESS_DIMENSIONS]; /* lengths, then strides */
    char type_name[sizeof((stored_layout *)0)->dtype];
    uint64_t freed; /* serial number of the block that it lay in; 0: the array's memory lives */
} kept_layout;

/* What the program got with an address; an array's later ways out count if they leave it freer. */
enum address_hold {
    ADDRESS_KEPT, /* what keeps the array alive, and shows no address */
    ADDRESS_HELD, /* a pointer that keeps the array alive; copies of the pointer do not */
    ADDRESS_BARE, /* a number, which keeps nothing alive */
};

/* How an address came to the program. */
typedef struct {
    const char *manner; /* a static string */
    enum address_hold hold;
    place_id place; /* the user's line, or the innermost one */
} address_gift;

/* What is known of an address that was given away. */
typedef struct {
    kept_layout kept;
    address_gift gift;
    bool passed; /* a call was given the address while the array lived */
} given_address;

enum address_match {
    ADDRESS_EXACT = 0,    /* the address itself was given away */
    ADDRESS_INTERIOR = 1, /* or it lies in the memory of an array whose address was */
};

/* Remembers how `array` lies, which the caller has read, under the address of its first element,
 * without keeping the array alive. The oldest of what is remembered gives way. A set exception stays
 * set. GIL held. */
void addresses_note(PyArrayObject *array, const layout *given, const address_gift *gift);

/* The program has got the bare number of an address that addresses_note knows. GIL held. */
void addresses_note_bare(uintptr_t address, const char *manner);

/* Fills `out` with what was given away of a block of `bytes` bytes: preferably the largest array at
 * its start. False where no address that could outlive it is remembered. GIL held. */
bool addresses_of_block(const void *block, uint64_t bytes, uint64_t serial, given_address *out);

/* Fills `out` with what lies at `address`, or lay there, if the freed memory is in quarantine
 * (`out->freed`). False where nothing is known, where the memory was freed since (whatever has taken
 * its place), and where arrays of different kinds were given away there: a number does not say which
 * of them it was meant for. Runs no Python code. GIL held. */
bool addresses_find(uintptr_t address, enum address_match match, kept_layout *out);

/* The end of the memory that NumPy allocated around an address which was given away, as long as it
 * lives; 0 where that is not known. `read_only` is then set to whether the array that holds the memory
 * was marked so when the address was last given away. Runs no Python code. GIL held. */
uintptr_t addresses_memory_end(uintptr_t address, bool *read_only);

/* Makes a layout stand on its own; it must have at most ADDRESS_DIMENSIONS dimensions. */
void addresses_keep_layout(kept_layout *to, const layout *now);

/* The same without the name of its type, which takes longer than all the rest. */
void addresses_keep_steps(kept_layout *to, const layout *now);

/* Copies such a layout. */
void addresses_copy_layout(kept_layout *to, const kept_layout *from);

/* Forgets all, and gives back what is in quarantine. GIL held. */
void addresses_forget(void);

#endif
