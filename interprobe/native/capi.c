/* The probe of conversions asked for in C and C++: NumPy's C-API table.
 *
 * Every extension fetches the one table through _ARRAY_API. A trampoline in a slot sees source,
 * result and the requirement flags, and its return address lies in the extension that asked.
 * Extensions that keep function pointers of their own (pybind11 reads the table at first use) keep
 * the trampolines after uninstall: these live as long as the process and pass straight through.
 * Not seen: what such an extension read before the probe was installed, and NumPy's own calls, which
 * do not pass the table.
 */
#include "capi.h"

#include "clock.h"
#include "copies.h"
#include "fresh_arrays.h"
#include "masks.h"
#include "operations.h"
#include "probe.h"

#include <string.h>

/* Slot numbers: NumPy's __multiarray_api.h, unchanged since 1.x but for what 2.0 removed. */
enum slot {
    CAST_TO_TYPE = 49, COPY_INTO = 50, COPY_ANY_INTO = 51, FROM_ANY = 69, ENSURE_ARRAY = 70,
    ENSURE_ANY_ARRAY = 71, NEW_COPY = 85, CHECK_FROM_ANY = 108, FROM_ARRAY = 109,
    RESOLVE_WRITEBACK = 302, /* PyArray_SetWritebackIfCopyBase, 303, copies nothing */
};

/* Set when the table is patched; never cleared, for the sake of pointers kept elsewhere. */
static PyObject *(*original_from_any)(PyObject *, PyArray_Descr *, int, int, int, PyObject *);
static PyObject *(*original_check_from_any)(PyObject *, PyArray_Descr *, int, int, int, PyObject *);
static PyObject *(*original_from_array)(PyArrayObject *, PyArray_Descr *, int);
static PyObject *(*original_new_copy)(PyArrayObject *, NPY_ORDER);
static PyObject *(*original_cast_to_type)(PyArrayObject *, PyArray_Descr *, int);
static int (*original_copy_into)(PyArrayObject *, PyArrayObject *);
static int (*original_copy_any_into)(PyArrayObject *, PyArrayObject *);
static PyObject *(*original_ensure_array)(PyObject *);
static PyObject *(*original_ensure_any_array)(PyObject *);
static int (*original_resolve_writeback)(PyArrayObject *);

static void
observe(const char *mechanism, PyObject *source, PyObject *result, int flags, uint64_t started,
        void *caller)
{
    PyArrayObject *array = array_or_null(result);
    if (array == NULL || source == result || !ledger_active) {
        return;
    }
    conversion done = {
        .mechanism = mechanism,
        .demanded = flags & (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS | NPY_ARRAY_ALIGNED |
                             NPY_ARRAY_WRITEABLE),
        .caller = (uint64_t)(uintptr_t)caller,
        .started = started,
    };
    if (flags & NPY_ARRAY_ENSURECOPY) {
        done.demanded |= NPY_ARRAY_OWNDATA;
    }
    /* C code may ask for an array while an exception is on its way (a destructor that is run by it). */
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyArray_Check(source)) {
        if (!PyArray_CheckExact(source)) {
            masks_converted(source, result);
        }
        copies_of_array(&done, (PyArrayObject *)source, array);
    } else {
        copies_of_object(&done, source, array);
    }
    PyErr_Restore(type, value, traceback);
}

static PyObject *
probed_from_any(PyObject *source, PyArray_Descr *dtype, int least, int most, int flags,
                PyObject *context)
{
    if (!ledger_active) {
        return original_from_any(source, dtype, least, most, flags, context);
    }
    Py_XINCREF(source); /* the caller may hold it through an owner that the call changes */
    operation now;
    operation_begin(&now, operation_converts(source), "PyArray_FromAny");
    uint64_t started = clock_ticks();
    PyObject *result = original_from_any(source, dtype, least, most, flags, context);
    observe("PyArray_FromAny", source, result, flags, started, __builtin_return_address(0));
    operation_end(&now);
    Py_XDECREF(source);
    return result;
}

static PyObject *
probed_check_from_any(PyObject *source, PyArray_Descr *dtype, int least, int most, int flags,
                      PyObject *context)
{
    if (!ledger_active) {
        return original_check_from_any(source, dtype, least, most, flags, context);
    }
    Py_XINCREF(source); /* the caller may hold it through an owner that the call changes */
    operation now;
    operation_begin(&now, operation_converts(source), "PyArray_CheckFromAny");
    uint64_t started = clock_ticks();
    PyObject *result = original_check_from_any(source, dtype, least, most, flags, context);
    observe("PyArray_CheckFromAny", source, result, flags, started, __builtin_return_address(0));
    operation_end(&now);
    Py_XDECREF(source);
    return result;
}

static PyObject *
probed_from_array(PyArrayObject *source, PyArray_Descr *dtype, int flags)
{
    if (!ledger_active) {
        return original_from_array(source, dtype, flags);
    }
    Py_XINCREF(source); /* the caller may hold it through an owner that the call changes */
    operation now;
    operation_begin(&now, operation_converts((PyObject *)source), "PyArray_FromArray");
    uint64_t started = clock_ticks();
    PyObject *result = original_from_array(source, dtype, flags);
    observe("PyArray_FromArray", (PyObject *)source, result, flags, started,
            __builtin_return_address(0));
    operation_end(&now);
    Py_XDECREF(source);
    return result;
}

static PyObject *
probed_new_copy(PyArrayObject *source, NPY_ORDER order)
{
    if (!ledger_active) {
        return original_new_copy(source, order);
    }
    Py_XINCREF(source); /* the caller may hold it through an owner that the call changes */
    operation now;
    operation_begin(&now, operation_converts((PyObject *)source), "PyArray_NewCopy");
    uint64_t started = clock_ticks();
    PyObject *result = original_new_copy(source, order);
    observe("PyArray_NewCopy", (PyObject *)source, result, 0, started, __builtin_return_address(0));
    operation_end(&now);
    Py_XDECREF(source);
    return result;
}

static PyObject *
probed_cast_to_type(PyArrayObject *source, PyArray_Descr *dtype, int fortran)
{
    if (!ledger_active) {
        return original_cast_to_type(source, dtype, fortran);
    }
    Py_XINCREF(source); /* the caller may hold it through an owner that the call changes */
    operation now;
    operation_begin(&now, operation_converts((PyObject *)source), "PyArray_CastToType");
    uint64_t started = clock_ticks();
    PyObject *result = original_cast_to_type(source, dtype, fortran);
    observe("PyArray_CastToType", (PyObject *)source, result, 0, started,
            __builtin_return_address(0));
    operation_end(&now);
    Py_XDECREF(source);
    return result;
}

/* These two steal the reference to their source. */
static PyObject *
probed_ensure_array(PyObject *source)
{
    if (!ledger_active || source == NULL) {
        return original_ensure_array(source);
    }
    Py_INCREF(source);
    operation now;
    operation_begin(&now, operation_converts(source), "PyArray_EnsureArray");
    uint64_t started = clock_ticks();
    PyObject *result = original_ensure_array(source);
    observe("PyArray_EnsureArray", source, result, 0, started, __builtin_return_address(0));
    operation_end(&now);
    Py_DECREF(source);
    return result;
}

static PyObject *
probed_ensure_any_array(PyObject *source)
{
    if (!ledger_active || source == NULL) {
        return original_ensure_any_array(source);
    }
    Py_INCREF(source);
    operation now;
    operation_begin(&now, operation_converts(source), "PyArray_EnsureAnyArray");
    uint64_t started = clock_ticks();
    PyObject *result = original_ensure_any_array(source);
    observe("PyArray_EnsureAnyArray", source, result, 0, started, __builtin_return_address(0));
    operation_end(&now);
    Py_DECREF(source);
    return result;
}

static void
observe_into(const char *mechanism, PyArrayObject *target, PyArrayObject *source, bool made_for_it,
             uint64_t started, void *caller)
{
    /* A single element spread over the target is a fill, not a copy of an array. */
    if (ledger_active && PyArray_NDIM(source) > 0) {
        const conversion done = {.mechanism = mechanism, .existing = !made_for_it,
                                 .demanded = made_for_it ? fresh_arrays_demand(target, caller) : 0,
                                 .started = started, .caller = (uint64_t)(uintptr_t)caller};
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        copies_of_array(&done, source, target);
        PyErr_Restore(type, value, traceback);
    }
}

static int
probed_copy_into(PyArrayObject *target, PyArrayObject *source)
{
    if (!ledger_active) {
        return original_copy_into(target, source);
    }
    operation now;
    bool made_for_it = fresh_arrays_take(target, __builtin_frame_address(0));
    operation_begin(&now, made_for_it ? OPERATION_UNSEEN : OPERATION_CONVERSION,
                    "PyArray_CopyInto");
    now.target = made_for_it ? NULL : target;
    uint64_t started = clock_ticks();
    int status = original_copy_into(target, source);
    if (status == 0) {
        observe_into("PyArray_CopyInto", target, source, made_for_it, started,
                     __builtin_return_address(0));
    }
    operation_end(&now);
    return status;
}

static int
probed_copy_any_into(PyArrayObject *target, PyArrayObject *source)
{
    if (!ledger_active) {
        return original_copy_any_into(target, source);
    }
    operation now;
    bool made_for_it = fresh_arrays_take(target, __builtin_frame_address(0));
    operation_begin(&now, made_for_it ? OPERATION_UNSEEN : OPERATION_CONVERSION,
                    "PyArray_CopyAnyInto");
    now.target = made_for_it ? NULL : target;
    uint64_t started = clock_ticks();
    int status = original_copy_any_into(target, source);
    if (status == 0) {
        observe_into("PyArray_CopyAnyInto", target, source, made_for_it, started,
                     __builtin_return_address(0));
    }
    operation_end(&now);
    return status;
}

/* What was converted for native code, and written by it, goes back into the array that it came from. */
static int
probed_resolve_writeback(PyArrayObject *array)
{
    if (!ledger_active || array == NULL || !PyArray_CHKFLAGS(array, NPY_ARRAY_WRITEBACKIFCOPY) ||
        array_or_null(PyArray_BASE(array)) == NULL) {
        return original_resolve_writeback(array);
    }
    PyArrayObject *base = (PyArrayObject *)Py_NewRef(PyArray_BASE(array));
    operation now;
    operation_begin(&now, OPERATION_UNSEEN, "PyArray_ResolveWritebackIfCopy");
    uint64_t started = clock_ticks();
    int status = original_resolve_writeback(array);
    if (status > 0 && ledger_active) {
        const conversion done = {.mechanism = now.mechanism, .started = started,
                                 .caller = (uint64_t)(uintptr_t)__builtin_return_address(0)};
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        copies_of_writeback(&done, array, base);
        PyErr_Restore(type, value, traceback);
    }
    operation_end(&now);
    Py_DECREF(base);
    return status;
}

static const capi_slot conversion_slots[] = {
    {FROM_ANY, "PyArray_FromAny", (void *)probed_from_any, (void **)&original_from_any},
    {CHECK_FROM_ANY, "PyArray_CheckFromAny", (void *)probed_check_from_any,
     (void **)&original_check_from_any},
    {FROM_ARRAY, "PyArray_FromArray", (void *)probed_from_array, (void **)&original_from_array},
    {NEW_COPY, "PyArray_NewCopy", (void *)probed_new_copy, (void **)&original_new_copy},
    {CAST_TO_TYPE, "PyArray_CastToType", (void *)probed_cast_to_type,
     (void **)&original_cast_to_type},
    {COPY_INTO, "PyArray_CopyInto", (void *)probed_copy_into, (void **)&original_copy_into},
    {COPY_ANY_INTO, "PyArray_CopyAnyInto", (void *)probed_copy_any_into,
     (void **)&original_copy_any_into},
    {ENSURE_ARRAY, "PyArray_EnsureArray", (void *)probed_ensure_array,
     (void **)&original_ensure_array},
    {ENSURE_ANY_ARRAY, "PyArray_EnsureAnyArray", (void *)probed_ensure_any_array,
     (void **)&original_ensure_any_array},
    {RESOLVE_WRITEBACK, "PyArray_ResolveWritebackIfCopy", (void *)probed_resolve_writeback,
     (void **)&original_resolve_writeback},
    {0, NULL, NULL, NULL},
};

static const capi_slot *const lists[] = {conversion_slots, fresh_arrays_slots, iterators_slots};
enum { LISTS = sizeof lists / sizeof lists[0] };

/* Puts back what comes before `end` in its list, and all earlier lists; NULL: everything. */
static void
restore(const capi_slot *end)
{
    for (int i = 0; i < LISTS; i++) {
        for (const capi_slot *each = lists[i]; each->name != NULL; each++) {
            if (each == end) {
                return;
            }
            release_slot(&PyArray_API[each->slot], each->trampoline, *each->original);
        }
    }
}

static int
install(void)
{
    for (int i = 0; i < LISTS; i++) {
        for (const capi_slot *each = lists[i]; each->name != NULL; each++) {
            if (claim_slot(&PyArray_API[each->slot], each->trampoline, each->original,
                           each->name) < 0) {
                restore(each);
                return -1;
            }
        }
    }
    return 0;
}

static void
uninstall(void)
{
    restore(NULL);
}

static void
visit_slots(slot_visitor visit, void *context)
{
    for (int i = 0; i < LISTS; i++) {
        for (const capi_slot *each = lists[i]; each->name != NULL; each++) {
            visit(each->name, PyArray_API[each->slot], context);
        }
    }
}

static probe capi_probe = {"numpy-c-api", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(capi_probe)
