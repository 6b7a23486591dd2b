/* Guard mode: on while some recording wants it. */
#ifndef INTERPROBE_GUARD_MODE_H
#define INTERPROBE_GUARD_MODE_H

#include "ledger.h"

/* Has new array data guarded, and what is found written into `book`. `at_start`: at their start, where
 * that is not decided by a recording that has guard mode on already. Returns NULL, or why it cannot be.
 * GIL held. */
const char *guard_mode_begin(ledger *book, bool at_start);

/* Ends what guard_mode_begin began; does nothing where that is over. GIL held. */
void guard_mode_end(ledger *book);

/* A forked child goes on for the ledgers that are in files. */
void guard_mode_in_child(void);

#endif
