/* How an array lies in memory: read from a live array, compared, and written into a ledger. */
#ifndef INTERPROBE_LAYOUT_H
#define INTERPROBE_LAYOUT_H

#include "numpy_api.h"

#include <stdbool.h>
#include <stdint.h>

enum { LAYOUT_C = 'C', LAYOUT_F = 'F', LAYOUT_STRIDED = 'S' };

/* A view of a live array's layout: valid as long as the array is, and unchanged. */
typedef struct {
    PyArray_Descr *descr;     /* borrowed; NULL where no live array stands behind the layout */
    const char *name;         /* of the element type, borrowed, without a `descr`; NULL: bytes */
    const npy_intp *shape;    /* borrowed, `ndim` long */
    const npy_intp *strides;  /* borrowed, `ndim` long, bytes */
    char *data;               /* first element */
    npy_intp nbytes;          /* elements times item size */
    npy_intp elsize;          /* bytes */
    npy_intp hidden;          /* elements that a mask hides; 0 where nobody has looked */
    int ndim;
    char kind;                /* NumPy's kind letter: f, i, u, c, b, M, m, S, U, V, O, ... */
    char byteorder;           /* '<', '>' or '|' */
    char order;               /* LAYOUT_C (also where both hold), LAYOUT_F or LAYOUT_STRIDED */
    bool contiguous_c;
    bool contiguous_f;
    bool aligned;
    bool writeable;
} layout;

/* A layout as it stands in a ledger; `ndim` lengths, then `ndim` strides follow it. */
typedef struct {
    char dtype[40];   /* NumPy's name of the element type, NUL-padded */
    char byteorder;
    char order;
    uint8_t aligned;
    uint8_t writeable;
    int32_t ndim;
    int64_t nbytes;
} stored_layout;

void layout_read(layout *out, PyArrayObject *array);

/* The array that holds the memory which `array` is a view of. Borrowed. */
PyArrayObject *layout_holder(PyArrayObject *array);

/* A one-dimensional block of `nbytes` bytes, such as the result of tobytes(). `extent` and `step`
 * are the caller's storage for the shape and the strides. */
void layout_of_bytes(layout *out, char *data, npy_intp nbytes, npy_intp *extent, npy_intp *step);

/* Elements that are in no array object: `shape` and `strides` are the caller's storage. */
void layout_of_elements(layout *out, PyArray_Descr *descr, const char *data, int ndim,
                        const npy_intp *shape, const npy_intp *strides);

/* Whether both hold the same element type, byte order aside. */
bool layout_same_type(const layout *a, const layout *b);

/* Whether a dimension longer than one is walked with stride 0, as np.broadcast_to does. */
bool layout_is_broadcast(const layout *a);

/* Whether the memory extents of both arrays overlap: the test that tells a view from a copy. */
bool layout_overlap(const layout *a, const layout *b);

/* Whether both are the same elements at the same addresses. */
bool layout_same_memory(const layout *a, const layout *b);

/* Writes NumPy's name of the element type, without running Python. */
void layout_type_name(const layout *in, char *name, size_t size);

/* The memory from the lowest byte of any element to behind the highest. */
void layout_extent(const layout *in, const char **low, const char **high);

/* Writes `in` as a stored layout with its dimensions, at `out`. */
void layout_store(stored_layout *out, const layout *in);

static inline size_t
layout_stored_size(int ndim)
{
    return sizeof(stored_layout) + 2 * (size_t)ndim * sizeof(int64_t);
}

#endif
