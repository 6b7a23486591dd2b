/* What every native probe offers; a probe registers itself when the module is loaded. */
#ifndef INTERPROBE_PROBE_H
#define INTERPROBE_PROBE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

typedef void (*slot_visitor)(const char *name, void *value, void *context);

typedef struct probe {
    const char *name;
    /* Puts the hooks in place. Returns 0, or -1 with an exception that says why this NumPy or
     * CPython does not allow it; then nothing is left patched. Called with the GIL. */
    int (*install)(void);
    /* Puts every patched pointer back. Trampolines that others have kept stay valid and inert. */
    void (*uninstall)(void);
    /* Names each pointer that install changes, with its present value. */
    void (*visit_slots)(slot_visitor visit, void *context);
    bool installed;
    struct probe *next;
} probe;

extern probe *probes_registered;

#define REGISTER_PROBE(variable)                                       \
    __attribute__((constructor)) static void register_##variable(void) \
    {                                                                  \
        (variable).next = probes_registered;                           \
        probes_registered = &(variable);                               \
    }

/* Puts `hook` into a slot. `*original` gets what was there the first time and never changes again: a
 * tool that saved the hook and put it back after us would otherwise make the hook call itself. Returns
 * -1 with an exception where the slot lies in read-only memory, or holds what a third party has put
 * there since (which may itself call the hook). */
int claim_slot(void **slot, void *hook, void **original, const char *what);

/* Puts the original back, unless the slot holds another tool's hook by now. */
void release_slot(void **slot, void *hook, void *original);

#endif
