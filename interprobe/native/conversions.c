/* The probe of conversions asked for in Python: np.asarray and its kin, ndarray.astype and its kin.
 *
 * The C function behind a builtin (PyMethodDef.ml_meth) is read at every call, also by specialised
 * bytecode and through names bound long ago; it is replaced by a trampoline that calls it and then
 * looks at source and result. Not seen: subclasses that convert without these methods, and views
 * into which NumPy copies element-wise (x[:] = y).
 */
#include "builtin_identity.h"
#include "clock.h"
#include "copies.h"
#include "operations.h"
#include "probe.h"
#include "unowned_memory.h"

#include <numpy/arrayscalars.h>
#include <string.h>

/* How a mechanism is asked for an order and a copy; positions count what follows the subject. */
typedef struct {
    const char *mechanism;
    const char *name;     /* of the function or method */
    bool method;          /* of ndarray; the subject is self. Else of numpy._core.multiarray. */
    bool by_name;         /* the name itself asks for a copy */
    bool contiguous_view; /* lines up the elements in that order: ravel, reshape, flatten */
    char order;           /* fixed ('C', 'F'), or the default of the parameter, lower case */
    int order_position;   /* -1: by keyword only */
    int copy_position;    /* -1: by keyword only; -2: no such parameter */
} mechanism;

#define MECHANISMS(X)                                                                          \
    X(0, {"numpy.array", "array", false, false, false, 'k', -1, -1})                           \
    X(1, {"numpy.asarray", "asarray", false, false, false, 'k', 1, -1})                        \
    X(2, {"numpy.asanyarray", "asanyarray", false, false, false, 'k', 1, -1})                  \
    X(3, {"numpy.ascontiguousarray", "ascontiguousarray", false, false, false, 'C', -1, -2})   \
    X(4, {"numpy.asfortranarray", "asfortranarray", false, false, false, 'F', -1, -2})         \
    X(5, {"ndarray.astype", "astype", true, false, false, 'k', 1, 4})                          \
    X(6, {"ndarray.copy", "copy", true, true, false, 'k', -2, -2})                             \
    X(7, {"ndarray.ravel", "ravel", true, false, true, 'c', 0, -2})                            \
    X(8, {"ndarray.reshape", "reshape", true, false, true, 'c', -1, -1})                       \
    X(9, {"ndarray.flatten", "flatten", true, true, true, 'c', 0, -2})                         \
    X(10, {"ndarray.tobytes", "tobytes", true, true, false, 'c', 0, -2})                       \
    X(11, {"ndarray.__copy__", "__copy__", true, true, false, 'k', -2, -2})                    \
    X(12, {"numpy.copyto", "copyto", false, true, false, 'k', -2, -2})                         \
    X(13, {"numpy.frombuffer", "frombuffer", false, false, false, 'k', -2, -2})

#define ENTRY(index, ...) [index] = __VA_ARGS__,
static const mechanism mechanisms[] = {MECHANISMS(ENTRY)};
enum { MECHANISM_COUNT = sizeof mechanisms / sizeof mechanisms[0], COPYTO = 12, FROMBUFFER = 13 };

static PyMethodDef *definitions[MECHANISM_COUNT]; /* NumPy's own, static in its module */
static PyCFunction originals[MECHANISM_COUNT];    /* set once, for the life of the process */

/* A call in any calling convention. */
typedef struct {
    PyObject *const *positional;
    Py_ssize_t count;
    PyObject *names;           /* tuple; its values follow the positional ones. Or NULL. */
    PyObject *keywords;        /* dict, or NULL */
} call_arguments;

/* A borrowed reference to a parameter's argument, or NULL where the call leaves it out. */
static PyObject *
argument(const call_arguments *call, Py_ssize_t position, const char *name)
{
    if (position >= 0 && position < call->count) {
        return call->positional[position];
    }
    if (call->names != NULL) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call->names); i++) {
            if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(call->names, i), name) == 0) {
                return call->positional[call->count + i];
            }
        }
    }
    return call->keywords == NULL ? NULL : PyDict_GetItemString(call->keywords, name);
}

static char
order_asked_for(const mechanism *how, const call_arguments *call, int subjects)
{
    if (how->order == 'C' || how->order == 'F' || how->order_position == -2) {
        return how->order;
    }
    Py_ssize_t position = how->order_position < 0 ? -1 : how->order_position + subjects;
    PyObject *order = argument(call, position, "order");
    if (order == NULL || !PyUnicode_Check(order) || PyUnicode_GET_LENGTH(order) == 0) {
        return (char)(how->order - 'a' + 'A');
    }
    Py_UCS4 letter = PyUnicode_READ_CHAR(order, 0);
    return (char)(letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
}

static int
demanded_flags(const mechanism *how, char order, PyArrayObject *source)
{
    switch (order) {
    case 'C':
        return NPY_ARRAY_C_CONTIGUOUS;
    case 'F':
        return NPY_ARRAY_F_CONTIGUOUS;
    case 'A':
        return source != NULL && PyArray_IS_F_CONTIGUOUS(source) ? NPY_ARRAY_F_CONTIGUOUS
                                                                  : NPY_ARRAY_C_CONTIGUOUS;
    default: /* 'K': any order does, unless the result must be one block */
        return how->contiguous_view ? NPY_ARRAY_C_CONTIGUOUS : 0;
    }
}

/* Whether the program wrote copy=True; a default that copies is not a request by name. */
static bool
copy_asked_for(const mechanism *how, const call_arguments *call)
{
    if (how->by_name || how->copy_position == -2) {
        return how->by_name;
    }
    return argument(call, how->copy_position, "copy") == Py_True;
}

/* Bytes that np.copyto wrote: all of them, or where the mask is true, as often as it is broadcast. */
static bool
bytes_written(PyArrayObject *target, const call_arguments *call, uint64_t *bytes)
{
    PyObject *mask = argument(call, 3, "where");
    *bytes = (uint64_t)PyArray_NBYTES(target);
    if (mask == NULL || mask == Py_True) {
        return true;
    }
    if (PyArray_IsScalar(mask, Bool)) {
        return PyArrayScalar_VAL(mask, Bool) != 0;
    }
    if (!PyArray_Check(mask) || !PyArray_ISBOOL((PyArrayObject *)mask)) {
        return false;
    }
    npy_intp cells = PyArray_SIZE((PyArrayObject *)mask);
    npy_intp set = cells > 0 ? PyArray_CountNonzero((PyArrayObject *)mask) : 0;
    if (cells > 0) {
        *bytes = (uint64_t)set * (uint64_t)(PyArray_SIZE(target) / cells) *
                 (uint64_t)PyArray_ITEMSIZE(target);
    }
    return set > 0;
}

/* np.zeros_like and np.full write their one value through an array of one element. */
static bool
is_fill_by_library(PyArrayObject *source, PyArrayObject *target)
{
    if (PyArray_SIZE(source) != 1 || PyArray_SIZE(target) < 2) {
        return false;
    }
    position at;
    frames_locate(&at);
    return at.here != at.user;
}

static void
observe_copyto(conversion *done, const call_arguments *call)
{
    PyArrayObject *target = array_or_null(argument(call, 0, "dst"));
    PyObject *source = argument(call, 1, "src");
    if (target == NULL || source == NULL || !bytes_written(target, call, &done->bytes)) {
        return;
    }
    PyArrayObject *array = array_or_null(source);
    /* A scalar spread over the target is a fill, not a copy of an array. */
    if (array != NULL && PyArray_NDIM(array) > 0 && !is_fill_by_library(array, target)) {
        copies_of_array(done, array, target);
    }
}

static void
look_at(int index, PyObject *self, const call_arguments *call, PyObject *result, uint64_t started)
{
    const mechanism *how = &mechanisms[index];
    conversion done = {.mechanism = how->mechanism, .started = started};
    if (index == COPYTO) {
        done.asked_for = done.existing = true;
        observe_copyto(&done, call);
        return;
    }
    const char *parameter = index == 0 ? "object" : index == FROMBUFFER ? "buffer" : "a";
    PyObject *subject = how->method ? self : argument(call, 0, parameter);
    if (subject == NULL || subject == result) {
        return;
    }
    PyArrayObject *source = array_or_null(subject);
    int subjects = how->method ? 0 : 1;
    if (source != NULL) {
        char order = order_asked_for(how, call, subjects);
        done.demanded = demanded_flags(how, order, source);
        done.asked_for = copy_asked_for(how, call);
        if (how->contiguous_view) {
            done.traversal = done.demanded == NPY_ARRAY_F_CONTIGUOUS ? 'F' : 'C';
            done.demanded = how->by_name ? 0 : done.demanded;
        }
        if (PyBytes_Check(result)) {
            copies_to_bytes(&done, source, result);
        } else if (PyArray_Check(result)) {
            copies_of_array(&done, source, (PyArrayObject *)result);
        }
    } else if (PyArray_Check(result)) {
        copies_of_object(&done, subject, (PyArrayObject *)result);
        unowned_memory_wrapped((PyArrayObject *)result, how->mechanism);
    }
}

static void
observe(int index, PyObject *self, const call_arguments *call, PyObject *result, uint64_t started)
{
    look_at(index, self, call, result, started);
    PyErr_Clear(); /* a result means that no exception was set before */
}

/* Tells the probe of transfers that this call's copy is booked here. */
static inline void
begin(operation *now, int index, PyObject *self, const call_arguments *call)
{
    const mechanism *how = &mechanisms[index];
    if (index == COPYTO) {
        operation_begin(now, OPERATION_CONVERSION, how->mechanism);
        now->target = array_or_null(argument(call, 0, "dst"));
        return;
    }
    PyObject *source = how->method ? self : call->count > 0 ? call->positional[0] : NULL;
    operation_begin(now, operation_converts(source), how->mechanism);
}

typedef PyObject *(*fastcall_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
typedef PyObject *(*keywords_function)(PyObject *, PyObject *, PyObject *);

static inline PyObject *
through_fastcall(int index, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    fastcall_function original = (fastcall_function)(void (*)(void))originals[index];
    if (!ledger_active) {
        return original(self, args, count, names);
    }
    const call_arguments call = {args, count, names, NULL};
    operation now;
    begin(&now, index, self, &call);
    uint64_t started = clock_ticks();
    PyObject *result = original(self, args, count, names);
    if (result != NULL && ledger_active) {
        observe(index, self, &call, result, started);
    }
    operation_end(&now);
    return result;
}

static inline PyObject *
through_keywords(int index, PyObject *self, PyObject *args, PyObject *keywords)
{
    keywords_function original = (keywords_function)(void (*)(void))originals[index];
    if (!ledger_active) {
        return original(self, args, keywords);
    }
    const call_arguments call = {PySequence_Fast_ITEMS(args), PyTuple_GET_SIZE(args), NULL, keywords};
    operation now;
    begin(&now, index, self, &call);
    uint64_t started = clock_ticks();
    PyObject *result = original(self, args, keywords);
    if (result != NULL && ledger_active) {
        observe(index, self, &call, result, started);
    }
    operation_end(&now);
    return result;
}

static inline PyObject *
through_plain(int index, PyObject *self, PyObject *args)
{
    if (!ledger_active) {
        return originals[index](self, args);
    }
    bool tuple = args != NULL && PyTuple_Check(args);
    const call_arguments call = {tuple ? PySequence_Fast_ITEMS(args) : NULL,
                                 tuple ? PyTuple_GET_SIZE(args) : 0, NULL, NULL};
    operation now;
    begin(&now, index, self, &call);
    uint64_t started = clock_ticks();
    PyObject *result = originals[index](self, args);
    if (result != NULL && ledger_active) {
        observe(index, self, &call, result, started);
    }
    operation_end(&now);
    return result;
}

/* One trampoline per mechanism and calling convention: a call carries no other hint of its name. */
#define TRAMPOLINES(index, ...)                                                                  \
    static PyObject *fastcall_##index(PyObject *self, PyObject *const *args, Py_ssize_t count,   \
                                      PyObject *names)                                           \
    {                                                                                            \
        return through_fastcall(index, self, args, count, names);                                \
    }                                                                                            \
    static PyObject *keywords_##index(PyObject *self, PyObject *args, PyObject *keywords)        \
    {                                                                                            \
        return through_keywords(index, self, args, keywords);                                    \
    }                                                                                            \
    static PyObject *plain_##index(PyObject *self, PyObject *args)                               \
    {                                                                                            \
        return through_plain(index, self, args);                                                 \
    }
MECHANISMS(TRAMPOLINES)

#define FASTCALL(index, ...) (PyCFunction)(void (*)(void))fastcall_##index,
#define KEYWORDS(index, ...) (PyCFunction)(void (*)(void))keywords_##index,
#define PLAIN(index, ...) plain_##index,
static const PyCFunction fastcalls[] = {MECHANISMS(FASTCALL)};
static const PyCFunction keyword_calls[] = {MECHANISMS(KEYWORDS)};
static const PyCFunction plain_calls[] = {MECHANISMS(PLAIN)};

/* NumPy's method definition behind a function or a method of ndarray; NULL with an exception. */
static PyMethodDef *
definition_of(const mechanism *how)
{
    if (how->method) {
        PyObject *descriptor = PyObject_GetAttrString((PyObject *)&PyArray_Type, how->name);
        PyMethodDef *definition = NULL;
        if (descriptor != NULL && Py_IS_TYPE(descriptor, &PyMethodDescr_Type)) {
            definition = ((PyMethodDescrObject *)descriptor)->d_method;
        }
        Py_XDECREF(descriptor);
        return definition;
    }
    PyObject *module = PyImport_ImportModule("numpy._core._multiarray_umath");
    PyObject *function = module == NULL ? NULL : PyObject_GetAttrString(module, how->name);
    PyMethodDef *definition = NULL;
    if (function != NULL && PyCFunction_Check(function)) {
        definition = ((PyCFunctionObject *)function)->m_ml;
    }
    Py_XDECREF(function);
    Py_XDECREF(module);
    return definition;
}

static PyCFunction
trampoline_for(int index, int flags)
{
    switch (flags & ~(METH_CLASS | METH_STATIC | METH_COEXIST)) {
    case METH_FASTCALL | METH_KEYWORDS:
        return fastcalls[index];
    case METH_VARARGS | METH_KEYWORDS:
        return keyword_calls[index];
    case METH_VARARGS:
    case METH_NOARGS:
        return plain_calls[index];
    default:
        return NULL;
    }
}

static void
uninstall(void)
{
    for (int i = 0; i < MECHANISM_COUNT; i++) {
        if (definitions[i] != NULL) {
            /* Originals stay: a call may still be inside a trampoline. */
            builtin_release(definitions[i], trampoline_for(i, definitions[i]->ml_flags), originals[i]);
            definitions[i] = NULL;
        }
    }
    builtin_identity_release();
}

static int
install(void)
{
    if (builtin_identity_hold() < 0) {
        return -1;
    }
    for (int i = 0; i < MECHANISM_COUNT; i++) {
        PyMethodDef *definition = definition_of(&mechanisms[i]);
        PyCFunction trampoline = definition ? trampoline_for(i, definition->ml_flags) : NULL;
        if (trampoline == NULL) {
            if (!PyErr_Occurred()) {
                PyErr_Format(PyExc_RuntimeError, "this NumPy's %s is no builtin of a known kind",
                             mechanisms[i].mechanism);
            }
            uninstall();
            return -1;
        }
        if (builtin_claim(definition, trampoline, &originals[i], mechanisms[i].mechanism) < 0) {
            uninstall();
            return -1;
        }
        definitions[i] = definition;
    }
    return 0;
}

static void
visit_slots(slot_visitor visit, void *context)
{
    for (int i = 0; i < MECHANISM_COUNT; i++) {
        PyMethodDef *definition = definition_of(&mechanisms[i]);
        if (definition == NULL) {
            PyErr_Clear();
            continue;
        }
        visit(mechanisms[i].mechanism, (void *)definition->ml_meth, context);
    }
}

static probe conversions_probe = {"conversions", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(conversions_probe)
