/* Keeps track of the NumPy operation that is under way: builtins, ufuncs, assignment to items.
 *
 * Builtins are hooked where the probe of conversions hooks them (PyMethodDef.ml_meth), ufuncs in
 * their own vectorcall field, x[...] = y in ndarray's type slot. An operation that is not followed
 * here still transfers elements; its name is then read off the source line.
 */
#include "operations.h"

#include "clock.h"
#include "copies.h"
#include "ledger.h"
#include "builtin_identity.h"
#include "probe.h"
#include "slow_operations.h"
#include "temporaries.h"

#include <numpy/ufuncobject.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *mechanism;
    char owner; /* 'm': numpy._core._multiarray_umath, 'a': ndarray, 'u': ufunc, 'i': nditer */
    const char *name;
    operation_kind kind;
    bool by_name;
    bool moves_references;
    bool picks; /* its result holds elements that it picked out of the array, as they were */
} followed;

#define FOLLOWED(X)                                                                          \
    X(0, {"numpy.dot", 'm', "dot", OPERATION_OPERANDS, false, false})                        \
    X(1, {"numpy.inner", 'm', "inner", OPERATION_OPERANDS, false, false})                    \
    X(2, {"numpy.vdot", 'm', "vdot", OPERATION_OPERANDS, false, false})                      \
    X(3, {"numpy.correlate", 'm', "correlate", OPERATION_OPERANDS, false, false})            \
    X(4, {"numpy.correlate", 'm', "correlate2", OPERATION_OPERANDS, false, false})           \
    X(5, {"numpy.einsum", 'm', "c_einsum", OPERATION_OPERANDS, false, false})                \
    X(6, {"numpy.bincount", 'm', "bincount", OPERATION_OPERANDS, false, false})              \
    X(7, {"numpy.interp", 'm', "interp", OPERATION_OPERANDS, false, false})                  \
    X(8, {"numpy.concatenate", 'm', "concatenate", OPERATION_GATHER, true, false})           \
    X(9, {"numpy.where", 'm', "where", OPERATION_UNSEEN, false, false})                      \
    X(10, {"numpy.lexsort", 'm', "lexsort", OPERATION_UNSEEN, false, false})                 \
    X(11, {"numpy.putmask", 'm', "putmask", OPERATION_OPERANDS, false, true})                \
    X(12, {"ndarray.dot", 'a', "dot", OPERATION_OPERANDS, false, false})                     \
    X(13, {"ndarray.take", 'a', "take", OPERATION_OPERANDS, false, true, true})              \
    X(14, {"ndarray.put", 'a', "put", OPERATION_OPERANDS, false, true})                      \
    X(15, {"ndarray.choose", 'a', "choose", OPERATION_OPERANDS, false, true})                \
    X(16, {"ndarray.compress", 'a', "compress", OPERATION_OPERANDS, false, true, true})      \
    X(17, {"ndarray.repeat", 'a', "repeat", OPERATION_OPERANDS, false, true, true})          \
    X(18, {"ndarray.searchsorted", 'a', "searchsorted", OPERATION_OPERANDS, false, false})   \
    X(19, {"ndarray.argmax", 'a', "argmax", OPERATION_OPERANDS, false, false})               \
    X(20, {"ndarray.argmin", 'a', "argmin", OPERATION_OPERANDS, false, false})               \
    X(21, {"ndarray.byteswap", 'a', "byteswap", OPERATION_OPERANDS, true, false})            \
    X(22, {"ndarray.__deepcopy__", 'a', "__deepcopy__", OPERATION_OPERANDS, true, false})    \
    X(23, {"ndarray.sort", 'a', "sort", OPERATION_UNSEEN, false, false})                     \
    X(24, {"ndarray.argsort", 'a', "argsort", OPERATION_UNSEEN, false, false})               \
    X(25, {"ndarray.partition", 'a', "partition", OPERATION_UNSEEN, false, false})           \
    X(26, {"ndarray.argpartition", 'a', "argpartition", OPERATION_UNSEEN, false, false})     \
    X(27, {"ufunc.reduce", 'u', "reduce", OPERATION_UNSEEN, false, false})                   \
    X(28, {"ufunc.accumulate", 'u', "accumulate", OPERATION_UNSEEN, false, false})           \
    X(29, {"ufunc.reduceat", 'u', "reduceat", OPERATION_UNSEEN, false, false})               \
    X(30, {"ufunc.at", 'u', "at", OPERATION_UNSEEN, false, false})                           \
    X(31, {"nditer.close", 'i', "close", OPERATION_WRITEBACK, false, false})                 \
    X(32, {"nditer.__exit__", 'i', "__exit__", OPERATION_WRITEBACK, false, false})

#define ENTRY(index, ...) [index] = __VA_ARGS__,
static const followed table[] = {FOLLOWED(ENTRY)};
enum { COUNT = sizeof table / sizeof table[0] };

static PyMethodDef *definitions[COUNT]; /* NULL: not patched */
static PyCFunction originals[COUNT];
static bool holds_identity; /* builtins hash and compare as without these hooks */

/* --- builtins ------------------------------------------------------------------------------- */

static inline void
enter(operation *now, int index, PyObject *self)
{
    const followed *what = &table[index];
    operation_begin(now, what->kind, what->mechanism);
    now->by_name = what->by_name;
    now->moves_references = what->moves_references;
    now->subject = what->owner == 'm' ? NULL : self;
    bool timed = what->kind == OPERATION_WRITEBACK || what->picks || what->owner == 'u';
    now->began = timed ? clock_ticks() : 0;
}

/* GIL held; an exception that is set stays set. */
static inline PyObject *
leave(operation *now, int index, PyObject *self, PyObject *result)
{
    operation_end(now);
    if (table[index].picks && result != NULL && ledger_active && PyArray_Check(self) &&
        PyArray_Check(result)) {
        const conversion done = {
            .mechanism = now->mechanism, .asked_for = true, .started = now->began};
        layout from, to;
        layout_read(&from, (PyArrayObject *)self);
        layout_read(&to, (PyArrayObject *)result);
        if (to.nbytes > 0) {
            copies_of_gather(&done, &from, &to, (PyArrayObject *)self);
        }
    }
    if (table[index].owner == 'u' && result != NULL && ledger_active &&
        slow_operations_consider(now->arguments, now->count)) {
        slow_operations_ended(now, table[index].name, result, clock_ticks() - now->began);
    }
    return result;
}

typedef PyObject *(*fastcall_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static inline PyObject *
through_fastcall(int index, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    fastcall_function original =
        (fastcall_function)(void (*)(void))originals[index];
    if (!ledger_active) {
        return original(self, args, count, names);
    }
    operation now;
    enter(&now, index, self);
    now.arguments = args;
    now.count = count;
    now.names = names;
    PyObject *result = original(self, args, count, names);
    return leave(&now, index, self, result);
}

typedef PyObject *(*positional_function)(PyObject *, PyObject *const *, Py_ssize_t);

static inline PyObject *
through_positional(int index, PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    positional_function original = (positional_function)(void (*)(void))originals[index];
    if (!ledger_active) {
        return original(self, args, count);
    }
    operation now;
    enter(&now, index, self);
    now.arguments = args;
    now.count = count;
    PyObject *result = original(self, args, count);
    return leave(&now, index, self, result);
}

static inline PyObject *
through_keywords(int index, PyObject *self, PyObject *args, PyObject *keywords)
{
    PyCFunctionWithKeywords original = (PyCFunctionWithKeywords)(void (*)(void))originals[index];
    if (!ledger_active) {
        return original(self, args, keywords);
    }
    operation now;
    enter(&now, index, self);
    now.arguments = PySequence_Fast_ITEMS(args);
    now.count = PyTuple_GET_SIZE(args);
    now.keywords = keywords;
    PyObject *result = original(self, args, keywords);
    return leave(&now, index, self, result);
}

static inline PyObject *
through_plain(int index, PyObject *self, PyObject *args)
{
    if (!ledger_active) {
        return originals[index](self, args);
    }
    operation now;
    enter(&now, index, self);
    if (args != NULL && PyTuple_Check(args)) { /* METH_O may pass a tuple too: as operands */
        now.arguments = PySequence_Fast_ITEMS(args);
        now.count = PyTuple_GET_SIZE(args);
    }
    PyObject *result = originals[index](self, args);
    return leave(&now, index, self, result);
}

#define TRAMPOLINES(index, ...)                                                                \
    static PyObject *fastcall_##index(PyObject *self, PyObject *const *args, Py_ssize_t count, \
                                      PyObject *names)                                         \
    {                                                                                          \
        return through_fastcall(index, self, args, count, names);                              \
    }                                                                                          \
    static PyObject *positional_##index(PyObject *self, PyObject *const *args,                 \
                                        Py_ssize_t count)                                      \
    {                                                                                          \
        return through_positional(index, self, args, count);                                   \
    }                                                                                          \
    static PyObject *keywords_##index(PyObject *self, PyObject *args, PyObject *keywords)      \
    {                                                                                          \
        return through_keywords(index, self, args, keywords);                                  \
    }                                                                                          \
    static PyObject *plain_##index(PyObject *self, PyObject *args)                             \
    {                                                                                          \
        return through_plain(index, self, args);                                               \
    }
FOLLOWED(TRAMPOLINES)

#define FASTCALL(index, ...) (PyCFunction)(void (*)(void))fastcall_##index,
#define POSITIONAL(index, ...) (PyCFunction)(void (*)(void))positional_##index,
#define KEYWORDS(index, ...) (PyCFunction)(void (*)(void))keywords_##index,
#define PLAIN(index, ...) plain_##index,
static const PyCFunction fastcalls[] = {FOLLOWED(FASTCALL)};
static const PyCFunction positional_calls[] = {FOLLOWED(POSITIONAL)};
static const PyCFunction keyword_calls[] = {FOLLOWED(KEYWORDS)};
static const PyCFunction plain_calls[] = {FOLLOWED(PLAIN)};

static PyCFunction
trampoline_for(int index, int flags)
{
    switch (flags & ~(METH_CLASS | METH_STATIC | METH_COEXIST)) {
    case METH_FASTCALL | METH_KEYWORDS:
        return fastcalls[index];
    case METH_FASTCALL:
        return positional_calls[index];
    case METH_VARARGS | METH_KEYWORDS:
        return keyword_calls[index];
    case METH_VARARGS:
    case METH_NOARGS:
    case METH_O:
        return plain_calls[index];
    default:
        return NULL;
    }
}

/* NumPy's method definition, or NULL: without it the operation is named by its source line. */
static PyMethodDef *
definition_of(const followed *what)
{
    PyObject *owner = what->owner == 'a'   ? Py_NewRef((PyObject *)&PyArray_Type)
                      : what->owner == 'm'
                          ? PyImport_ImportModule("numpy._core._multiarray_umath")
                          : PyImport_ImportModule("numpy");
    if ((what->owner == 'u' || what->owner == 'i') && owner != NULL) {
        Py_SETREF(owner, PyObject_GetAttrString(owner, what->owner == 'u' ? "ufunc" : "nditer"));
    }
    PyObject *found = owner == NULL ? NULL : PyObject_GetAttrString(owner, what->name);
    PyMethodDef *definition = NULL;
    if (found != NULL && Py_IS_TYPE(found, &PyMethodDescr_Type)) {
        definition = ((PyMethodDescrObject *)found)->d_method;
    } else if (found != NULL && PyCFunction_CheckExact(found)) {
        definition = ((PyCFunctionObject *)found)->m_ml;
    }
    Py_XDECREF(found);
    Py_XDECREF(owner);
    PyErr_Clear();
    return definition;
}

/* --- ufuncs --------------------------------------------------------------------------------- */

typedef struct {
    PyUFuncObject *ufunc; /* strong, for the life of the process */
    char *mechanism;
    bool patched;
} known_ufunc;

static known_ufunc *ufuncs;
static size_t ufuncs_used;
static vectorcallfunc call_ufunc; /* NumPy's one function behind every ufunc */

static inline vectorcallfunc *
vectorcall_of(PyUFuncObject *ufunc)
{
    return (vectorcallfunc *)((char *)ufunc + Py_TYPE(ufunc)->tp_vectorcall_offset);
}

PyObject *
operations_call_ufunc(vectorcallfunc call, const void *code, PyObject *ufunc, PyObject *const *args,
                      size_t flagged, PyObject *names)
{
    operation now;
    bool has_core = ((PyUFuncObject *)ufunc)->core_enabled;
    operation_begin(&now, has_core ? OPERATION_OPERANDS : OPERATION_ELEMENTWISE, NULL);
    now.subject = ufunc;
    now.arguments = args;
    now.count = PyVectorcall_NARGS(flagged);
    now.names = names;
    now.code = code;
    for (Py_ssize_t i = 0; i < ((PyUFuncObject *)ufunc)->nin && i < now.count; i++) {
        if (temporaries_considers(args[i])) {
            temporaries_read(&now, (PyArrayObject *)args[i]);
        }
    }
    uint64_t started = clock_ticks();
    PyObject *result = call(ufunc, args, flagged, names);
    operation_end(&now);
    if (ledger_active && temporaries_considers(result)) { /* given outputs have other references */
        temporaries_made(&now, (PyArrayObject *)result, started);
    }
    if (ledger_active && !has_core && result != NULL &&
        slow_operations_consider(args, now.count)) {
        slow_operations_ended(&now, NULL, result, clock_ticks() - started);
    }
    return result;
}

static PyObject *
probed_ufunc(PyObject *self, PyObject *const *args, size_t flagged, PyObject *names)
{
    if (!ledger_active) {
        return call_ufunc(self, args, flagged, names);
    }
    return operations_call_ufunc(call_ufunc, NULL, self, args, flagged, names);
}

/* linalg's ufuncs are the parts of its functions: solve1, cholesky_lo, svd_f. */
static char *
public_name(const char *module, const char *name)
{
    char full[128];
    bool linalg = strcmp(module, "numpy.linalg") == 0;
    snprintf(full, sizeof full, "%s.%s", module, name);
    if (linalg) {
        char *part = full + strlen(module) + 1;
        part[strcspn(part, "_0123456789")] = '\0';
    }
    return strdup(full);
}

static int
know_ufuncs_of(const char *module_name, const char *public_module)
{
    PyObject *module = PyImport_ImportModule(module_name);
    if (module == NULL) {
        PyErr_Clear(); /* this NumPy keeps them elsewhere: named by the source line */
        return 0;
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    int status = 0;
    while (PyDict_Next(PyModule_GetDict(module), &at, &key, &value)) {
        if (strcmp(Py_TYPE(value)->tp_name, "numpy.ufunc") != 0 ||
            Py_TYPE(value)->tp_vectorcall_offset <= 0 || ((PyUFuncObject *)value)->name == NULL) {
            continue;
        }
        known_ufunc *grown = realloc(ufuncs, (ufuncs_used + 1) * sizeof *ufuncs);
        char *name = grown == NULL ? NULL : public_name(public_module, ((PyUFuncObject *)value)->name);
        if (grown != NULL) {
            ufuncs = grown;
        }
        if (name == NULL) {
            PyErr_NoMemory();
            status = -1;
            break;
        }
        ufuncs[ufuncs_used++] = (known_ufunc){(PyUFuncObject *)Py_NewRef(value), name, false};
    }
    Py_DECREF(module);
    return status;
}

static int
patch_ufuncs(void)
{
    if (ufuncs_used == 0 &&
        (know_ufuncs_of("numpy._core._multiarray_umath", "numpy") < 0 ||
         know_ufuncs_of("numpy.linalg._umath_linalg", "numpy.linalg") < 0 ||
         know_ufuncs_of("numpy.fft._pocketfft_umath", "numpy.fft") < 0)) {
        return -1;
    }
    for (size_t i = 0; i < ufuncs_used; i++) {
        vectorcallfunc *slot = vectorcall_of(ufuncs[i].ufunc);
        if (call_ufunc == NULL) {
            call_ufunc = *slot;
        }
        if (*slot == call_ufunc) {
            *slot = probed_ufunc;
            ufuncs[i].patched = true;
        }
    }
    return 0;
}

const char *
operation_name(const operation *now)
{
    for (size_t i = 0; now->mechanism == NULL && i < ufuncs_used; i++) {
        if ((PyObject *)ufuncs[i].ufunc == now->subject) {
            return ufuncs[i].mechanism;
        }
    }
    if (now->code != NULL) {
        return ((PyUFuncObject *)now->subject)->name; /* lives as long as the extension */
    }
    return now->mechanism != NULL ? now->mechanism : "numpy";
}

/* --- items ---------------------------------------------------------------------------------- */

static objobjargproc assign_item;
static binaryfunc get_item;

static bool
selects_by_integers(PyObject *key)
{
    if (PyTuple_CheckExact(key)) {
        bool found = false;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key) && !found; i++) {
            PyObject *part = PyTuple_GET_ITEM(key, i);
            found = PyArray_Check(part) || PyList_Check(part);
        }
        return found;
    }
    return PyList_Check(key) || (PyArray_Check(key) && !PyArray_ISBOOL((PyArrayObject *)key));
}

/* Bytes that x[key] = value writes from an array, where one array of integers is the key; 0 where the
 * value is a single element, or where the number is not known without doing NumPy's work again. */
static uint64_t
bytes_assigned(PyArrayObject *self, PyObject *key, PyObject *value)
{
    if (!PyArray_CheckExact(key) || !PyArray_ISINTEGER((PyArrayObject *)key) ||
        !PyArray_Check(value) || PyArray_SIZE((PyArrayObject *)value) < 2 ||
        PyArray_NDIM(self) == 0) {
        return 0;
    }
    uint64_t bytes = (uint64_t)PyArray_SIZE((PyArrayObject *)key) * (uint64_t)PyArray_ITEMSIZE(self);
    for (int i = 1; i < PyArray_NDIM(self); i++) {
        bytes *= (uint64_t)PyArray_DIM(self, i);
    }
    return bytes;
}

static int
probed_assign_item(PyObject *self, PyObject *key, PyObject *value)
{
    if (!ledger_active || value == NULL) {
        return assign_item(self, key, value);
    }
    uint64_t scattered = bytes_assigned((PyArrayObject *)self, key, value);
    uint64_t started = scattered != 0 ? clock_ticks() : 0;
    operation now;
    /* NumPy assigns to single elements with and without a transfer: such a count would be half. */
    operation_begin(&now, selects_by_integers(key) ? OPERATION_UNSEEN : OPERATION_ASSIGNMENT,
                    "ndarray.__setitem__");
    now.by_name = true;
    now.target = (PyArrayObject *)self;
    now.arguments = &value;
    now.count = 1;
    int status = assign_item(self, key, value);
    operation_end(&now);
    if (status == 0 && scattered != 0 && ledger_active) {
        const conversion done = {.mechanism = now.mechanism, .asked_for = true, .existing = true,
                                 .bytes = scattered, .started = started};
        layout from, to;
        layout_read(&from, (PyArrayObject *)value);
        layout_read(&to, (PyArrayObject *)self);
        copies_of_gather(&done, &from, &to, (PyArrayObject *)value);
    }
    return status;
}

/* What indexing gives is a view, an element or, by arrays of indices, a fresh array: a copy. */
static PyObject *
probed_get_item(PyObject *self, PyObject *key)
{
    if (!ledger_active || PyLong_CheckExact(key) || PySlice_Check(key)) {
        return get_item(self, key);
    }
    operation now;
    operation_begin(&now, OPERATION_UNSEEN, "ndarray.__getitem__");
    uint64_t started = clock_ticks();
    PyObject *result = get_item(self, key);
    operation_end(&now);
    PyArrayObject *fresh = array_or_null(result);
    PyArrayObject *source = (PyArrayObject *)self;
    if (fresh == NULL || !ledger_active || PyArray_SIZE(fresh) == 0 ||
        (PyArray_ISOBJECT(source) && !selects_by_integers(key) && !PyArray_Check(key))) {
        return result; /* an element of an array of objects may be any array */
    }
    layout from, to;
    layout_read(&from, source);
    layout_read(&to, fresh);
    if (layout_overlap(&from, &to)) {
        return result; /* a view */
    }
    const conversion done = {.mechanism = now.mechanism, .asked_for = true, .started = started};
    copies_of_gather(&done, &from, &to, source);
    return result;
}

/* --- hooks ---------------------------------------------------------------------------------- */

void
operations_uninstall(void)
{
    for (int i = 0; i < COUNT; i++) {
        if (definitions[i] != NULL) {
            /* Originals stay: a call may still be inside a trampoline. */
            builtin_release(definitions[i], trampoline_for(i, definitions[i]->ml_flags), originals[i]);
            definitions[i] = NULL;
        }
    }
    if (holds_identity) {
        builtin_identity_release();
        holds_identity = false;
    }
    for (size_t i = 0; i < ufuncs_used; i++) {
        if (ufuncs[i].patched) {
            release_slot((void **)vectorcall_of(ufuncs[i].ufunc), (void *)probed_ufunc,
                         (void *)call_ufunc);
            ufuncs[i].patched = false;
        }
    }
    PyMappingMethods *mapping = PyArray_Type.tp_as_mapping;
    release_slot((void **)&mapping->mp_ass_subscript, (void *)probed_assign_item,
                 (void *)assign_item);
    release_slot((void **)&mapping->mp_subscript, (void *)probed_get_item, (void *)get_item);
    iterators_uninstall();
}

int
operations_install(void)
{
    if (builtin_identity_hold() < 0) {
        return -1;
    }
    holds_identity = true;
    for (int i = 0; i < COUNT; i++) {
        PyMethodDef *definition = definition_of(&table[i]);
        PyCFunction trampoline = definition ? trampoline_for(i, definition->ml_flags) : NULL;
        if (trampoline == NULL) {
            continue;
        }
        if (builtin_claim(definition, trampoline, &originals[i], table[i].mechanism) < 0) {
            operations_uninstall();
            return -1;
        }
        definitions[i] = definition;
    }
    PyMappingMethods *mapping = PyArray_Type.tp_as_mapping;
    if (patch_ufuncs() < 0 ||
        claim_slot((void **)&mapping->mp_ass_subscript, (void *)probed_assign_item,
                   (void **)&assign_item, "ndarray's assignment of items") < 0 ||
        claim_slot((void **)&mapping->mp_subscript, (void *)probed_get_item, (void **)&get_item,
                   "ndarray's indexing") < 0 ||
        iterators_install() < 0) {
        operations_uninstall();
        return -1;
    }
    return 0;
}

void
operations_visit(void (*visit)(const char *name, void *value, void *context), void *context)
{
    for (int i = 0; i < COUNT; i++) {
        PyMethodDef *definition = definition_of(&table[i]);
        if (definition != NULL) {
            visit(table[i].mechanism, (void *)definition->ml_meth, context);
        }
    }
    for (size_t i = 0; i < ufuncs_used; i++) {
        visit(ufuncs[i].mechanism, (void *)*vectorcall_of(ufuncs[i].ufunc), context);
    }
    iterators_visit(visit, context);
    visit("ndarray.__getitem__", (void *)PyArray_Type.tp_as_mapping->mp_subscript, context);
    visit("ndarray.__setitem__", (void *)PyArray_Type.tp_as_mapping->mp_ass_subscript, context);
}
