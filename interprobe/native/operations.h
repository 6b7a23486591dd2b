/* Which of NumPy's operations is under way in a thread: what a transfer of elements belongs to. */
#ifndef INTERPROBE_OPERATIONS_H
#define INTERPROBE_OPERATIONS_H

#include "frames.h"
#include "numpy_api.h"
#include "thread_local.h"

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
    int link; /* its place in the thread's list; 0: nested too deeply to have one */
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
    const void *code;           /* in the extension that a ufunc is part of; NULL: NumPy's own */
    struct transfer *claimed;   /* transfers of a conversion that has not found its copy yet */
} operation;

/* An operation may be looked at only while the frame that it was begun in runs: a program that
 * switches stacks (greenlet) in the middle of it takes its C stack away, and may end it after one
 * that was begun later. The frame lives all the while, so that no other has its address. */
typedef struct {
    const void *frame; /* the Python frame that ran: code called back runs in another */
    operation *is;     /* NULL: it has ended */
} operation_link;

enum { OPERATIONS_LINKED = 64 };

typedef struct {
    int innermost;
    int unlinked; /* operations that found no link, under way now */
    operation_link links[OPERATIONS_LINKED + 1]; /* from 1 */
    operation unknown; /* stands for one of those */
} operations_of_thread;

extern THREAD_LOCAL operations_of_thread *operations_under_way; /* NULL: none yet */

/* Makes this thread's list; NULL when memory is out. */
operations_of_thread *operations_of_new_thread(void);

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
    operations_of_thread *all = operations_under_way;
    *now = (operation){.kind = kind, .mechanism = mechanism};
    if (all == NULL && (all = operations_of_new_thread()) == NULL) {
        return;
    }
    if (all->innermost < OPERATIONS_LINKED) {
        now->link = ++all->innermost;
        all->links[now->link] = (operation_link){frames_current(), now};
    } else {
        all->unlinked++;
    }
}

/* Books what a conversion left unexplained. GIL held; an exception that is set stays set. */
void operation_settle(operation *now);

static inline void
operation_end(operation *now)
{
    operations_of_thread *all = operations_under_way;
    if (now->link == 0 && all != NULL) {
        all->unlinked -= all->unlinked > 0;
    } else if (all != NULL) {
        all->links[now->link].is = NULL;
        while (all->innermost > 0 && all->links[all->innermost].is == NULL) {
            all->innermost--;
        }
    }
    if (now->claimed != NULL) {
        operation_settle(now);
    }
}

/* The innermost operation that the running frame has begun, if no Python code runs inside it; else
 * NULL. Where that is not known, one of kind OPERATION_UNSEEN. GIL held. */
operation *operation_here(void);

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

/* Calls another package's ufunc, which `call` carries out, as the operation that it is; `code` lies in
 * the extension that brought it along. GIL held. */
PyObject *operations_call_ufunc(vectorcallfunc call, const void *code, PyObject *ufunc,
                                PyObject *const *args, size_t flagged, PyObject *names);

/* Hooks that keep operations_under_way: part of the probe of transfers. */
int operations_install(void);
void operations_uninstall(void);
void operations_visit(void (*visit)(const char *name, void *value, void *context), void *context);

/* The hooks in np.nditer, likewise. */
int iterators_install(void);
void iterators_uninstall(void);
void iterators_visit(void (*visit)(const char *name, void *value, void *context), void *context);

#endif
