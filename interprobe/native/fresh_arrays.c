/* Remembers the arrays that native code makes through NumPy's C-API, for as long as it is called.
 *
 * f2py before NumPy 2.1, and many wrappers written by hand, convert an argument in two steps: they
 * make an array of the layout that the callee wants, and copy the argument into it. The copy alone
 * does not tell such a conversion from writing into an array of the program's. It is one only where
 * the array has a single reference, was made through the table in the same call of the same Python
 * instruction, and by a caller as deep in the C stack.
 */
#include "fresh_arrays.h"

#include "allocations.h"
#include "capi.h"
#include "crossings.h"
#include "frames.h"
#include "libraries.h"
#include "thread_local.h"

#include <string.h>

/* Slot numbers: NumPy's __multiarray_api.h. */
enum slot { NEW = 93, NEW_FROM_DESCR = 94, ZEROS = 183, EMPTY = 184, NEW_LIKE_ARRAY = 277 };

enum {
    KEPT = 4,           /* arrays made before the first is copied into */
    SAME_CALLER = 2048, /* bytes of C stack that a function and its own helpers differ by */
};

typedef struct {
    const PyArrayObject *array; /* compared, never followed: it may be gone; NULL: none */
    const char *data;
    uint64_t first_serial; /* the block's number lies between these two, or its address was */
    uint64_t last_serial;  /* given to another block since */
    position_key at;
    uint64_t crossing;
    const char *stack;
} made_array;

typedef struct {
    made_array arrays[KEPT];
    unsigned next;
} made_of_thread;

static THREAD_LOCAL made_of_thread *made; /* NULL: none yet */

static PyObject *(*original_new)(PyTypeObject *, int, npy_intp const *, int, npy_intp const *,
                                 void *, int, int, PyObject *);
static PyObject *(*original_new_from_descr)(PyTypeObject *, PyArray_Descr *, int, npy_intp const *,
                                            npy_intp const *, void *, int, PyObject *);
static PyObject *(*original_zeros)(int, npy_intp const *, PyArray_Descr *, int);
static PyObject *(*original_empty)(int, npy_intp const *, PyArray_Descr *, int);
static PyObject *(*original_new_like_array)(PyArrayObject *, NPY_ORDER, PyArray_Descr *, int);

static void
note(PyObject *result, uint64_t allocated_before, const void *stack)
{
    if (result == NULL || !PyArray_CheckExact(result)) {
        return;
    }
    PyArrayObject *array = (PyArrayObject *)result;
    if (made == NULL && thread_local_make((void **)&made, sizeof *made) == NULL) {
        return;
    }
    for (int i = 0; i < KEPT; i++) {
        if (made->arrays[i].array == array) {
            made->arrays[i].array = NULL; /* that one is gone: its address was free again */
        }
    }
    made->arrays[made->next++ % KEPT] = (made_array){
        .array = array,
        .data = PyArray_DATA(array),
        .first_serial = allocated_before + 1,
        .last_serial = allocations_latest(),
        .at = frames_position_key(),
        .crossing = crossings_innermost(),
        .stack = stack,
    };
}

bool
fresh_arrays_take(PyArrayObject *target, const void *stack)
{
    made_array *found = NULL;
    for (int i = 0; made != NULL && i < KEPT; i++) {
        if (made->arrays[i].array == target) {
            found = &made->arrays[i];
        }
    }
    if (found == NULL) {
        return false;
    }
    made_array then = *found;
    found->array = NULL;
    position_key now = frames_position_key();
    intptr_t distance = (const char *)stack - then.stack;
    if (Py_REFCNT(target) != 1 || PyArray_BASE(target) != NULL ||
        !PyArray_CHKFLAGS(target, NPY_ARRAY_OWNDATA) || PyArray_DATA(target) != then.data ||
        now.frame == NULL || now.frame != then.at.frame ||
        now.instruction != then.at.instruction || crossings_innermost() != then.crossing ||
        distance > SAME_CALLER || distance < -SAME_CALLER) {
        return false;
    }
    uint64_t serial = allocations_serial(then.data);
    return serial >= then.first_serial && serial <= then.last_serial;
}

int
fresh_arrays_demand(PyArrayObject *target, const void *caller)
{
    bool c_order = PyArray_IS_C_CONTIGUOUS(target), f_order = PyArray_IS_F_CONTIGUOUS(target);
    if (c_order && f_order) { /* of one dimension: its maker's language decides what it is called */
        native_library *library = library_at(caller);
        c_order = library == NULL || strcmp(library_toolkit(library), "f2py") != 0;
    }
    int order = c_order ? NPY_ARRAY_C_CONTIGUOUS : f_order ? NPY_ARRAY_F_CONTIGUOUS : 0;
    /* Where nothing else was unmet, the callee wanted data of its own (f2py's intent(copy)). */
    return order | NPY_ARRAY_ALIGNED | NPY_ARRAY_OWNDATA;
}

/* --- trampolines ---------------------------------------------------------------------------- */

static PyObject *
probed_new(PyTypeObject *type, int ndim, npy_intp const *shape, int type_number,
           npy_intp const *strides, void *data, int itemsize, int flags, PyObject *like)
{
    uint64_t before = allocations_latest();
    PyObject *result =
        original_new(type, ndim, shape, type_number, strides, data, itemsize, flags, like);
    if (ledger_active && data == NULL) {
        note(result, before, __builtin_frame_address(0));
    }
    return result;
}

static PyObject *
probed_new_from_descr(PyTypeObject *type, PyArray_Descr *descr, int ndim, npy_intp const *shape,
                      npy_intp const *strides, void *data, int flags, PyObject *like)
{
    uint64_t before = allocations_latest();
    PyObject *result =
        original_new_from_descr(type, descr, ndim, shape, strides, data, flags, like);
    if (ledger_active && data == NULL) {
        note(result, before, __builtin_frame_address(0));
    }
    return result;
}

static PyObject *
probed_zeros(int ndim, npy_intp const *shape, PyArray_Descr *descr, int fortran)
{
    uint64_t before = allocations_latest();
    PyObject *result = original_zeros(ndim, shape, descr, fortran);
    if (ledger_active) {
        note(result, before, __builtin_frame_address(0));
    }
    return result;
}

static PyObject *
probed_empty(int ndim, npy_intp const *shape, PyArray_Descr *descr, int fortran)
{
    uint64_t before = allocations_latest();
    PyObject *result = original_empty(ndim, shape, descr, fortran);
    if (ledger_active) {
        note(result, before, __builtin_frame_address(0));
    }
    return result;
}

static PyObject *
probed_new_like_array(PyArrayObject *model, NPY_ORDER order, PyArray_Descr *descr, int subclass)
{
    uint64_t before = allocations_latest();
    PyObject *result = original_new_like_array(model, order, descr, subclass);
    if (ledger_active) {
        note(result, before, __builtin_frame_address(0));
    }
    return result;
}

const capi_slot fresh_arrays_slots[] = {
    {NEW, "PyArray_New", (void *)probed_new, (void **)&original_new},
    {NEW_FROM_DESCR, "PyArray_NewFromDescr", (void *)probed_new_from_descr,
     (void **)&original_new_from_descr},
    {ZEROS, "PyArray_Zeros", (void *)probed_zeros, (void **)&original_zeros},
    {EMPTY, "PyArray_Empty", (void *)probed_empty, (void **)&original_empty},
    {NEW_LIKE_ARRAY, "PyArray_NewLikeArray", (void *)probed_new_like_array,
     (void **)&original_new_like_array},
    {0, NULL, NULL, NULL},
};
