/* The probe of element transfers: the loops with which NumPy copies and casts from array to array.
 *
 * _get_castingimpl(from, to) gives the ArrayMethod of a pair of dtypes; its get_strided_loop chooses
 * the loop of each transfer. The trampoline there puts a counting loop around the chosen one, whose
 * NpyAuxData marks the transfer's end. NumPy 2.0 to 2.5 choose a loop this way for every
 * assignment from array to array, contiguous ones of one dtype included.
 * Not seen: what take and repeat move and linalg's own repacking of strided matrices (loops of their
 * own, no ArrayMethod), and dtypes registered by extensions.
 */
#include "transfers.h"

#include "clock.h"
#include "frames.h"
#include "ledger.h"
#include "operations.h"
#include "probe.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The head of NumPy's private PyArrayMethodObject, the same from 2.0 to 2.5; checked at install. */
typedef struct {
    PyObject_HEAD
    char *name;
    int nin, nout;
    int casting;
    int flags;
    void *static_data;
    void *resolve_descriptors_with_scalars;
    void *resolve_descriptors;
    PyArrayMethod_GetLoop *get_strided_loop;
} array_method;

typedef struct {
    PyObject_HEAD
    void *dtypes;
    array_method *method;
} bound_method;

typedef struct {
    array_method *method; /* strong, for the life of the process */
    int original;
} known_method;

enum { ORIGINALS = 48 }; /* NumPy 2.5 has 14 ways to choose the loop of a cast */

static PyArrayMethod_GetLoop *originals[ORIGINALS]; /* stay when uninstalled */
static int originals_used;
static known_method *methods;
static size_t methods_used, methods_room;

static THREAD_LOCAL const void *choosing_for; /* the frame for which get_strided_loop is under way */
static THREAD_LOCAL transfer *last_run;       /* the transfer whose loop ran last */
static THREAD_LOCAL uint64_t last_serial;     /* its number then */
static THREAD_LOCAL const PyArrayMethod_Context *last_context;
static THREAD_LOCAL char *last_result;

/* Distance of the contexts of a split cast's first and main step; 0: unknown, chains are not made. */
static ptrdiff_t step_between_contexts;
static THREAD_LOCAL ptrdiff_t *measured_step; /* only while it is measured */

static transfer *unused; /* to use again, linked by `next`; guarded by the GIL, like `serials` */
static uint64_t serials;

void
transfer_discard(transfer *first)
{
    while (first != NULL) {
        transfer *next = first->next;
        Py_DECREF(first->source);
        Py_DECREF(first->result);
        first->next = unused;
        unused = first;
        first = next;
    }
}

static void
release_transfer(NpyAuxData *auxdata)
{
    transfer *now = (transfer *)auxdata;
    NPY_AUXDATA_FREE(now->auxdata);
    now->auxdata = NULL;
    now->serial = 0;
    transfer *first = now->first;
    if (++first->released == first->members) {
        first->ended = clock_ticks();
        transfer_finished(first);
    }
}

static NpyAuxData *clone_transfer(NpyAuxData *auxdata);
static int count_and_transfer(PyArrayMethod_Context *context, char *const *args,
                              const npy_intp *dimensions, const npy_intp *strides,
                              NpyAuxData *auxdata);

static transfer *
new_transfer(PyArrayMethod_StridedLoop *loop, NpyAuxData *auxdata, PyArray_Descr *source,
             PyArray_Descr *result, bool flushes)
{
    transfer *now = unused;
    if (now != NULL) {
        unused = now->next;
    } else if ((now = malloc(sizeof *now)) == NULL) {
        return NULL;
    }
    memset(now, 0, sizeof *now);
    now->base.free = release_transfer;
    now->base.clone = clone_transfer;
    now->loop = loop;
    now->auxdata = auxdata;
    now->source = (PyArray_Descr *)Py_NewRef(source);
    now->result = (PyArray_Descr *)Py_NewRef(result);
    now->flushes = flushes;
    now->first = now;
    now->members = 1;
    now->serial = ++serials;
    now->started = clock_ticks();
    return now;
}

/* A clone transfers other elements: it counts for itself. GIL held, as nditer's copy requires. */
static NpyAuxData *
clone_transfer(NpyAuxData *auxdata)
{
    transfer *old = (transfer *)auxdata;
    NpyAuxData *inner = NULL;
    if (old->auxdata != NULL && (inner = NPY_AUXDATA_CLONE(old->auxdata)) == NULL) {
        return NULL;
    }
    transfer *now = new_transfer(old->loop, inner, old->source, old->result, old->flushes);
    if (now == NULL) {
        NPY_AUXDATA_FREE(inner);
        return NULL;
    }
    return &now->base;
}

/* Joins a step of a split cast to the one that filled its buffer just now, in the same thread: the
 * buffer is the same, and both contexts lie in one block at the distance measured at install. */
static void
join_chain(transfer *now, const PyArrayMethod_Context *context, const char *source)
{
    transfer *before = last_run;
    ptrdiff_t distance = (const char *)context - (const char *)last_context;
    if (measured_step != NULL && before != NULL && source == last_result) {
        *measured_step = distance;
    }
    if (before == NULL || before == now || before->serial != last_serial || source != last_result || step_between_contexts == 0 ||
        (distance != step_between_contexts && distance != -2 * step_between_contexts)) {
        return;
    }
    now->first = before->first;
    before->next = now;
    now->first->members++;
}

static inline void
begin_end(transfer_end *end, const char *data, npy_intp stride)
{
    end->data = end->last = end->low = end->high = data;
    end->stride = stride;
    end->regular = end->continues = true;
}

static inline void
go_on(transfer_end *end, const char *data, npy_intp stride, uint64_t calls)
{
    npy_intp step = data - end->last;
    if (calls == 2) {
        end->step = step;
    }
    end->regular &= step == end->step && stride == end->stride;
    end->continues &= data == end->next && stride == end->stride;
    end->low = data < end->low ? data : end->low;
    end->high = data > end->high ? data : end->high;
    end->last = data;
}

static int
count_and_transfer(PyArrayMethod_Context *context, char *const *args, const npy_intp *dimensions,
                   const npy_intp *strides, NpyAuxData *auxdata)
{
    transfer *now = (transfer *)auxdata;
    npy_intp extent = dimensions[0];
    bool fresh = now->calls++ == 0;
    if (fresh) {
        now->extent = extent;
        now->uniform = true;
        begin_end(&now->from, args[0], strides[0]);
        begin_end(&now->to, args[1], strides[1]);
        if (now->flushes) {
            join_chain(now, context, args[0]);
        }
    } else {
        now->uniform &= extent == now->extent;
        go_on(&now->from, args[0], strides[0], now->calls);
        go_on(&now->to, args[1], strides[1], now->calls);
    }
    now->from.next = args[0] + extent * strides[0];
    now->to.next = args[1] + extent * strides[1];
    last_run = now;
    last_serial = now->serial;
    last_context = context;
    last_result = args[1];
    int status = now->loop(context, args, dimensions, strides, now->auxdata);
    if (status == 0) {
        now->elements += extent;
    }
    return status;
}

static int
choose(int index, PyArrayMethod_Context *context, int aligned, int move_references,
       const npy_intp *strides, PyArrayMethod_StridedLoop **loop, NpyAuxData **auxdata,
       NPY_ARRAYMETHOD_FLAGS *flags)
{
    PyArrayMethod_GetLoop *original = originals[index];
    if (!ledger_active && measured_step == NULL) {
        return original(context, aligned, move_references, strides, loop, auxdata, flags);
    }
    const void *frame = frames_current();
    const operation *under_way = operation_here();
    /* A loop for fields or for an inner dtype is part of the one that is being chosen. */
    if (frame == NULL || choosing_for == frame ||
        (under_way != NULL && under_way->kind == OPERATION_UNSEEN)) {
        return original(context, aligned, move_references, strides, loop, auxdata, flags);
    }
    const void *outer = choosing_for;
    choosing_for = frame;
    int status = original(context, aligned, move_references, strides, loop, auxdata, flags);
    choosing_for = outer;
    if (status < 0 || *loop == NULL) {
        return status;
    }
    transfer *now = new_transfer(*loop, *auxdata, context->descriptors[0], context->descriptors[1],
                                 move_references != 0);
    if (now != NULL) {
        *loop = count_and_transfer;
        *auxdata = &now->base;
    }
    return status;
}

#define CHOOSER(index)                                                                           \
    static int choose_##index(PyArrayMethod_Context *context, int aligned, int move_references, \
                              const npy_intp *strides, PyArrayMethod_StridedLoop **loop,        \
                              NpyAuxData **auxdata, NPY_ARRAYMETHOD_FLAGS *flags)               \
    {                                                                                            \
        return choose(index, context, aligned, move_references, strides, loop, auxdata, flags); \
    }
#define NAME(index) choose_##index,
#define EIGHT(X, tens)                                                                         \
    X(tens##0) X(tens##1) X(tens##2) X(tens##3) X(tens##4) X(tens##5) X(tens##6) X(tens##7)
#define ALL(X)                                                                                 \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)                                          \
    EIGHT(X, 1) X(18) X(19) EIGHT(X, 2) X(28) X(29) EIGHT(X, 3) X(38) X(39) EIGHT(X, 4)
ALL(CHOOSER)
static PyArrayMethod_GetLoop *const choosers[ORIGINALS] = {ALL(NAME)};

/* --- hooks ---------------------------------------------------------------------------------- */

static void
restore(void)
{
    for (size_t i = 0; i < methods_used; i++) {
        release_slot((void **)&methods[i].method->get_strided_loop,
                     (void *)choosers[methods[i].original],
                     (void *)originals[methods[i].original]);
    }
}

static void
uninstall(void)
{
    restore();
    operations_uninstall();
}

/* Whether an ArrayMethod is what its header said when this file was written. */
static bool
is_array_method(const array_method *method)
{
    return strcmp(Py_TYPE(method)->tp_name, "numpy._ArrayMethod") == 0 &&
           Py_TYPE(method)->tp_basicsize >= (Py_ssize_t)sizeof *method && method->nin == 1 &&
           method->nout == 1 && method->name != NULL;
}

static bool
is_of_numpy(const array_method *method, const void *numpy_base)
{
    Dl_info found;
    return dladdr((void *)method->get_strided_loop, &found) != 0 && found.dli_fbase == numpy_base &&
           dladdr(method->resolve_descriptors, &found) != 0 && found.dli_fbase == numpy_base;
}

static int
index_of_original(PyArrayMethod_GetLoop *original)
{
    for (int i = 0; i < originals_used; i++) {
        if (originals[i] == original) {
            return i;
        }
    }
    if (originals_used == ORIGINALS) {
        return -1;
    }
    originals[originals_used] = original;
    return originals_used++;
}

/* 0: patched, or nothing to patch; -1 with an exception. */
static int
patch(PyObject *castingimpl, const void *numpy_base)
{
    if (castingimpl == Py_None) {
        return 0; /* there is no such cast */
    }
    bound_method *bound = (bound_method *)castingimpl;
    bool known = strcmp(Py_TYPE(bound)->tp_name, "numpy._BoundArrayMethod") == 0 &&
                 Py_TYPE(bound)->tp_basicsize == (Py_ssize_t)sizeof *bound &&
                 is_array_method(bound->method);
    for (int i = 0; known && i < originals_used; i++) {
        if (bound->method->get_strided_loop == choosers[i]) {
            return 0; /* one method serves several pairs */
        }
    }
    if (!known || !is_of_numpy(bound->method, numpy_base)) {
        PyErr_SetString(PyExc_RuntimeError, "this NumPy's casts are built in an unknown way");
        return -1;
    }
    array_method *method = bound->method;
    int index = index_of_original(method->get_strided_loop);
    if (index < 0) {
        PyErr_SetString(PyExc_RuntimeError, "this NumPy has too many kinds of casts");
        return -1;
    }
    size_t at = 0;
    while (at < methods_used && methods[at].method != method) {
        at++; /* known from an earlier recording? */
    }
    if (at == methods_room) {
        size_t room = methods_room ? methods_room * 2 : 2048;
        known_method *grown = realloc(methods, room * sizeof *methods);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        methods = grown;
        methods_room = room;
    }
    if (at == methods_used) {
        methods[methods_used++] = (known_method){(array_method *)Py_NewRef(method), index};
    }
    method->get_strided_loop = choosers[index];
    return 0;
}

/* NumPy's own dtype classes: a new list, or NULL with an exception. */
static PyObject *
dtype_classes(void)
{
    PyObject *module = PyImport_ImportModule("numpy.dtypes");
    PyObject *classes = module == NULL ? NULL : PyList_New(0);
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (classes != NULL && PyDict_Next(PyModule_GetDict(module), &at, &name, &value)) {
        if (PyType_Check(value) && PyType_IsSubtype((PyTypeObject *)value, &PyArrayDescr_Type) &&
            PyList_Append(classes, value) < 0) {
            Py_CLEAR(classes);
        }
    }
    Py_XDECREF(module);
    return classes;
}

static int
patch_all(PyObject *get_castingimpl, PyObject *classes, const void *numpy_base)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(classes); i++) {
        for (Py_ssize_t k = 0; k < PyList_GET_SIZE(classes); k++) {
            PyObject *found = PyObject_CallFunctionObjArgs(
                get_castingimpl, PyList_GET_ITEM(classes, i), PyList_GET_ITEM(classes, k), NULL);
            int status = found == NULL ? -1 : patch(found, numpy_base);
            Py_XDECREF(found);
            if (status < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* Casts byte-swapped float32 to float64, which NumPy splits, and learns where its contexts lie. */
static int
test_and_measure(void)
{
    ptrdiff_t step = 0;
    npy_intp extent = 3;
    PyArray_Descr *native = PyArray_DescrFromType(NPY_FLOAT);
    PyArray_Descr *swapped = PyArray_DescrNewByteorder(native, NPY_SWAP);
    Py_DECREF(native);
    PyObject *source = swapped == NULL ? NULL : PyArray_Zeros(1, &extent, swapped, 0);
    PyObject *result = NULL;
    if (source != NULL) {
        measured_step = &step;
        last_run = NULL;
        result = PyArray_FromArray((PyArrayObject *)source, PyArray_DescrFromType(NPY_DOUBLE), 0);
        measured_step = NULL;
    }
    Py_XDECREF(source);
    Py_XDECREF(result);
    if (result == NULL) {
        return -1;
    }
    if (step == 0) {
        PyErr_SetString(PyExc_RuntimeError, "this NumPy casts without asking for a loop");
        return -1;
    }
    step_between_contexts = step;
    return 0;
}

static int
install(void)
{
    Dl_info numpy;
    PyObject *module = PyImport_ImportModule("numpy._core._multiarray_umath");
    PyObject *get = module == NULL ? NULL : PyObject_GetAttrString(module, "_get_castingimpl");
    PyObject *classes = get == NULL ? NULL : dtype_classes();
    int status = -1;
    if (classes != NULL && dladdr((void *)&PyArray_Type, &numpy) != 0) {
        status = patch_all(get, classes, numpy.dli_fbase);
    }
    Py_XDECREF(classes);
    Py_XDECREF(get);
    Py_XDECREF(module);
    if (status == 0) {
        status = test_and_measure();
    }
    if (status < 0 || operations_install() < 0) {
        restore();
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_MemoryError) &&
            !PyErr_ExceptionMatches(PyExc_RuntimeError)) {
            PyErr_SetString(PyExc_RuntimeError, "this NumPy does not show the loops of its casts");
        }
        return -1;
    }
    return 0;
}

static void
visit_slots(slot_visitor visit, void *context)
{
    for (size_t i = 0; i < methods_used; i++) {
        char name[64];
        snprintf(name, sizeof name, "%zu: %s", i, methods[i].method->name);
        visit(name, (void *)methods[i].method->get_strided_loop, context);
    }
    operations_visit(visit, context);
}

static probe transfers_probe = {"transfers", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(transfers_probe)
