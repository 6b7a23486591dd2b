/* Which guarded blocks the call in flight of a thread was given. */
#ifndef INTERPROBE_GUARD_CROSSINGS_H
#define INTERPROBE_GUARD_CROSSINGS_H

#include "guard_blocks.h"

typedef struct {
    guard_block *block; /* or NULL: a number that is an address in no guarded block */
    uint64_t serial;    /* of the block then */
    int position;
} guarded_argument;

typedef struct {
    record_ticket record;
    int count;
    guarded_argument arguments[CALL_ARGUMENTS];
} guarded_crossing;

/* Looks at calls that begin from now on, or no longer. GIL held. */
void guard_crossings_watch(bool on);

/* The innermost call of this thread; NULL where it is in none. For handlers of signals as well. */
const guarded_crossing *guard_crossings_innermost(void);

#endif
