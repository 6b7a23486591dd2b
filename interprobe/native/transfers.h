/* One transfer of elements, from the loop's choice to its release: what the loop was called with. */
#ifndef INTERPROBE_TRANSFERS_H
#define INTERPROBE_TRANSFERS_H

#include "numpy_api.h"

#include <numpy/dtype_api.h>

#include <stdbool.h>
#include <stdint.h>

/* What the calls of a loop read or wrote. */
typedef struct {
    const char *data; /* of the first call */
    const char *last; /* of the latest call */
    const char *next; /* where the latest call would have gone on */
    const char *low, *high; /* among the calls' first elements */
    npy_intp stride;  /* of the first call */
    npy_intp step;    /* from the first call to the second */
    bool regular;     /* every call is `step` bytes on from the one before, with the same stride */
    bool continues;   /* every call begins where the one before ended */
} transfer_end;

/* Stands in NpyAuxData's place. Its memory is never given back, only used again, so that a stale
 * pointer to it can be told by the serial number. Made with the GIL; counted in by the one thread that transfers, with
 * or without the GIL; released with the GIL by NumPy, which frees NpyAuxData where it drops
 * references to descriptors. */
typedef struct transfer {
    NpyAuxData base;
    PyArrayMethod_StridedLoop *loop; /* NumPy's, with the auxdata that it wants */
    NpyAuxData *auxdata;             /* owned; may be NULL */
    PyArray_Descr *source;           /* strong */
    PyArray_Descr *result;           /* strong */
    uint64_t started;                /* ticks */
    uint64_t ended;                  /* ticks */
    bool flushes; /* reads a buffer that it clears: the last step of a cast, or a buffered output */
    /* A cast that NumPy splits (>f4 to f4 to f8) passes several loops with buffers between: they form
     * a chain, whose first transfer keeps its books. */
    struct transfer *first;
    struct transfer *next;
    int members;  /* kept by the first */
    int released; /* kept by the first */
    /* Of the calls of the loop. */
    uint64_t calls;
    npy_intp elements;
    npy_intp extent; /* of the first call */
    bool uniform;    /* every call moved `extent` elements */
    transfer_end from;
    transfer_end to;
    struct transfer *waiting; /* the next of the transfers that a conversion has claimed */
    uint64_t serial;          /* tells one use of the memory from the next; 0 once released */
} transfer;

/* Decides what a finished transfer was and books it. Takes over the chain, and frees it with
 * transfer_discard once nobody asks for it any more. GIL held. */
void transfer_finished(transfer *first);

/* Frees a chain whose members NumPy has all released. GIL held. */
void transfer_discard(transfer *first);

#endif
