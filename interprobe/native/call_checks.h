/* Checks of calls: each looks at a call before and after it, and books facts about its record.
 *
 * A check is one file that registers itself when the module is loaded, as a probe does. It names the
 * traits of the calls that it is about: a call costs nothing for the checks that it is none of.
 */
#ifndef INTERPROBE_CALL_CHECKS_H
#define INTERPROBE_CALL_CHECKS_H

#include "crossings.h"

/* What is known of a call before any check looks at it; or of how it ended: CALL_RAISED,
 * CALL_RETURNS_ARRAYS and CALL_MILESTONE. */
enum call_trait {
    CALL_FIRST = 1,        /* of its record: what holds for all of them is booked now */
    CALL_FOREIGN = 2,      /* of a plain C function */
    CALL_LIVE = 4,         /* a live array stands behind an argument */
    CALL_LAYOUT = 8,       /* an argument, or a pointer inside one, leads to array data that are there */
    CALL_FREED = 16,       /* or to some that were freed */
    CALL_STRIDED = 32,     /* one of its arrays is in no order */
    CALL_READ_ONLY = 64,   /* one is marked as read-only */
    CALL_SUBCLASS = 128,   /* one is of another class than ndarray, or hides elements */
    CALL_KEYWORDS = 256,   /* arguments are named */
    CALL_RAISED = 512,     /* an exception came back */
    CALL_RETURNS_ARRAYS = 1024, /* an array, or a tuple */
    CALL_LASTING = 2048,   /* its record's last call took over a millisecond, or there was none */
    CALL_MILESTONE = 4096, /* brought its record's time to a power of two, from a millisecond on */
    CALL_KINDS = 8192,     /* all combinations of these */
    CALL_COPIED = 8192,    /* copies were made inside of it; for counterfactuals (what_if.h) alone */
    CALL_OPERATION = 16384, /* no crossing, but an operation of NumPy's own; likewise */
};

/* A call that is about to begin. Valid while `before` runs. */
typedef struct {
    const callee *to;
    uint64_t serial;                /* of the crossing: crossings_innermost while it is in flight */
    const call_ticket *ticket;      /* is_first: what holds for all calls of the record is booked now */
    int count;                      /* of `arguments`; the first `given` are the call's own */
    int given;
    const call_argument *arguments; /* the others are pointers inside the memory of one of those */
    PyArrayObject *const *arrays;   /* behind each of the first `given`; NULL: no live one. Borrowed */
} begun_call;

/* Whether C may get another array at a position than the call was given. */
static inline bool
call_converts(const begun_call *call, int position)
{
    const foreign_binding *foreign = call->to->foreign;
    return foreign != NULL && foreign->converts != NULL &&
           foreign->converts(call->to->callable, position);
}

/* Calls that have all of some traits, and any of others. */
typedef struct {
    unsigned all;
    unsigned any; /* 0: whatever they have besides */
} call_kind;

typedef struct call_check {
    /* What `before` keeps for `after`, in bytes: it lies on the C stack, at most CALL_CHECKS_MEMORY
     * for all checks, aligned to 8, not cleared. */
    size_t memory;
    /* Both run with the GIL, and leave a set exception set. `before` runs no Python code, unless it
     * is the record's first call; `after` runs none. Either may be NULL. */
    bool (*before)(const begun_call *call, void *memory); /* whether `after` is to look at this call */
    /* `result`: NULL where the callee raised; borrowed. The callee's arguments are still alive. */
    void (*after)(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result,
                  void *memory);
    call_kind looks_at; /* by what is known when they begin */
    call_kind ends_at;  /* of a check without `before`, by what is known when they end */
    bool is_off;        /* it looks at no call for now: call_check_switch */
    size_t offset;      /* of its memory; set when registered */
} call_check;

#define CALL_CHECKS 16 /* at most */

/* Registers a check; where there is no room for it, loading the module fails loudly. */
void call_check_register(call_check *check);

/* Has a check look at calls that begin from now on, or leave them alone. GIL held. */
void call_check_switch(call_check *check, bool on);

#define REGISTER_CALL_CHECK(variable)                                  \
    __attribute__((constructor)) static void register_##variable(void) \
    {                                                                  \
        call_check_register(&(variable));                              \
    }

/* All checks, and by a call's traits which of them look at it, as bits. */
extern const call_check *call_checks[CALL_CHECKS];
extern uint16_t call_checks_before[CALL_KINDS], call_checks_after[CALL_KINDS];

#endif
