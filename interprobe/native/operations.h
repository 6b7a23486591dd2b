/* Which of NumPy's operations is under way in a thread: what a transfer of elements belongs to. */
#ifndef INTERPROBE_OPERATIONS_H
#define INTERPROBE_OPERATIONS_H

#include "frames.h"
#include "numpy_api.h"

#include <stdbool.h>
#include <stdint.h>

/* What a transfer means inside an operation. */
typedef enum {
    /* Another probe books the copy from its source and result: its transfers are not booked again. */
    OPERATION_CONVERSION,
    /* A ufunc over single elements: whole operands are copied only where they overlap an output;
     * what else fills an array stands for the buffer of a cast. */
    OPERATION_ELEMENTWISE,
    OPERATION_OPERANDS, /* dot, matmul, linalg: what fills a fresh array is a copy of an operand */
    OPERATION_ASSIGNMENT, /* x[...] = y: what fills the target was asked for by name */
    OPERATION_GATHER,     /* concatenate: every transfer into the result was asked for by name */
    OPERATION_ITERATOR,   /* an iterator is made: what fills a fresh array is a copy of an operand */
    OPERATION_WRITEBACK,  /* an iterator ends: what comes from a fresh array is written back */
    OPERATION_UNSEEN,     /* its transfers fill outputs or workspaces: sort, reduce, where */
} operation_kind;

/* Lives on the C stack of a trampoline for as long as the call lasts. All pointers are borrowed. */
typedef struct operation {
    struct operation *outer;
    const void *frame;     /* the Python frame that runs: code called back runs in another */
    operation_kind kind;
    bool by_name;          /* the program asks for a copy by calling this */
    bool moves_references; /* fills its own output through transfers where elements are objects */
    bool booked;           /* a conversion found its copy */
    const char *mechanism; /* a static string; NULL for a ufunc, which operation_name names */
    PyObject *subject;     /* self, or the ufunc, or NULL */
    PyObject *const *arguments; /* positional ones, then those that `names` names */
    Py_ssize_t count;           /* of positional arguments */
    PyObject *names;            /* tuple, or NULL */
    PyObject *keywords;         /* dict, or NULL */
    PyArrayObject *target;      /* written to, and there before; or NULL */
    uint64_t began;             /* ticks; 0: it does not matter when its transfers began */
    const char *result;         /* the block that a gather fills, once it is known, and its bytes */
    uint64_t result_bytes;
    struct transfer *claimed;   /* transfers of a conversion that has not found its copy yet */
} operation;

extern __thread operation *operations_current;

/* What a conversion of `source` is: where that is an array, the conversion's copy is sure to be booked
 * from source and result, and its transfers need not be looked at. */
static inline operation_kind
operation_converts(PyObject *source)
{
    return source != NULL && PyArray_Check(source) ? OPERATION_UNSEEN : OPERATION_CONVERSION;
}

static inline void
operation_begin(operation *now, operation_kind kind, const char *mechanism)
{
    *now = (operation){.outer = operations_current, .frame = frames_current(), .kind = kind,
                       .mechanism = mechanism};
    operations_current = now;
}

/* Books what a conversion left unexplained. GIL held; an exception that is set stays set. */
void operation_settle(operation *now);

static inline void
operation_end(operation *now)
{
    operations_current = now->outer;
    if (now->claimed != NULL) {
        operation_settle(now);
    }
}

/* The innermost operation, if no Python code runs inside it; else NULL. GIL held. */
static inline operation *
operation_here(void)
{
    operation *now = operations_current;
    return now != NULL && now->frame == frames_current() ? now : NULL;
}

/* The operation's name: a static string. GIL held. */
const char *operation_name(const operation *now);

/* The array that the operation writes into and that was there before: the one of `target`, `out=` and
 * the ufunc's outputs that holds `address`; else NULL. */
PyArrayObject *operation_target(const operation *now, const char *address);

/* The operand whose memory holds `address` and that has `elements` elements; NULL where none, or not
 * just one, is known. */
PyArrayObject *operation_operand(const operation *now, const char *address, npy_intp elements);

/* Whether memory from `low` up to `high` overlaps that of an array that the operation writes into. */
bool operation_overwrites(const operation *now, const char *low, const char *high);

/* Hooks that keep operations_current: part of the probe of transfers. */
int operations_install(void);
void operations_uninstall(void);
void operations_visit(void (*visit)(const char *name, void *value, void *context), void *context);

/* The hooks in np.nditer, likewise. */
int iterators_install(void);
void iterators_uninstall(void);
void iterators_visit(void (*visit)(const char *name, void *value, void *context), void *context);

#endif
