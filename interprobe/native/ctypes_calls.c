/* The probe of calls through ctypes: who calls which C function, with which arrays, how long.
 *
 * Every CDLL makes its own subclass of _ctypes.CFuncPtr; the type slot tp_call is replaced in each,
 * which also covers functions fetched long ago, and in the base type for libraries loaded later.
 * The array behind a pointer is known where ctypes or NumPy keeps it: an ndarray itself (ndpointer),
 * x.ctypes, and the pointer of x.ctypes.data_as(...), which holds its array in `_arr`.
 * Not seen: the array behind an integer address. Functions of Python's own C API (ctypes.pythonapi,
 * and ctypes.cast, which NumPy calls in data_as) are passed through: they are no foreign code.
 */
#define _GNU_SOURCE
#include "clock.h"
#include "crossings.h"
#include "frames.h"
#include "ledger.h"
#include "numpy_api.h"
#include "probe.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_PYTHON_API 4 /* _ctypes.FUNCFLAG_PYTHONAPI */

/* What every ctypes object begins with: the address of its value. Checked when installed. */
typedef struct {
    PyObject_HEAD
    char *value;
} ctypes_object;

static PyTypeObject *function_base; /* _ctypes.CFuncPtr */
static ternaryfunc original_call;
static PyObject *name_arr, *name_name;
static PyGetSetDef *argtypes_of; /* ctypes' own: a subclass may have a property of that name */

static inline uint64_t
mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
    return hash ^ (hash >> 32);
}

/* A new reference to an instance attribute, or NULL; no exception, and no Python code runs: what the
 * type itself defines by that name, perhaps a property, is not asked. */
static PyObject *
plain_attribute(PyObject *object, PyObject *name)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type->tp_getattro != PyObject_GenericGetAttr || _PyType_Lookup(type, name) != NULL) {
        return NULL;
    }
    return _PyObject_GenericGetAttrWithDict(object, name, NULL, 1);
}

/* The array behind an argument: a new reference, or NULL where none is known. */
static PyArrayObject *
array_behind(PyObject *object)
{
    if (PyArray_Check(object)) {
        return (PyArrayObject *)Py_NewRef(object);
    }
    PyTypeObject *type = Py_TYPE(object);
    /* Numbers, strings and None hold no array; ctypes pointers and x.ctypes have a __dict__. */
    if (PyLong_CheckExact(object) || PyFloat_CheckExact(object) || object == Py_None ||
        !((type->tp_flags & Py_TPFLAGS_HEAPTYPE) || type->tp_dictoffset != 0)) {
        return NULL;
    }
    PyObject *array = plain_attribute(object, name_arr);
    if (array != NULL && !PyArray_Check(array)) {
        Py_CLEAR(array);
    }
    return (PyArrayObject *)array;
}

typedef struct {
    PyObject *function;
    PyObject *args;
} call_context;

static void
resolve_call(call_event *event, void *context)
{
    call_context *call = context;
    Dl_info info;
    if (dladdr((void *)(uintptr_t)event->key.function, &info) != 0 && info.dli_fname != NULL) {
        event->library = info.dli_fname;
        event->function = info.dli_sname;
    }
    PyObject *name = plain_attribute(call->function, name_name);
    if (name != NULL && PyUnicode_Check(name)) {
        const char *text = PyUnicode_AsUTF8(name); /* kept alive by the function's __dict__ */
        event->function = text != NULL ? text : event->function;
    }
    Py_XDECREF(name);
    PyObject *argtypes = argtypes_of->get(call->function, argtypes_of->closure);
    bool prototyped = argtypes != NULL && PyTuple_Check(argtypes);
    for (int i = 0; i < event->argument_count; i++) {
        PyObject *given = PyTuple_GET_ITEM(call->args, i);
        call_argument *argument = (call_argument *)&event->arguments[i];
        PyTypeObject *declared = NULL;
        if (prototyped && i < PyTuple_GET_SIZE(argtypes)) {
            PyObject *wanted = PyTuple_GET_ITEM(argtypes, i);
            declared = PyType_Check(wanted) ? (PyTypeObject *)wanted : NULL;
        }
        /* A typed pointer says more than the void pointer that the prototype makes of it. */
        bool pointer = strncmp(Py_TYPE(given)->tp_name, "LP_", 3) == 0;
        if (declared == NULL || pointer) {
            declared = Py_TYPE(given);
        }
        argument->declared = declared->tp_name;
    }
    Py_XDECREF(argtypes);
    PyErr_Clear();
}

/* Not inlined: its frame of some 2 kB would lie on the stack for as long as the callee runs. */
static __attribute__((noinline)) void
observe(PyObject *function, PyObject *args, const crossing *now, uint64_t ticks)
{
    position at;
    frames_locate(&at);
    if (at.own) {
        return;
    }
    call_argument arguments[CALL_ARGUMENTS];
    PyArrayObject *held[CALL_ARGUMENTS];
    call_event event;
    memset(&event.key, 0, sizeof event.key);
    event.key.function = *(uint64_t *)((ctypes_object *)function)->value;
    event.key.place = at.here;
    event.key.user_place = at.user;
    event.binding = "ctypes";
    event.library = event.function = NULL;
    event.ticks = ticks;
    event.ticks_self = ticks > now->nested_ticks ? ticks - now->nested_ticks : 0;
    event.bytes_copied = now->bytes_copied;
    event.bytes_borrowed = 0;
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    event.argument_count = (int)(count < CALL_ARGUMENTS ? count : CALL_ARGUMENTS);
    event.arguments = arguments;
    uint64_t hash = (uint64_t)count;
    for (int i = 0; i < event.argument_count; i++) {
        PyObject *given = PyTuple_GET_ITEM(args, i);
        held[i] = array_behind(given);
        arguments[i].declared = NULL;
        arguments[i].has_layout = held[i] != NULL;
        hash = mix(hash, (uint64_t)(uintptr_t)Py_TYPE(given));
        if (held[i] != NULL) {
            layout *is = &arguments[i].given;
            layout_read(is, held[i]);
            event.bytes_borrowed += (uint64_t)is->nbytes;
            hash = mix(hash, (uint64_t)is->elsize);
            hash = mix(hash, (uint64_t)(unsigned char)is->kind << 40 |
                                 (uint64_t)(unsigned char)is->byteorder << 32 |
                                 (uint64_t)(unsigned char)is->order << 24 |
                                 (uint64_t)is->ndim << 8 | (uint64_t)is->aligned << 1 |
                                 (uint64_t)is->writeable);
        }
    }
    event.key.arguments = hash;
    call_context context = {function, args};
    ledger_book_call(&event, resolve_call, &context);
    for (int i = 0; i < event.argument_count; i++) {
        Py_XDECREF(held[i]);
    }
}

static PyObject *
probed_call(PyObject *function, PyObject *args, PyObject *keywords)
{
    if (!ledger_active) {
        return original_call(function, args, keywords);
    }
    crossing *now = crossing_begin();
    if (now == NULL) {
        return original_call(function, args, keywords);
    }
    PyObject *result = original_call(function, args, keywords);
    uint64_t ticks = crossing_end(now);
    if (ledger_active && PyTuple_Check(args)) {
        /* A callee may have raised (PyDLL, errcheck): the crossing took place all the same. */
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        observe(function, args, now, ticks);
        PyErr_Restore(type, value, traceback);
    }
    crossing_release(now);
    return result;
}

/* Whether functions of this type are of Python's own C API. */
static bool
calls_python(PyTypeObject *type)
{
    PyObject *flags = PyObject_GetAttrString((PyObject *)type, "_flags_");
    long value = flags == NULL ? 0 : PyLong_AsLong(flags);
    Py_XDECREF(flags);
    PyErr_Clear();
    return (value & FLAG_PYTHON_API) != 0;
}

/* Replaces `from` by `to` in `type` and all its subclasses. */
static void
replace_in(PyTypeObject *type, ternaryfunc from, ternaryfunc to)
{
    if (type->tp_call == from && (to == original_call || !calls_python(type))) {
        type->tp_call = to;
    }
    PyObject *subclasses = PyObject_CallMethod((PyObject *)type, "__subclasses__", NULL);
    for (Py_ssize_t i = 0; subclasses != NULL && i < PyList_GET_SIZE(subclasses); i++) {
        PyObject *subclass = PyList_GET_ITEM(subclasses, i);
        if (PyType_Check(subclass)) {
            replace_in((PyTypeObject *)subclass, from, to);
        }
    }
    Py_XDECREF(subclasses);
    PyErr_Clear();
}

static PyObject *
attribute_of(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *attribute = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return attribute;
}

/* The address inside a ctypes function, against what ctypes itself says: ctypes.addressof. */
static bool
objects_are_as_expected(void)
{
    PyObject *type = attribute_of("ctypes", "c_long");
    PyObject *number = type == NULL ? NULL : PyObject_CallFunction(type, "l", 77L);
    PyObject *addressof = number == NULL ? NULL : attribute_of("_ctypes", "addressof");
    PyObject *address = addressof == NULL ? NULL : PyObject_CallOneArg(addressof, number);
    bool same = address != NULL &&
                PyLong_AsVoidPtr(address) == (void *)((ctypes_object *)number)->value;
    Py_XDECREF(address);
    Py_XDECREF(addressof);
    Py_XDECREF(number);
    Py_XDECREF(type);
    return same;
}

/* CFuncPtr.__call__: where a new subclass, such as each CDLL makes, takes its tp_call from. */
static PyWrapperDescrObject *
call_wrapper(PyTypeObject *base)
{
    PyObject *wrapper = PyObject_GetAttrString((PyObject *)base, "__call__");
    PyErr_Clear();
    bool known = wrapper != NULL && Py_IS_TYPE(wrapper, &PyWrapperDescr_Type);
    Py_XDECREF(wrapper); /* the type keeps it */
    return known ? (PyWrapperDescrObject *)wrapper : NULL;
}

/* NULL with an exception where the attribute has no getter in C. */
static PyGetSetDef *
getter_of(PyTypeObject *type, const char *name)
{
    PyObject *descriptor = PyObject_GetAttrString((PyObject *)type, name);
    if (descriptor == NULL || !Py_IS_TYPE(descriptor, &PyGetSetDescr_Type)) {
        Py_XDECREF(descriptor);
        PyErr_Format(PyExc_RuntimeError, "this Python's ctypes functions have no C getter of %s", name);
        return NULL;
    }
    PyGetSetDef *getter = ((PyGetSetDescrObject *)descriptor)->d_getset;
    Py_DECREF(descriptor); /* the type keeps it */
    return getter;
}

static int
install(void)
{
    if (function_base == NULL) {
        function_base = (PyTypeObject *)attribute_of("_ctypes", "CFuncPtr");
        name_arr = PyUnicode_InternFromString("_arr");
        name_name = PyUnicode_InternFromString("__name__");
        argtypes_of = function_base == NULL ? NULL : getter_of(function_base, "argtypes");
    }
    if (function_base == NULL || name_arr == NULL || name_name == NULL || argtypes_of == NULL) {
        Py_CLEAR(function_base);
        return -1;
    }
    if (!objects_are_as_expected()) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "this Python lays out ctypes objects differently");
        }
        return -1;
    }
    PyWrapperDescrObject *wrapper = call_wrapper(function_base);
    if (wrapper == NULL || wrapper->d_wrapped != (void *)function_base->tp_call) {
        PyErr_SetString(PyExc_RuntimeError, "this Python calls ctypes functions differently");
        return -1;
    }
    if (original_call != NULL && function_base->tp_call != original_call) {
        PyErr_SetString(PyExc_RuntimeError, "another tool has replaced how ctypes functions are called");
        return -1;
    }
    original_call = function_base->tp_call;
    wrapper->d_wrapped = (void *)probed_call;
    replace_in(function_base, original_call, probed_call);
    return 0;
}

static void
uninstall(void)
{
    call_wrapper(function_base)->d_wrapped = (void *)original_call;
    replace_in(function_base, probed_call, original_call);
}

static void
visit_slots(slot_visitor visit, void *context)
{
    PyTypeObject *base = (PyTypeObject *)attribute_of("_ctypes", "CFuncPtr");
    PyObject *subclasses =
        base == NULL ? NULL : PyObject_CallMethod((PyObject *)base, "__subclasses__", NULL);
    if (base != NULL) {
        PyWrapperDescrObject *wrapper = call_wrapper(base);
        visit("CFuncPtr.tp_call", (void *)base->tp_call, context);
        visit("CFuncPtr.__call__", wrapper == NULL ? NULL : wrapper->d_wrapped, context);
    }
    for (Py_ssize_t i = 0; subclasses != NULL && i < PyList_GET_SIZE(subclasses); i++) {
        PyTypeObject *subclass = (PyTypeObject *)PyList_GET_ITEM(subclasses, i);
        visit(subclass->tp_name, (void *)subclass->tp_call, context);
    }
    Py_XDECREF(subclasses);
    Py_XDECREF(base);
    PyErr_Clear();
}

static probe ctypes_probe = {"ctypes", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(ctypes_probe)
