/* Follows NumPy's iterators, which may copy an operand as a whole and write it back at their end.
 *
 * What passes through an iterator's buffers is no copy, and ends in no array's memory.
 * Iterators made in C come through the C-API table (numexpr's only way in), np.nditer through its
 * type's slot.
 */
#include "capi.h"

#include "clock.h"
#include "ledger.h"
#include "operations.h"
#include "probe.h"

/* Slot numbers: NumPy's __multiarray_api.h. */
enum slot { NEW = 224, MULTI_NEW = 225, ADVANCED_NEW = 226, DEALLOCATE = 228 };

static NpyIter *(*original_new)(PyArrayObject *, npy_uint32, NPY_ORDER, NPY_CASTING,
                                PyArray_Descr *);
static NpyIter *(*original_multi_new)(int, PyArrayObject **, npy_uint32, NPY_ORDER, NPY_CASTING,
                                      npy_uint32 *, PyArray_Descr **);
static NpyIter *(*original_advanced_new)(int, PyArrayObject **, npy_uint32, NPY_ORDER, NPY_CASTING,
                                         npy_uint32 *, PyArray_Descr **, int, int **, npy_intp *,
                                         npy_intp);
static int (*original_deallocate)(NpyIter *);

static inline void
begin(operation *now, const char *mechanism, PyArrayObject *const *operands, int count)
{
    operation_begin(now, OPERATION_ITERATOR, mechanism);
    now->arguments = (PyObject *const *)operands;
    now->count = count;
}

static NpyIter *
probed_new(PyArrayObject *operand, npy_uint32 flags, NPY_ORDER order, NPY_CASTING casting,
           PyArray_Descr *dtype)
{
    if (!ledger_active) {
        return original_new(operand, flags, order, casting, dtype);
    }
    operation now;
    begin(&now, "NpyIter_New", &operand, 1);
    NpyIter *result = original_new(operand, flags, order, casting, dtype);
    operation_end(&now);
    return result;
}

static NpyIter *
probed_multi_new(int count, PyArrayObject **operands, npy_uint32 flags, NPY_ORDER order,
                 NPY_CASTING casting, npy_uint32 *operand_flags, PyArray_Descr **dtypes)
{
    if (!ledger_active) {
        return original_multi_new(count, operands, flags, order, casting, operand_flags, dtypes);
    }
    operation now;
    begin(&now, "NpyIter_MultiNew", operands, count);
    NpyIter *result =
        original_multi_new(count, operands, flags, order, casting, operand_flags, dtypes);
    operation_end(&now);
    return result;
}

static NpyIter *
probed_advanced_new(int count, PyArrayObject **operands, npy_uint32 flags, NPY_ORDER order,
                    NPY_CASTING casting, npy_uint32 *operand_flags, PyArray_Descr **dtypes,
                    int axes, int **operand_axes, npy_intp *shape, npy_intp buffer_size)
{
    if (!ledger_active) {
        return original_advanced_new(count, operands, flags, order, casting, operand_flags, dtypes,
                                     axes, operand_axes, shape, buffer_size);
    }
    operation now;
    begin(&now, "NpyIter_AdvancedNew", operands, count);
    NpyIter *result =
        original_advanced_new(count, operands, flags, order, casting, operand_flags, dtypes, axes,
                              operand_axes, shape, buffer_size);
    operation_end(&now);
    return result;
}

/* An iterator may be ended while an exception is on its way, and without the GIL where it has no
 * objects and nothing to write back: then there is nothing to follow. */
static int
probed_deallocate(NpyIter *iterator)
{
    if (!ledger_active || !frames_thread_attached()) {
        return original_deallocate(iterator);
    }
    operation now;
    operation_begin(&now, OPERATION_WRITEBACK, "NpyIter_Deallocate");
    now.began = clock_ticks();
    int status = original_deallocate(iterator);
    operation_end(&now);
    return status;
}

const capi_slot iterators_slots[] = {
    {NEW, "NpyIter_New", (void *)probed_new, (void **)&original_new},
    {MULTI_NEW, "NpyIter_MultiNew", (void *)probed_multi_new, (void **)&original_multi_new},
    {ADVANCED_NEW, "NpyIter_AdvancedNew", (void *)probed_advanced_new,
     (void **)&original_advanced_new},
    {DEALLOCATE, "NpyIter_Deallocate", (void *)probed_deallocate, (void **)&original_deallocate},
    {0, NULL, NULL, NULL},
};

/* --- np.nditer ------------------------------------------------------------------------------- */

static PyTypeObject *nditer; /* strong, for the life of the process */
static initproc original_init;

/* Whether np.nditer is given arrays: other operands it first makes arrays of, which copies too. */
static bool
are_arrays(PyObject *operands)
{
    if (operands == NULL || PyArray_Check(operands)) {
        return operands != NULL;
    }
    if (!PyList_CheckExact(operands) && !PyTuple_CheckExact(operands)) {
        return false;
    }
    bool arrays = true;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(operands) && arrays; i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(operands, i);
        arrays = item == Py_None || PyArray_Check(item);
    }
    return arrays;
}

static int
probed_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *operands = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (!ledger_active || !are_arrays(operands)) {
        return original_init(self, args, keywords);
    }
    operation now;
    operation_begin(&now, OPERATION_ITERATOR, "numpy.nditer");
    now.arguments = &operands;
    now.count = 1;
    int status = original_init(self, args, keywords);
    operation_end(&now);
    return status;
}

int
iterators_install(void)
{
    if (nditer == NULL) {
        PyObject *module = PyImport_ImportModule("numpy");
        PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, "nditer");
        Py_XDECREF(module);
        if (found == NULL || !PyType_Check(found) || ((PyTypeObject *)found)->tp_init == NULL) {
            Py_XDECREF(found);
            PyErr_Clear();
            return 0; /* unknown to this NumPy: its copies are named by their source line */
        }
        nditer = (PyTypeObject *)found;
    }
    return claim_slot((void **)&nditer->tp_init, (void *)probed_init, (void **)&original_init,
                      "numpy.nditer");
}

void
iterators_uninstall(void)
{
    if (nditer != NULL) {
        release_slot((void **)&nditer->tp_init, (void *)probed_init, (void *)original_init);
    }
}

void
iterators_visit(void (*visit)(const char *name, void *value, void *context), void *context)
{
    if (nditer != NULL) {
        visit("numpy.nditer", (void *)nditer->tp_init, context);
    }
}
