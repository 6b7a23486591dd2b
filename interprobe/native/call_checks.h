/* Checks of calls: each looks at a call before and after it, and books facts about its record.
 *
 * A check is one file that registers itself when the module is loaded, as a probe does.
 */
#ifndef INTERPROBE_CALL_CHECKS_H
#define INTERPROBE_CALL_CHECKS_H

#include "crossings.h"

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

typedef struct call_check {
    /* What `before` keeps for `after`, in bytes: it lies on the C stack, at most CALL_CHECKS_MEMORY
     * for all checks, aligned to 8, not cleared. */
    size_t memory;
    /* Both run with the GIL, and leave a set exception set. `before` runs no Python code, unless it
     * is the record's first call; `after` runs none. Either may be NULL. */
    void (*before)(const begun_call *call, void *memory);
    /* `result`: NULL where the callee raised; borrowed. The callee's arguments are still alive. */
    void (*after)(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result,
                  void *memory);
    size_t offset; /* of its memory; set when registered */
    struct call_check *next;
} call_check;

/* Registers a check; where CALL_CHECKS_MEMORY does not suffice, loading the module fails loudly. */
void call_check_register(call_check *check);

#define REGISTER_CALL_CHECK(variable)                                  \
    __attribute__((constructor)) static void register_##variable(void) \
    {                                                                  \
        call_check_register(&(variable));                              \
    }

extern call_check *call_checks;

#endif
