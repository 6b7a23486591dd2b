/* What could be different about a call: counterfactuals, which replay.c measures in a forked child.
 *
 * Each is one file that registers itself, as a check of calls does. It says which arguments of a call it
 * would replace, and, in the child, by which arrays.
 */
#ifndef INTERPROBE_WHAT_IF_H
#define INTERPROBE_WHAT_IF_H

#include "call_checks.h"

/* A call that has ended well. Its arguments are still there; all is borrowed. */
typedef struct {
    const callee *to;
    const call_ticket *ticket;
    uint64_t serial; /* of the crossing */
    uint64_t ticks;  /* that it took */
    int count;      /* of its arguments, CALL_ARGUMENTS at most */
    PyArrayObject *arrays[CALL_ARGUMENTS]; /* behind each argument; NULL: no live one */
    layout layouts[CALL_ARGUMENTS];        /* of those arrays */
} ended_call;

typedef struct what_if {
    const char *change; /* its name in the trace: replays.py */
    call_kind concerns; /* calls that may be worth the question, by their traits */
    unsigned never;     /* traits of calls that it says nothing about */
    /* The arguments that would be replaced, as bits; 0: none, the question is pointless. In the program's
     * process, with the GIL; runs no Python code, sets no exception. */
    uint32_t (*applies)(const ended_call *call);
    /* In the child: the array that takes the place of the one behind an argument; a new reference. Same
     * shape and the same values, unless the change is about these. NULL: it cannot be made. */
    PyArrayObject *(*instead)(const ended_call *call, int position);
    /* The arrays that it makes may have other strides. A plain C function is then told the new ones where
     * it was told the old ones, and else not asked. */
    bool changes_strides;
    /* Or, where the question is what a conversion before the call costs: makes the array behind an
     * argument anew, as the program did before the call. Then the call with that is the one as it was. */
    PyArrayObject *(*again)(const ended_call *call, int position);
    /* With `again`: the array that it reads; borrowed. In the child. */
    PyArrayObject *(*reads)(const ended_call *call, int position);
    /* Or, where the question is what the crossing itself costs: converts the arguments once, for calls as C
     * makes them. False where that cannot be done. In the child; may run Python code. */
    bool (*bare)(const ended_call *call, struct bare_call *out);
    /* The record that the answer is about; NULL: that of the call. */
    const record_ticket *(*about)(const ended_call *call, int position);
    struct what_if *next;
} what_if;

void what_if_register(what_if *change);

#define REGISTER_WHAT_IF(variable)                                     \
    __attribute__((constructor)) static void register_##variable(void) \
    {                                                                  \
        what_if_register(&(variable));                                 \
    }

extern what_if *what_ifs;

#endif
