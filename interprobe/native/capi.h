/* Entries of NumPy's C-API table, and what each file of trampolines puts into them. */
#ifndef INTERPROBE_CAPI_H
#define INTERPROBE_CAPI_H

typedef struct {
    int slot;         /* in PyArray_API: NumPy's __multiarray_api.h */
    const char *name; /* NULL ends a list */
    void *trampoline;
    void **original; /* set when the table is patched; never cleared: others may keep trampolines */
} capi_slot;

extern const capi_slot fresh_arrays_slots[];
extern const capi_slot iterators_slots[];

#endif
