/* What the checks of arguments keep of a record from one call to the next, in a bounded table.
 *
 * A record's key holds the kinds of its arguments, so which of them are integers and which are
 * pointers is found out once. A history that gives way to another is built anew: facts are booked by
 * their extremes, so nothing is counted wrongly by that.
 */
#ifndef INTERPROBE_CALL_HISTORY_H
#define INTERPROBE_CALL_HISTORY_H

#include "call_checks.h"

enum {
    COMPARED_INTEGERS = 12, /* integer arguments that are compared; further ones are passed over */
    LENGTH_INTEGERS = 6,    /* of these may state lengths */
    CALL_POINTERS = 6,
    CALL_LENGTHS = 10, /* integers, and products of two or three neighbouring ones */
};

/* One number of elements that a call's integers may state. */
typedef struct {
    int8_t first;   /* in `integer_at` */
    int8_t factors; /* 1 to 3 */
} stated_length;

/* How a stated length compared with the memory behind one pointer, so far; 0: it never did so. */
typedef struct {
    int64_t most_equal, least_equal;
    int64_t most_over;
} length_relation;

typedef struct {
    uint64_t ledger; /* serial of the first ledger that has the record; 0: the history is empty */
    entry_offset entry;
    bool foreign; /* C functions, which take addresses; else only read-only arrays are `pointers` */
    bool calls_back;
    bool runs_python; /* after C's code, in the call: what it changes is not C's doing */
    int8_t integers, pointers, lengths;
    int8_t integer_at[COMPARED_INTEGERS]; /* positions in the call */
    int8_t pointer_at[CALL_POINTERS];
    size_t element[CALL_POINTERS]; /* bytes */
    /* call_lengths.c */
    stated_length stated[CALL_LENGTHS];
    length_relation relations[CALL_LENGTHS][CALL_POINTERS];
    int64_t last_values[COMPARED_INTEGERS];
    uint64_t last_bytes[CALL_POINTERS];
    /* integer_cuts.c */
    int64_t least_fitting[COMPARED_INTEGERS], most_fitting[COMPARED_INTEGERS];
    int64_t largest[COMPARED_INTEGERS], least[COMPARED_INTEGERS];
    /* call_contents.c */
    int64_t credit; /* ticks that may be spent on looking; contents_after says what was */
    int64_t due;    /* the credit from which on a look may be worth a thought */
    int64_t enough; /* no more is kept: what one look at all bytes costs */
    uint32_t looks, full_looks, overlap_looks;
} call_history;

/* A call whose arguments are compared; valid while `before` runs. */
typedef struct {
    const begun_call *call;
    call_history *history;
    int64_t values[COMPARED_INTEGERS];
    uintptr_t passed[CALL_POINTERS];          /* the address that C gets */
    uintptr_t low[CALL_POINTERS], high[CALL_POINTERS]; /* of the array's own elements */
} compared_call;

static inline const call_argument *
pointer_argument(const compared_call *now, int pointer)
{
    return &now->call->arguments[now->history->pointer_at[pointer]];
}

/* Bytes from where the pointer points to the end of the array; 0: it points outside of it. */
static inline uint64_t
pointer_bytes(const compared_call *now, int pointer)
{
    uintptr_t at = now->passed[pointer];
    return at >= now->low[pointer] && at < now->high[pointer] ? now->high[pointer] - at : 0;
}

/* The elements that a stated length claims; 0: it claims none. */
int64_t stated_elements(const compared_call *now, const stated_length *length);

/* The checks. */
void lengths_compare(compared_call *now);
void integers_learn(compared_call *now);
void integers_compare(compared_call *now);

/* Who holds the memory that an array shows: call_memory.c. */
typedef enum {
    HELD_BY_NUMPY, /* an array that owns it */
    HELD_BY_BYTES, /* an object whose contents nobody may change */
    HELD_BY_OTHERS,
} memory_holder;

typedef struct {
    memory_holder holder;
    bool writeable;      /* the holder's flag */
    uintptr_t low, high; /* of the memory as a whole; 0: not known */
} held_memory;

/* The memory around pointer number `pointer` of a call. Runs no Python code. */
held_memory memory_behind(const compared_call *now, int pointer);

#define CONTENTS_MEMORY 448 /* bytes that call_contents.c keeps of a call */
#define CONTENTS_SHARE 6    /* a 64th of the time of calls may go into looks at contents */

/* Whether a call is looked at whatever its record has earned. */
bool contents_are_always_due(const compared_call *now);

/* Looks at the arrays of a call, if that is due; whether it did. contents_after looks again, and returns
 * the ticks that both took. */
bool contents_before(compared_call *now, void *memory);
uint64_t contents_after(const call_ticket *ticket, void *memory);

/* Whether recordings ask for full looks at all contents, whatever that costs. */
void contents_look_fully(bool fully);

#endif
