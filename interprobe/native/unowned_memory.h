/* Arrays over memory that nobody owns: who makes them, and whether the memory piles up. */
#ifndef INTERPROBE_UNOWNED_MEMORY_H
#define INTERPROBE_UNOWNED_MEMORY_H

#include "ledger.h"

/* Looks at an array that NumPy has just made of a foreign object's memory. `manner` is a static string.
 * A set exception stays set; runs no Python code. GIL held. */
void unowned_memory_wrapped(PyArrayObject *array, const char *manner);

/* Books what has piled up for the ledger, which is about to be closed. GIL held. */
void unowned_memory_conclude(ledger *book);

#endif
