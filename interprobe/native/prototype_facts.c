/* A check of ctypes and cffi calls: what the function is declared as.
 *
 * The true prototype is looked up when the trace is sealed; here only what is gone by then is booked:
 * where the function lies in its library, and its restype and argtypes.
 */
#define _GNU_SOURCE
#include "call_checks.h"

#include <dlfcn.h>
#include <string.h>

/* How a function is declared. text: ctypes' name of its restype ("None", and "callable" for a Python
 * function), or cffi's type of the whole function; value: the function's address in its library's own
 * tables, -1 where it lies in none; limit: the length of argtypes, UNCOUNTED where they are an iterator,
 * -1 where none are declared. */
static const char DECLARED[] = "declared";
enum { UNCOUNTED = 1 << 20 };

/* The integer that a function returned first, as ctypes read it. value: the integer. */
static const char RETURNED_INTEGER[] = "returned_integer";

static PyGetSetDef *argtypes_of, *restype_of; /* ctypes' own getters */
static PyObject *simple_base;                 /* _ctypes._SimpleCData */
static PyObject *ctypes_bases;                /* tuple of the types that all ctypes types inherit */
static PyObject *name_argtypes;               /* interned */
static bool tried;

static PyGetSetDef *
getter_in(PyObject *type, const char *name)
{
    PyObject *descriptor = PyObject_GetAttrString(type, name);
    bool known = descriptor != NULL && Py_IS_TYPE(descriptor, &PyGetSetDescr_Type);
    PyGetSetDef *getter = known ? ((PyGetSetDescrObject *)descriptor)->d_getset : NULL;
    Py_XDECREF(descriptor); /* the type keeps it */
    return getter;
}

/* Learns ctypes' types once; where that fails, nothing is ever booked. */
static bool
ctypes_is_known(void)
{
    if (tried) {
        return argtypes_of != NULL;
    }
    tried = true;
    static const char *const names[] = {"_SimpleCData", "_Pointer", "Array", "Structure", "Union",
                                        "CFuncPtr"};
    PyObject *module = PyImport_ImportModule("_ctypes");
    ctypes_bases = PyTuple_New(6);
    bool whole = module != NULL && ctypes_bases != NULL;
    for (int i = 0; whole && i < 6; i++) {
        PyObject *type = PyObject_GetAttrString(module, names[i]);
        whole = type != NULL && PyType_Check(type);
        if (type != NULL) {
            PyTuple_SET_ITEM(ctypes_bases, i, type);
        }
    }
    name_argtypes = PyUnicode_InternFromString("_argtypes_");
    if (whole && name_argtypes != NULL) {
        simple_base = PyTuple_GET_ITEM(ctypes_bases, 0);
        PyObject *function_base = PyTuple_GET_ITEM(ctypes_bases, 5);
        restype_of = getter_in(function_base, "restype");
        argtypes_of = restype_of == NULL ? NULL : getter_in(function_base, "argtypes");
    }
    Py_XDECREF(module);
    PyErr_Clear();
    return argtypes_of != NULL;
}

/* What a program gave as argtypes, a new reference: any sequence or iterator, which ctypes keeps as it
 * is; NULL where it gave nothing. Runs no Python code, sets no exception. */
static PyObject *
argtypes(PyObject *function)
{
    PyObject *own = argtypes_of->get(function, argtypes_of->closure);
    if (own != NULL && own != Py_None) {
        return own;
    }
    Py_XDECREF(own);
    /* CFUNCTYPE(...) keeps them in the type that it makes. */
    PyObject *of_type = _PyType_Lookup(Py_TYPE(function), name_argtypes);
    return of_type != NULL && of_type != Py_None ? Py_NewRef(of_type) : NULL;
}

/* Whether argtypes are a list or tuple, whose items can be looked at. */
static bool
is_listed(PyObject *types)
{
    return PyTuple_Check(types) || PyList_Check(types);
}

/* ctypes' name of a declared type; a class derived from a simple type is that simple type. */
static const char *
type_name(PyObject *declared)
{
    if (declared == NULL || declared == Py_None) {
        return "None";
    }
    bool of_ctypes = false;
    for (int i = 0; PyType_Check(declared) && i < 6; i++) {
        of_ctypes |= PyType_IsSubtype((PyTypeObject *)declared,
                                      (PyTypeObject *)PyTuple_GET_ITEM(ctypes_bases, i));
    }
    if (!of_ctypes) {
        return "callable";
    }
    PyTypeObject *type = (PyTypeObject *)declared;
    if (PyType_IsSubtype(type, (PyTypeObject *)simple_base)) {
        while (type->tp_base != NULL && (PyObject *)type->tp_base != simple_base) {
            type = type->tp_base;
        }
    }
    return type->tp_name;
}

static void
book_declared(const begun_call *call, const char *text, int64_t count)
{
    Dl_info info;
    uintptr_t address = (uintptr_t)call->to->function;
    bool in_library = dladdr((void *)address, &info) != 0 && info.dli_fbase != NULL;
    const fact_event fact = {
        .kind = DECLARED,
        .position = -1,
        .other = -1,
        .value = in_library ? (int64_t)(address - (uintptr_t)info.dli_fbase) : -1,
        .limit = count,
        .text = text,
    };
    ledger_book_fact(&call->ticket->record, &fact);
}

static void
book_ctypes(const begun_call *call)
{
    PyObject *function = call->to->callable;
    PyObject *types = argtypes(function);
    PyObject *returned = restype_of->get(function, restype_of->closure);
    if (returned != NULL) {
        int64_t count = types == NULL ? -1 : UNCOUNTED;
        count = types != NULL && is_listed(types) ? PySequence_Fast_GET_SIZE(types) : count;
        book_declared(call, type_name(returned), count);
    }
    Py_XDECREF(returned);
    Py_XDECREF(types);
}

/* Only function pointers: what a compiled module calls, a compiler has checked. */
static void
book_cffi(const begun_call *call)
{
    if (PyCFunction_Check(call->to->callable)) {
        return;
    }
    PyObject *backend = PyImport_ImportModule("_cffi_backend");
    PyObject *type = backend == NULL
                         ? NULL
                         : PyObject_CallMethod(backend, "typeof", "O", call->to->callable);
    PyObject *name = type == NULL ? NULL : PyObject_GetAttrString(type, "cname");
    const char *text = name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    if (text != NULL) {
        book_declared(call, text, -1);
    }
    Py_XDECREF(name);
    Py_XDECREF(type);
    Py_XDECREF(backend);
}

static bool
before(const begun_call *call, void *memory)
{
    (void)memory;
    bool of_ctypes = strcmp(call->to->binding, "ctypes") == 0;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!of_ctypes) {
        book_cffi(call);
    } else if (ctypes_is_known()) {
        book_ctypes(call);
    }
    PyErr_Restore(type, value, traceback);
    return of_ctypes;
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    (void)to, (void)ticks, (void)memory;
    if (result == NULL || !PyLong_CheckExact(result)) {
        return;
    }
    int overflow;
    int64_t number = PyLong_AsLongLongAndOverflow(result, &overflow);
    if (overflow == 0) {
        const fact_event fact = {
            .kind = RETURNED_INTEGER, .position = -1, .other = -1, .value = number};
        ledger_book_fact(&ticket->record, &fact);
    }
}

static call_check prototype_facts = {
    .before = before,
    .after = after,
    .looks_at = {.all = CALL_FIRST | CALL_FOREIGN},
};
REGISTER_CALL_CHECK(prototype_facts)
